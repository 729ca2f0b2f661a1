/**
 * Times the kernels that a model's plan uses, each by itself on the shapes of the model: hot, the same operands over and over,
 * and cold, other weights and activations every time, more than any cache holds.
 */

import { createJsBackend } from '@espalier/backend-js';
import {
  type AnyBackend,
  bindShape,
  byteLength,
  type Constants,
  createEvaluator,
  dtypes,
  EspalierError,
  onnxOps,
  type Program,
  type Rates,
  type Step,
  sizeOf,
  type TensorDesc,
} from '@espalier/core';
import { type Assignment, type Candidate, calibrate, planGraph } from '@espalier/planner';
import { makeBackends } from '../engines/espalier.ts';
import { withModel } from '../engines/process.ts';
import { arithmeticLimit, trafficLimit } from '../limits.ts';
import { normals, wordsOf } from '../models/random.ts';
import type { ModelOptions, PreparedModel } from '../prepare.ts';
import { percent, seconds, table } from '../text.ts';

export interface KernelsOptions extends ModelOptions {
  readonly model: string;
  /** Also the kernels that were not chosen. */
  readonly all: boolean;
  readonly samples: number;
}

export interface KernelTime {
  readonly kernel: string;
  readonly op: string;
  /** Dtypes and shapes of the operands. */
  readonly call: string;
  /** How many nodes of the model do just this. */
  readonly nodes: number;
  readonly chosen: boolean;
  /** Seconds of one call, the least of the samples. */
  readonly hot: number;
  readonly cold: number;
  /** What the kernel's law says. */
  readonly predicted: number;
  readonly macs: number;
  readonly bytes: number;
  /** Shares of the machine's limits; arithmetic where the kernel multiplies matrices. */
  readonly hotOfArithmetic?: number;
  readonly coldOfArithmetic?: number;
  readonly coldOfTraffic?: number;
}

export interface KernelsReport {
  readonly model: string;
  readonly precision: string;
  readonly rates: Rates;
  readonly kernels: readonly KernelTime[];
}

/** More than a last-level cache. */
const COLD_BYTES = 96e6;
const MAX_COPIES = 128;
/** Of a list: starting it must not show. */
const LIST_SECONDS = 3e-3;

export function kernels(filters: readonly string[], options: KernelsOptions): Promise<KernelsReport> {
  return withModel(options.model, options, async (model) => {
    const [native] = await makeBackends({ ...options, backends: ['native'], precision: options.ask });
    try {
      return await measureAll(native!, model, filters, options);
    } finally {
      native!.dispose();
    }
  });
}

async function measureAll(
  native: AnyBackend,
  { graph, sizes }: PreparedModel,
  filters: readonly string[],
  options: KernelsOptions,
): Promise<KernelsReport> {
  const js = createJsBackend();
  const backends = [native, js];
  const profile = await calibrate(backends);
  const rates = profile.rates[native.id]!;
  const evaluate = createEvaluator(js, onnxOps);
  const { assignments, plan } = await planGraph(graph, { backends, profile, ops: onnxOps, evaluate, expect: sizes });
  const times: KernelTime[] = [];
  for (const { assignment, count } of distinct(assignments)) {
    const candidates = assignment.ranked.filter(({ backend }) => backend === 0);
    for (const [i, candidate] of candidates.entries()) {
      const chosen = i === 0 && assignment.ranked[0] === candidate;
      const { kernel, work } = candidate;
      const matches = filters.length === 0 || filters.some((filter) => kernel.name.includes(filter));
      if (!matches || !(chosen || options.all)) continue;
      const { hot, cold } = await measure(native, assignment, candidate, plan.sizes, options.samples);
      const isProduct = /matmul|gemm|conv|attention/.test(kernel.name);
      const limit = isProduct ? arithmeticLimit(kernel.name, rates) : undefined;
      const traffic = trafficLimit(rates);
      times.push({
        ...{ kernel: kernel.name, op: [kernel.op, ...assignment.call.epilogue.map(({ op }) => op)].join('+') },
        ...{ call: describe(assignment, plan.sizes), nodes: count, chosen, hot, cold, predicted: candidate.seconds },
        ...{ macs: work.macs, bytes: work.bytes },
        ...(limit ? { hotOfArithmetic: work.macs / hot / limit, coldOfArithmetic: work.macs / cold / limit } : {}),
        ...(traffic ? { coldOfTraffic: work.bytes / cold / traffic } : {}),
      });
    }
  }
  if (times.length === 0)
    throw new EspalierError('BAD_INPUT', `no native kernel of the plan has "${filters.join('" or "')}" in its name`);
  return { model: options.model, precision: options.precision, rates, kernels: times };
}

