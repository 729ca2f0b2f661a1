/** Runs a case on the native backend (what it lacks on the scalar one) and on the scalar one alone, and compares. */

import { createJsBackend } from '@espalier/backend-js';
import { createNativeBackend, type NativeBackend, nativeFeatures } from '@espalier/backend-native';
import {
  type AnyBackend,
  type Dim,
  type DType,
  dim,
  dtypes,
  elements,
  type Node,
  type Rates,
  sizeOf,
  Tensor,
} from '@espalier/core';
import { calibrate, type DeviceProfile } from '@espalier/planner';
import { createRuntime } from '@espalier/runtime';
import { type Choices, randomNumbers, Source } from './choices.ts';
import { type Case, floats, growCase } from './grow.ts';

export interface Verdict {
  /** What is wrong; absent where nothing is. */
  readonly failure?: string;
  /** Native kernels that ran; none where the scalar backend itself refuses the case. */
  readonly kernels: readonly string[];
}

/** Rounding, as a share of an output's largest value. */
const SHARE = 2e-5;
/** Where values are rounded to levels, one may be another level's. */
const LEVELS = 0.03;
/** How far every value is moved to see how sensitive results are, and by how much more that may show. */
const MOVED = 1e-6;
const SENSITIVITY = 20;

const js = createJsBackend();
const made = new Map<string, NativeBackend>();
let rates: Promise<DeviceProfile> | undefined;

/** Features that are hidden, the least first. */
const masks = [[], ['avx512', 'amx'], ['amx'], ['vnni', 'amx']].map((parts) =>
  nativeFeatures.filter((name) => parts.some((part) => name.includes(part))),
);

function nativeOf(source: Source): AnyBackend {
  const mask = source.pick(masks);
  const guard = !source.chance(4);
  const key = `${mask} ${guard}`;
  let backend = made.get(key);
  if (!backend) {
    const created = createNativeBackend({ mask, guard });
    if ('reason' in created) throw new Error(`there is nothing to test: ${created.reason}`);
    backend = created;
    made.set(key, backend);
  }
  // Kernels that are never the cheapest get their turn where others are away.
  const random = randomNumbers(source.below(1000));
  const all = !source.chance(3);
  return { ...backend, kernels: backend.kernels.filter(() => all || random() < 0.6) };
}

/** A profile by which the native backend is worth its while on any size. */
async function profile(native: AnyBackend): Promise<DeviceProfile> {
  rates ??= calibrate([native, js]);
  const measured = await rates;
  const { macs, bytes, call } = measured.rates['js']!;
  const slow: Rates = { ...measured.rates['js'], macs: macs! / 1e6, bytes: bytes! / 1e6, call: call! * 1e6 };
  return { ...measured, rates: { ...measured.rates, js: slow } };
}

export function describe(choices: Choices): string {
  const source = new Source(choices);
  nativeOf(source);
  const { graph, bindings } = growCase(source);
  const constant = (name: string): string => {
    const tensor = graph.constants.get(name);
    return tensor ? `${tensor.type}[${tensor.dims}]${tensor.size <= 8 ? `{${elements(tensor)}}` : ''}` : name;
  };
  return [
    `inputs: ${graph.inputs.map(({ name, shape }) => `${name}[${shape}]`).join(' ')}; ${bindings.map((at) => JSON.stringify(at)).join(' then ')}`,
    ...graph.nodes.map(
      ({ op, inputs, outputs, attrs }) =>
        `  ${outputs} = ${op}(${inputs.map(constant).join(', ')}) ${JSON.stringify(attrs)}`,
    ),
  ].join('\n');
}

/** How many choices a case draws: the rest of the list says nothing. */
export function usedOf(choices: Choices): number {
  const source = new Source(choices);
  nativeOf(source);
  growCase(source);
  return source.used;
}

/** @param change to put bugs into the backend, which must be found */
export async function judge(choices: Choices, change = (backend: AnyBackend): AnyBackend => backend): Promise<Verdict> {
  const source = new Source(choices);
  const native = change(nativeOf(source));
  const grown = growCase(source);
  const right = await runAll([js], undefined, grown);
  // What overflows may do so elsewhere where nodes are fused.
  if ('error' in right || !right.runs.every(isAllFinite)) return { kernels: [] };
  const wrong = await runAll([native, js], await profile(native), grown);
  if ('error' in wrong) return { failure: wrong.error, kernels: [] };
  const { kernels } = wrong;
  const levels = grown.graph.nodes.some(({ op }) => /Quantize/.test(op));
  for (const [run, outputs] of right.runs.entries()) {
    const moved = await Promise.all([1, 2].map((seed) => runAll([js], undefined, noisy(grown, run, seed))));
    for (const [name, expected] of Object.entries(outputs)) {
      const others = moved.flatMap((each) => ('runs' in each ? [each.runs[0]![name]!] : []));
      const difference = compare(wrong.runs[run]![name], expected, others, levels ? LEVELS : SHARE);
      if (difference)
        return { failure: `run ${run + 1}: "${name}" ${difference}\nkernels: ${kernels.join(' ')}`, kernels };
    }
  }
  return { kernels };
}

