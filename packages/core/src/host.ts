/**
 * Backends whose kernels are JavaScript over host memory: the scalar backend, and third parties' own. Their work runs in
 * slices on the thread that called, so that the event loop stays free.
 */

import type { Backend, Call, CommandList, Kernel, Program, Rates, RunOptions, Slot, Step } from './backend.ts';
import type { Binding } from './dim.ts';
import { byteLength, type DType, dtypes, type TypedArray } from './dtype.ts';
import { EspalierError, throwIfAborted } from './errors.ts';
import type { Attributes, TensorDesc } from './graph.ts';
import { bindShape, sizeOf } from './shape.ts';

/** Milliseconds that a slice may hold the thread. */
const SLICE_MS = 6;

export interface HostOperand {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Raw bits for float16 and bfloat16, two to a byte for int4 and uint4. */
  readonly data: TypedArray;
}

/** A call with its sizes bound and its operands in memory. */
export interface HostCall {
  readonly inputs: readonly (HostOperand | undefined)[];
  readonly outputs: readonly (HostOperand | undefined)[];
  readonly attrs: Attributes;
  readonly at: Binding;
}

/** Part of a call. Its units are independent of each other unless it is `sequential`, and small: at most about a millisecond each. */
export interface Phase {
  readonly units: number;
  /** Units in order, one caller at a time. */
  readonly sequential?: boolean;
  run(from: number, to: number): void;
}

export interface HostProgram extends Program {
  /** What to do for one call, phase after phase. Called once per run, so temporary memory may be allocated here. */
  start(call: HostCall): readonly Phase[];
}

export type HostKernel = Kernel<HostProgram>;
/** Host memory that the runtime owns. */
export type HostBackend = Backend<Uint8Array, HostProgram>;

let turn: Promise<void> = Promise.resolve();
const nextTask: () => Promise<void> =
  typeof setImmediate === 'function'
    ? () => new Promise((resolve) => void setImmediate(resolve))
    : () =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            port1.close();
            resolve();
          };
          port2.postMessage(0);
        });

/** Lets the event loop turn. Slices of concurrent runs take turns: one between two visits of the loop. */
export function yieldToEventLoop(): Promise<void> {
  turn = turn.then(nextTask);
  return turn;
}

/** Keeps time for a run that works in slices. */
export class Slicer {
  private started = performance.now();
  private readonly signal: AbortSignal | undefined;

  constructor(signal?: AbortSignal) {
    this.signal = signal;
  }

  /** True when the slice is used up: await {@link pause} then. */
  get due(): boolean {
    return performance.now() - this.started >= SLICE_MS;
  }

  /** Gives the event loop its turn. @throws EspalierError `ABORTED` */
  async pause(): Promise<void> {
    await yieldToEventLoop();
    throwIfAborted(this.signal);
    this.started = performance.now();
  }
}

/** Does phases in order, yielding after each piece of work; how many units make a piece adapts to how long they take. */
export function* driving(phases: readonly Phase[]): Generator<void, void> {
  for (const phase of phases) {
    let size = 1;
    for (let from = 0; from < phase.units; ) {
      const to = Math.min(phase.units, from + size);
      const before = performance.now();
      phase.run(from, to);
      const ms = performance.now() - before;
      if (ms < 0.5) size *= ms < 0.05 ? 8 : 2;
      else if (ms > 2) size = Math.max(1, size >> 1);
      from = to;
      yield;
    }
  }
}

/** Runs phases in order, one slice at a time. */
export function runPhases(phases: readonly Phase[], slicer: Slicer): Promise<void> {
  return runGenerator(driving(phases), slicer);
}

/** Runs a generator to its end, one slice at a time. */
export async function runGenerator<T>(generator: Generator<void, T>, slicer: Slicer): Promise<T> {
  for (;;) {
    const { done, value } = generator.next();
    if (done) return value;
    if (slicer.due) await slicer.pause();
  }
}

/** A coded error that a kernel threw, with the node in front of what it says about operands. */
export function atNode({ node, op }: Pick<Call, 'node' | 'op'>, error: unknown): unknown {
  const { code, message, node: named } = error as EspalierError;
  if (named !== undefined || !['BAD_INPUT', 'BAD_GRAPH', 'SHAPE_MISMATCH'].includes(code)) return error;
  return new EspalierError(code, `${node} (${op}): ${message}`, { node, cause: error });
}

function operand(
  desc: TensorDesc | undefined,
  slot: Slot<Uint8Array> | undefined,
  at: Binding,
): HostOperand | undefined {
  if (!desc || !slot) return undefined;
  const dims = bindShape(desc.shape, at);
  const bytes = byteLength(desc.dtype, sizeOf(dims));
  const { array } = dtypes[desc.dtype];
  const start = slot.buffer.byteOffset + slot.offset;
  const aligned = start % array.BYTES_PER_ELEMENT === 0;
  const source = aligned ? slot.buffer.buffer : slot.buffer.slice(slot.offset, slot.offset + bytes).buffer;
  return { dtype: desc.dtype, dims, data: new array(source, aligned ? start : 0, bytes / array.BYTES_PER_ELEMENT) };
}

function record(steps: readonly Step<HostProgram>[]): CommandList<Uint8Array> {
  return {
    async run(slots: readonly (Slot<Uint8Array> | undefined)[], at: Binding, options: RunOptions = {}) {
      throwIfAborted(options.signal);
      const slicer = new Slicer(options.signal);
      const find = (desc: TensorDesc | undefined, slot: number | undefined) =>
        operand(desc, slot === undefined ? undefined : slots[slot], at);
      for (const [index, { call, kernel, program, inputs, outputs }] of steps.entries()) {
        const started = performance.now();
        try {
          if (slicer.due) await slicer.pause();
          const phases = program.start({
            inputs: call.inputs.map((desc, i) => find(desc, inputs[i])),
            outputs: call.outputs.map((desc, i) => find(desc, outputs[i])),
            attrs: call.attrs,
            at,
          });
          await runPhases(phases, slicer);
        } catch (error) {
          if (error instanceof Error && 'code' in error) throw atNode(call, error);
          throw new EspalierError(
            'KERNEL_FAILED',
            `${call.node}: ${kernel} failed: ${error instanceof Error ? error.message : error}`,
            { node: call.node, cause: error },
          );
        }
        options.onStep?.(index, (performance.now() - started) / 1000);
      }
    },
    dispose() {},
  };
}

/** What a backend of this kind is made of. */
export interface HostBackendOptions {
  readonly id: string;
  readonly kernels: readonly HostKernel[];
  readonly features?: Iterable<string>;
  /** Measures the machine for about 100 ms. */
  calibrate(signal?: AbortSignal): Promise<Rates>;
}

/** A backend over host memory whose kernels are JavaScript. */
export function createHostBackend(options: HostBackendOptions): HostBackend {
  return {
    id: options.id,
    apiVersion: 1,
    features: new Set(options.features),
    limits: { alignment: 64, maxBufferBytes: 2 ** 32, threads: 1 },
    kernels: options.kernels,
    calibrate: options.calibrate,
    alloc: (bytes) => new Uint8Array(bytes),
    free() {},
    write: (buffer, offset, bytes) => buffer.set(bytes, offset),
    read: async (buffer, offset, bytes) => buffer.slice(offset, offset + bytes),
    view: (buffer) => buffer,
    adopt: (bytes) => bytes,
    record,
    dispose() {},
  };
}