/** Assignments to kernels, those that do the same counted. */
function distinct(assignments: readonly Assignment[]): { assignment: Assignment; count: number }[] {
  const groups = new Map<string, { assignment: Assignment; count: number }>();
  for (const assignment of assignments) {
    if (assignment.kind !== 'kernel') continue;
    const { op, inputs, attrs, epilogue } = assignment.call;
    const key = JSON.stringify([op, inputs, attrs, epilogue.map((step) => step.op), assignment.ranked[0]?.kernel.name]);
    const group = groups.get(key) ?? { assignment, count: 0 };
    group.count++;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function describe({ call }: Assignment, at: Readonly<Record<string, number>>): string {
  const text = ({ dtype, shape }: TensorDesc): string => `${dtypes[dtype].short}[${bindShape(shape, at)}]`;
  return call.inputs.map((desc) => (desc ? text(desc) : '-')).join(' ');
}

/** Steps that do the same call on operands of their own. */
interface Copies {
  readonly steps: readonly Step[];
  readonly slots: readonly { readonly buffer: unknown; readonly offset: number }[];
  dispose(): void;
}

async function measure(
  backend: AnyBackend,
  assignment: Assignment,
  candidate: Candidate,
  at: Readonly<Record<string, number>>,
  samples: number,
): Promise<{ hot: number; cold: number }> {
  const copies = await makeCopies(backend, assignment, candidate, at);
  const count = Math.max(copies.steps.length, Math.min(4096, Math.ceil(LIST_SECONDS / candidate.seconds)));
  const list = (distinctSteps: number) =>
    backend.record(Array.from({ length: count }, (_, i) => copies.steps[i % distinctSteps]!));
  const lists = { hot: list(1), cold: list(copies.steps.length) };
  const least = { hot: Number.POSITIVE_INFINITY, cold: Number.POSITIVE_INFINITY };
  try {
    for (let sample = 0; sample <= samples; sample++) {
      for (const kind of ['hot', 'cold'] as const) {
        const started = performance.now();
        await lists[kind].run(copies.slots, at);
        // The first run binds the list.
        if (sample > 0) least[kind] = Math.min(least[kind], (performance.now() - started) / 1000 / count);
      }
    }
    return least;
  } finally {
    lists.hot.dispose();
    lists.cold.dispose();
    copies.dispose();
  }
}

async function makeCopies(
  backend: AnyBackend,
  { call, constants }: Assignment,
  { kernel }: Candidate,
  at: Readonly<Record<string, number>>,
): Promise<Copies> {
  const { features } = backend;
  const first = await kernel.prepare!(call, constants, { features });
  const programs: Program[] = [first];
  const slots: { buffer: unknown; offset: number }[] = [];
  const steps: Step[] = [];
  const packed = new Set(first.packed ?? []);
  const bytesOf = (desc: TensorDesc): number => byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at)));
  const place = (desc: TensorDesc | undefined, fill: (() => Uint8Array) | undefined): number | undefined => {
    if (!desc) return undefined;
    const buffer = backend.alloc(bytesOf(desc));
    if (fill) backend.write(buffer, 0, fill());
    slots.push({ buffer, offset: 0 });
    return slots.length - 1;
  };
  const operands = [...call.inputs.map((desc, i) => (packed.has(i) ? undefined : desc)), ...call.outputs];
  const each = first.resident + operands.reduce((sum, desc) => sum + (desc ? bytesOf(desc) : 0), 0);
  const copies = Math.min(MAX_COPIES, Math.max(1, Math.ceil(COLD_BYTES / each)));
  for (let copy = 0; copy < copies; copy++) {
    // Programs that hold no weights are the same for all.
    const program = copy === 0 || packed.size === 0 ? first : await kernel.prepare!(call, constants, { features });
    if (program !== first) programs.push(program);
    steps.push({
      call,
      kernel: kernel.name,
      program,
      inputs: call.inputs.map((desc, i) =>
        packed.has(i) || !desc ? undefined : place(desc, () => contents(desc, bytesOf(desc), constants[i])),
      ),
      outputs: call.outputs.map((desc) => place(desc, undefined)),
    });
  }
  return {
    steps,
    slots,
    dispose() {
      for (const program of programs) program.dispose?.();
      for (const { buffer } of slots) backend.free(buffer);
    },
  };
}

/** Numbers as models have them; indices are 0, which every table has. */
function contents({ dtype }: TensorDesc, bytes: number, constant: Constants[number]): Uint8Array {
  if (constant) return constant.tensor.bytes;
  if (dtype === 'float32') return new Uint8Array(normals('operand', bytes / 4, 1).buffer);
  if (dtype !== 'int8' && dtype !== 'uint8') return new Uint8Array(bytes);
  const word = wordsOf('operand');
  return Uint8Array.from({ length: bytes }, word);
}

export function kernelsText({ model, precision, rates, kernels: times }: KernelsReport): string {
  const shown = Object.entries(rates).map(
    ([name, value]) => `${name} ${value >= 1e6 ? `${(value / 1e9).toFixed(1)}G` : value}`,
  );
  const share = (value: number | undefined): string => (value === undefined ? '' : percent(value));
  const rows = times.map((time) => [
    `${time.chosen ? '' : '  (not chosen) '}${time.kernel}`,
    time.op,
    time.call,
    String(time.nodes),
    seconds(time.hot),
    seconds(time.cold),
    seconds(time.predicted),
    `${(time.cold / time.predicted).toFixed(2)}`,
    time.hotOfArithmetic === undefined ? '' : ((2 * time.macs) / time.hot / 1e9).toFixed(0),
    share(time.hotOfArithmetic),
    share(time.coldOfArithmetic),
    (time.bytes / time.cold / 1e9).toFixed(1),
    share(time.coldOfTraffic),
  ]);
  return [
    `${model} ${precision}; a second of this machine, one thread: ${shown.join(', ')}`,
    table([
      [
        'kernel',
        'op',
        'operands',
        'nodes',
        'hot',
        'cold',
        'law',
        'cold/law',
        'GOP/s hot',
        'of limit',
        'cold',
        'GB/s cold',
        'of limit',
      ],
      ...rows,
    ]),
  ].join('\n');
}
