/** A plan ready to run, many times and at once. */

import {
  EspalierError,
  kindOf,
  Slicer,
  shapeIn,
  type Tensor,
  throwIfAborted,
  type Value,
  type ValueInfo,
  type ValueKind,
  type ValueType,
} from '@espalier/core';
import { type Explanation, explain } from '@espalier/planner';
import { type Bindings, bindFeeds } from './bind.ts';
import type { Executable } from './executable.ts';
import { Frame, type NodeTiming } from './frame.ts';

/** Name, kind, dtype and shape of an input or output; symbols stand for sizes that each run may choose. */
export interface ValueMetadata {
  readonly name: string;
  readonly kind: ValueKind;
  /** The dtype of the tensor, or of those that a sequence or an optional holds. */
  readonly type: ValueInfo['dtype'];
  /** Its shape, or theirs: then `?` is a size in which they may differ, and `...` alone any number of axes. */
  readonly shape: ValueInfo['shape'];
}

export interface SessionRunOptions {
  /** Aborts the run within milliseconds; the promise is rejected with code `ABORTED`. */
  readonly signal?: AbortSignal;
  /** Told what each node took, as it happens. */
  onNode?(timing: NodeTiming): void;
}

/** Outputs to compute: their names, or an object that has them as keys (one without keys asks for all). */
export type Fetches = readonly string[] | Readonly<Record<string, unknown>>;

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  /**
   * Runs the model. Sizes that the model leaves open may differ from run to run; runs may overlap. Feeds must not be
   * written to until the promise settles; the outputs are the caller's own. A sequence is an array of tensors; an optional
   * is its element, or null when it is empty (as a feed, it may be left out then). A program that gets such values, as
   * `outputMetadata` tells, asks for them with `run<Value>(feeds)`.
   * @throws EspalierError `BAD_INPUT`, `SHAPE_MISMATCH`, `ABORTED`, `DISPOSED`
   */
  run<Output extends Value = Tensor>(
    feeds: Readonly<Record<string, Value | undefined>>,
    fetches?: Fetches | SessionRunOptions,
    options?: SessionRunOptions,
  ): Promise<Record<string, Output>>;
  /** What runs where, what it was predicted to cost, what it beat and what was refused: plain JSON, a table as text. */
  explain(): Explanation;
  /** Waits for runs that are under way, then gives all memory back. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  [Symbol.dispose](): void;
}

/** @param release called when the last run has ended after `dispose` */
export function createSession(executable: Executable, release: () => void): Session {
  const { graph, plan } = executable.planned;
  const metadata = ({ name, ...value }: ValueInfo): ValueMetadata => ({
    name,
    kind: kindOf(value),
    type: value.dtype,
    shape: shapeIn(value),
  });
  const outputs = graph.outputs.map((name) => metadata({ name, ...typeOf(executable, name) }));
  const running = new Set<Promise<unknown>>();
  let disposed: Promise<void> | undefined;

  const start = async (
    feeds: Readonly<Record<string, Value | undefined>>,
    names: readonly string[],
    options: SessionRunOptions,
  ): Promise<Record<string, Value>> => {
    throwIfAborted(options.signal);
    const at: Bindings = {};
    const given = new Map(Object.entries(feeds));
    bindFeeds(graph.inputs, given, at);
    const frame = new Frame(executable, given, at, { ...options, slicer: new Slicer(options.signal) });
    try {
      const results = await frame.run(names);
      return Object.fromEntries(names.map((name, i) => [name, results[i]!]));
    } finally {
      frame.release();
    }
  };

  const dispose = (): Promise<void> => {
    disposed ??= Promise.allSettled(running).then(() => {
      executable.dispose();
      release();
    });
    return disposed;
  };

  return {
    inputNames: graph.inputs.map((input) => input.name),
    outputNames: graph.outputs,
    inputMetadata: graph.inputs.map(metadata),
    outputMetadata: outputs,
    async run<Output extends Value>(
      feeds: Readonly<Record<string, Value | undefined>>,
      second?: Fetches | SessionRunOptions,
      third?: SessionRunOptions,
    ) {
      if (disposed) throw new EspalierError('DISPOSED', 'this session was disposed: load the model again');
      const [fetches, options] = isOptions(second) ? [undefined, { ...second, ...third }] : [second, third ?? {}];
      const names =
        fetches === undefined
          ? graph.outputs
          : Array.isArray(fetches)
            ? (fetches as readonly string[])
            : Object.keys(fetches);
      for (const name of names) {
        if (!graph.outputs.includes(name))
          throw new EspalierError(
            'BAD_INPUT',
            `the model has no output "${name}"; its outputs are: ${graph.outputs.join(', ')}`,
          );
      }
      const run = start(feeds, names, options);
      running.add(run);
      try {
        return (await run) as Record<string, Output>;
      } finally {
        running.delete(run);
      }
    },
    explain: () => explain(plan),
    dispose,
    [Symbol.asyncDispose]: dispose,
    [Symbol.dispose]: () => void dispose(),
  };
}

function isOptions(value: Fetches | SessionRunOptions | undefined): value is SessionRunOptions {
  return (
    value !== undefined &&
    !Array.isArray(value) &&
    Object.keys(value).every((key) => key === 'signal' || key === 'onNode')
  );
}

function typeOf(executable: Executable, name: string): ValueType {
  const { dtype, shape, container } =
    executable.facts(name) ?? executable.planned.graph.inputs.find((input) => input.name === name)!;
  return { dtype, shape, container };
}
