/** Times kernels, and compares the seconds with those that their laws predict at the backend's own rates. */

import { type AnyBackend, type DType, isRejection, type Rates, roofline, type Work } from '@espalier/core';
import fc from 'fast-check';
import { type Case, type CaseContext, fixed } from './cases/define.ts';
import { ask, type Subject, subjectOf } from './execute.ts';
import { type Instance, instantiate } from './instance.ts';
import type { KernelUnderTest } from './subject.ts';
import { type ConformanceOptions, ratesOf, underTest } from './suite.ts';

export interface BenchOptions extends Pick<ConformanceOptions, 'ops' | 'cases'> {
  /** Ops to time; all of the backend's when absent. */
  readonly only?: readonly string[];
  /** By op: values for the sizes of its call, e.g. `{ MatMul: [{ M: 1, K: 4096, N: 4096 }] }`. */
  readonly shapes?: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>;
  /** Dtypes to take where kernels have them, the most wanted first. */
  readonly dtypes?: readonly DType[];
  /** Shares of zeros in constant operands; dense when absent. */
  readonly zeros?: readonly number[];
  /** Seconds to spend on each call; 0.2 when absent. */
  readonly seconds?: number;
  /** Where the table goes, line by line; the console when absent. */
  log?(line: string): void;
}

export interface BenchRow {
  readonly kernel: string;
  /** Shapes, dtypes and attributes. */
  readonly call: string;
  /** The median. */
  readonly seconds: number;
  /** By the kernel's law and the backend's calibrated rates. */
  readonly predicted: number;
  /** Billions of multiply-adds, or element operations, per second. */
  readonly gmacs: number;
  /** Billions of bytes read and written per second. */
  readonly gbytes: number;
}

/** Times every kernel of `backend`, one call after the other, and prints a table. */
export async function benchBackend(backend: AnyBackend, options: BenchOptions = {}): Promise<BenchRow[]> {
  const { only, zeros = [0], seconds = 0.2, log = console.log } = options;
  const rates = await ratesOf(backend);
  const rows: BenchRow[] = [];
  log(line('kernel', 'GMAC/s', 'GB/s', 'measured', 'predicted', 'ratio', 'call'));
  for (const kernel of backend.kernels) {
    if (only && !only.includes(kernel.op)) continue;
    const under = underTest(backend, kernel, options);
    if (typeof under === 'string') continue;
    for (const one of benchCases(under, options)) {
      const hasWeights = one.one.inputs.some((input) => input?.weight);
      for (const share of hasWeights ? zeros : [0]) {
        const row = await timeOne(under, one, share, seconds, rates);
        if (!row) continue;
        rows.push(row);
        log(printed(row));
      }
    }
  }
  return rows;
}

/** Undefined where the kernel does not take the call. */
async function timeOne(
  under: KernelUnderTest,
  one: BenchCase,
  zeros: number,
  budget: number,
  rates: Rates,
): Promise<BenchRow | undefined> {
  const ready = await makeReady(under, one, zeros);
  if (!ready) return undefined;
  const { instance, subject, work } = ready;
  const { kernel } = under;
  const seconds = await measure(subject, budget).finally(() => subject.dispose());
  return {
    kernel: kernel.name,
    call: `${instance.text}${zeros > 0 ? `, ${100 * zeros} % zeros` : ''}`,
    seconds,
    predicted: (kernel.law ?? roofline)(work, rates),
    gmacs: work.macs / seconds / 1e9,
    gbytes: work.bytes / seconds / 1e9,
  };
}

interface BenchCase {
  readonly context: CaseContext;
  readonly one: Case;
}

const usual: readonly DType[] = ['float32', 'uint8', 'int8', 'int64', 'float16'];

/** One call for the dtypes that are most wanted, in each of the sizes asked for. */
function benchCases(under: KernelUnderTest, { dtypes = [], shapes }: BenchOptions): BenchCase[] {
  const wanted = [...dtypes, ...usual];
  const rankOf = (dtype: DType): number => (wanted.includes(dtype) ? wanted.indexOf(dtype) : wanted.length);
  const rank = (types: CaseContext['types']): number =>
    Object.values(types).reduce((sum, dtype) => sum + rankOf(dtype), 0);
  const [types] = [...under.types].sort((a, b) => rank(a) - rank(b));
  if (!types) return [];
  const context = { types, schema: under.schema };
  const one = under.cases.bench?.(context) ?? largestCase(under, context);
  if (!one) return [];
  return (shapes?.[under.kernel.op] ?? [{}]).map((sizes) => {
    const unknown = Object.keys(sizes).filter((name) => !Object.hasOwn(one.sizes, name));
    if (unknown.length > 0)
      throw new TypeError(`a call of ${under.kernel.op} has no size ${unknown}: it has ${Object.keys(one.sizes)}`);
    const asked = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, fixed(size)]));
    return { context, one: { ...one, sizes: { ...one.sizes, ...asked } } };
  });
}

