/** Runs a case on a backend (what it lacks on the scalar one), and compares with what the scalar backend alone makes of each node. */

import { firstDifference } from '@espalier/conformance';
import { type AnyBackend, EspalierError, elements, hasCode, type Tensor } from '@espalier/core';
import { createRuntime, type Runtime, type Session } from '@espalier/runtime';
import type { Case } from './case.ts';
import { type Choices, Source } from './choices.ts';
import { feedsOf } from './data.ts';
import { growCase } from './grow.ts';
import { drawMachine, type MachineChoice, machineOf } from './machine.ts';
import { type Expected, expectedOf } from './reference.ts';

export interface Verdict {
  /** What is wrong; absent where nothing is. */
  readonly failure?: string;
  /** Kernels of the backend that ran; none where the scalar backend itself refuses the case. */
  readonly kernels: readonly string[];
}

type Feeds = ReadonlyMap<string, Tensor>;
type Outputs = Readonly<Record<string, Tensor>>;

/** How the runs of a session go: one after the other, all at once, or each after another that is aborted. */
const ways = ['in turn', 'at once', 'after aborted ones'] as const;
/** Milliseconds that such a run may go on. */
const MOST_PATIENCE = 3;

interface Drawn {
  readonly machine: MachineChoice;
  readonly way: (typeof ways)[number];
  readonly patience: number;
  readonly grown: Case;
  /** Choices that were drawn: the rest of the list says nothing. */
  readonly used: number;
}

function draw(choices: Choices): Drawn {
  const source = new Source(choices);
  const machine = drawMachine(source);
  const way = source.chance(3) ? source.pick(ways) : ways[0];
  const patience = source.below(MOST_PATIENCE + 1);
  const grown = growCase(source);
  return { machine, way, patience, grown, used: source.used };
}

export const usedOf = (choices: Choices): number => draw(choices).used;

export function describe(choices: Choices): string {
  const { machine, way, grown } = draw(choices);
  const { name, threads, mask, precision, share } = machine;
  const { graph, bindings } = grown;
  const constant = (name: string): string => {
    const tensor = graph.constants.get(name);
    return tensor ? `${tensor.type}[${tensor.dims}]${tensor.size <= 8 ? `{${elements(tensor)}}` : ''}` : name;
  };
  const without = mask.length > 0 ? ` without ${mask.join(' ')}` : '';
  return [
    `${name}, threads: ${threads}, ${precision}, ${share * 100}% of its kernels${without}; runs ${way}`,
    `inputs: ${graph.inputs.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape}]`).join(' ')}; ${bindings.map((at) => JSON.stringify(at)).join(' then ')}`,
    ...graph.nodes.map(
      ({ op, inputs, outputs, attrs }) =>
        `  ${outputs} = ${op}(${inputs.map(constant).join(', ')}) ${JSON.stringify(attrs)}`,
    ),
  ].join('\n');
}

/** @param change to put bugs into the backend, which must be found */
export async function judge(choices: Choices, change = (backend: AnyBackend): AnyBackend => backend): Promise<Verdict> {
  const { machine, way, patience, grown } = draw(choices);
  const { bindings, seed } = grown;
  const feeds = bindings.map((_, run) => feedsOf(grown, run));
  const wanted: (ReadonlyMap<string, Expected> | undefined)[] = [];
  for (const feed of feeds) wanted.push(await expectedIfAny(grown, feed, machine, seed));
  // What overflows may do so elsewhere where nodes are fused.
  if (!wanted.every((each) => each !== undefined)) return { kernels: [] };
  const { backends, profile } = await machineOf(machine);
  const [backend, ...others] = backends;
  let session: Session | undefined;
  try {
    session = await open(createRuntime({ backends: [change(backend!), ...others], profile }), grown);
    const nodes = session.explain().nodes.filter((node) => node.backend === machine.name);
    const kernels = nodes.map(({ kernel }) => kernel);
    const ran = await runAll(session, feeds, way, patience);
    for (const [run, outputs] of ran.entries()) {
      for (const [name, expected] of wanted[run]!) {
        const difference = firstDifference(outputs[name], expected);
        if (difference)
          return { failure: `run ${run + 1}: "${name}" ${difference}\nkernels: ${kernels.join(' ')}`, kernels };
      }
    }
    return { kernels };
  } catch (error) {
    return { failure: `fails: ${error instanceof Error ? error.stack : error}`, kernels: [] };
  } finally {
    await session?.dispose();
  }
}

/** A session; where no usual sizes fit, for those of the first run. */
async function open(runtime: Runtime, { graph, bindings }: Case): Promise<Session> {
  try {
    return await runtime.createSession(graph);
  } catch (error) {
    if (!hasCode(error, 'BAD_INPUT') || !/say what to expect with/.test((error as Error).message)) throw error;
    const symbols = new Set(graph.inputs.flatMap(({ shape }) => shape));
    const dims = Object.fromEntries(Object.entries(bindings[0]!).filter(([name]) => symbols.has(name)));
    return runtime.createSession(graph, { dims });
  }
}

/** Undefined where the scalar backend refuses the case, its results leave the range of numbers, or are not decided. */
async function expectedIfAny(
  { graph }: Case,
  feeds: Feeds,
  { precision }: MachineChoice,
  seed: number,
): Promise<ReadonlyMap<string, Expected> | undefined> {
  try {
    const expected = await expectedOf(graph, feeds, precision, seed);
    return expected && [...expected.values()].every(isInRange) ? expected : undefined;
  } catch (error) {
    if (error instanceof EspalierError) return undefined;
    throw error;
  }
}

const isInRange = ({ tensor, slack }: Expected): boolean =>
  Array.from(elements(tensor)).every((x) => Number.isFinite(Number(x))) && (slack?.every(Number.isFinite) ?? true);

async function runAll(
  session: Session,
  feeds: readonly Feeds[],
  way: Drawn['way'],
  patience: number,
): Promise<readonly Outputs[]> {
  const run = (feed: Feeds, signal?: AbortSignal): Promise<Outputs> =>
    session.run(Object.fromEntries(feed), signal ? { signal } : {});
  if (way === 'at once') return Promise.all(feeds.map((feed) => run(feed)));
  const outputs: Outputs[] = [];
  for (const feed of feeds) {
    if (way === 'after aborted ones') {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), patience);
      await run(feed, controller.signal).catch((error: unknown) => {
        if (!hasCode(error, 'ABORTED')) throw error;
      });
      clearTimeout(timer);
    }
    outputs.push(await run(feed));
  }
  return outputs;
}