function isAllFinite(outputs: Readonly<Record<string, Tensor>>): boolean {
  return Object.values(outputs).every((each) => Array.from(elements(each)).every((x) => Number.isFinite(Number(x))));
}

interface Ran {
  readonly runs: readonly Readonly<Record<string, Tensor>>[];
  readonly kernels: readonly string[];
}

async function runAll(
  backends: readonly AnyBackend[],
  profile: DeviceProfile | undefined,
  { graph, bindings, seed }: Case,
): Promise<Ran | { readonly error: string }> {
  try {
    const runtime = createRuntime({ backends, ...(profile ? { profile } : {}) });
    const session = await runtime.createSession(graph);
    const runs: Record<string, Tensor>[] = [];
    for (const [run, at] of bindings.entries()) {
      const random = randomNumbers(seed + run);
      const feed = graph.inputs.map(({ name, shape }) => {
        const tensor = floats(
          shape.map((d) => (typeof d === 'number' ? d : at[d]!)),
          random,
        );
        return [name, tensor] as const;
      });
      runs.push(await session.run(Object.fromEntries(feed)));
    }
    const { nodes } = session.explain();
    const kernels = nodes.filter(({ backend }) => backend === 'native').map(({ kernel }) => kernel);
    await session.dispose();
    return { runs, kernels };
  } catch (error) {
    return { error: `fails: ${error instanceof Error ? error.stack : error}` };
  }
}

/**
 * One run of the case with every element of every float value, those of inputs aside, multiplied by a number near 1: as much as
 * rounding may do anywhere.
 */
function noisy({ graph, facts, bindings, seed }: Case, run: number, noiseSeed: number): Case {
  const at = bindings[run]!;
  const random = randomNumbers(noiseSeed);
  const constants = new Map(graph.constants);
  const sized = (shape: readonly Dim[]): number[] => shape.map((d) => dim.evaluate(d, at));
  const nodes = graph.nodes.flatMap((node) => {
    const noise: Node[] = [];
    const outputs = node.outputs.map((name) => {
      const { dtype, shape } = facts.get(name) ?? { dtype: 'bool', shape: [] };
      if (dtype !== 'float32') return name;
      const dims = sized(shape);
      const factors = Float32Array.from({ length: sizeOf(dims) }, () => 1 + MOVED * (random() < 0.5 ? 1 : -1));
      constants.set(`${name}_noise`, new Tensor('float32', factors, dims));
      const inputs = [`${name}_exact`, `${name}_noise`];
      noise.push({ name: `${name}_noisy`, op: 'Mul', domain: '', inputs, outputs: [name], attrs: {} });
      return `${name}_exact`;
    });
    return [{ ...node, outputs }, ...noise];
  });
  const inputs = graph.inputs.map((input) => ({ ...input, shape: sized(input.shape) }));
  return { graph: { ...graph, inputs, nodes, constants }, bindings: [at], seed: seed + run, facts };
}

function compare(got: Tensor | undefined, want: Tensor, others: readonly Tensor[], share: number): string | undefined {
  if (!got || got.type !== want.type || `${got.dims}` !== `${want.dims}`)
    return `is ${got ? `${got.type}[${got.dims}]` : 'missing'} instead of ${want.type}[${want.dims}]`;
  const numbers = (tensor: Tensor): number[] => Array.from(elements(tensor) as Iterable<number | bigint>, Number);
  const [a, b] = [numbers(got), numbers(want)];
  const near = others.map(numbers);
  const peak = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const exact = dtypes[want.type as DType].kind !== 'float';
  let wrong = 0;
  let first = -1;
  for (const [i, x] of b.entries()) {
    const sensitivity = near.reduce((most, each) => Math.max(most, Math.abs(each[i]! - x) || 0), 0);
    const allowed = exact ? sensitivity : share * peak + SENSITIVITY * sensitivity;
    const same = Math.abs(a[i]! - x) <= allowed;
    if (same) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong === 0) return undefined;
  return `${want.type}[${want.dims}]: element ${first} is ${a[first]} instead of ${b[first]} (largest ${peak}); ${wrong} of ${b.length} are wrong`;
}