/** For ops that have no call of real models' size: the generated one that moves most. */
function largestCase(under: KernelUnderTest, context: CaseContext): Case | undefined {
  const some = under.cases.cases(context);
  let best: { readonly one: Case; readonly bytes: number } | undefined;
  for (const one of some ? fc.sample(some, { seed: 1, numRuns: 100 }) : []) {
    const instance = benchInstance(under, { context, one }, 0, true);
    const work = instance && ask(under.backend, under.kernel, instance, under.ops);
    if (!work || isRejection(work)) continue;
    if (!best || work.bytes > best.bytes) best = { one, bytes: work.bytes };
  }
  return best?.one;
}

function benchInstance(
  under: KernelUnderTest,
  { context, one }: BenchCase,
  zeros: number,
  withConstants: boolean,
): Instance | undefined {
  const constant = one.inputs.map((input) => withConstants && input?.weight === true);
  const sparsity = { zeros, rows: 1, columns: 1 };
  const choices = { seed: 1, symbolic: [], constant, hideShapes: false, sparsity, epilogue: [] };
  const instance = instantiate(one, context.types, choices, under.schema, under.ops);
  return isRejection(instance) ? undefined : instance;
}

/** Weights are constant, or not where the kernel takes no constants. */
async function makeReady(
  under: KernelUnderTest,
  one: BenchCase,
  zeros: number,
): Promise<{ instance: Instance; subject: Subject; work: Work } | undefined> {
  for (const withConstants of [true, false]) {
    const instance = benchInstance(under, one, zeros, withConstants);
    if (!instance) continue;
    const subject = await subjectOf(under.backend, under.kernel, instance, under.ops);
    if (isRejection(subject)) continue;
    return { instance, subject, work: ask(under.backend, under.kernel, instance, under.ops) as Work };
  }
  return undefined;
}

/** Short calls are repeated within one list, so that what is timed is the kernel rather than the list's start. */
const LIST_SECONDS = 0.005;
const MOST_STEPS = 1024;
const LEAST_RUNS = 3;

async function measure({ prepared, run }: Subject, budget: number): Promise<number> {
  if (!prepared) return median(() => timed(() => run(0, [])), budget);
  const arena = prepared.arena(0, []);
  const time = async (steps: number, seconds: number): Promise<number> => {
    const list = prepared.record(steps);
    try {
      await list.run(arena.slots, arena.at);
      return await median(() => timed(() => list.run(arena.slots, arena.at)), seconds);
    } finally {
      list.dispose();
    }
  };
  try {
    const once = await time(1, 0);
    const steps = Math.max(1, Math.min(MOST_STEPS, Math.ceil(LIST_SECONDS / once)));
    return (await time(steps, budget)) / steps;
  } finally {
    arena.free();
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return Math.max(1e-9, (performance.now() - started) / 1000);
}

/** Of {@link LEAST_RUNS} runs at least, and of as many as `budget` seconds allow. */
async function median(once: () => Promise<number>, budget: number): Promise<number> {
  const times: number[] = [];
  for (let spent = 0; times.length < LEAST_RUNS || spent < budget; spent += times.at(-1)!) times.push(await once());
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

function printed({ kernel, gmacs, gbytes, seconds, predicted, call }: BenchRow): string {
  const micro = (s: number): string => `${(s * 1e6).toPrecision(3)} us`;
  const ratio = (seconds / predicted).toFixed(2);
  return line(kernel, gmacs.toPrecision(3), gbytes.toPrecision(3), micro(seconds), micro(predicted), ratio, call);
}

function line(
  kernel: string,
  gmacs: string,
  gbytes: string,
  seconds: string,
  predicted: string,
  ratio: string,
  call: string,
): string {
  const numbers = [gmacs, gbytes, seconds, predicted, ratio].map((text, i) =>
    text.padStart(i === 2 || i === 3 ? 12 : 9),
  );
  return `${kernel.padEnd(36)}${numbers.join('')}  ${call}`;
}
