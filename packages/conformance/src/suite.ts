/** The suite as plain test cases, for any test runner. */

import { createJsBackend } from '@espalier/backend-js';
import {
  type AnyBackend,
  createEvaluator,
  type DType,
  type Kernel,
  type OpSchema,
  type OpTable,
  onnxOps,
  opKey,
  type Rates,
} from '@espalier/core';
import type { OpCases, TypeBinding } from './cases/define.ts';
import { opCases } from './cases/index.ts';
import { abort } from './checks/abort.ts';
import { buffers, declaration, rates, row } from './checks/backend.ts';
import { concurrentRuns, unitsInAnyOrder } from './checks/concurrency.ts';
import { halves, results } from './checks/results.ts';
import { work } from './checks/work.ts';
import type { ConformanceTest } from './conformance-test.ts';
import { isHalf } from './elements.ts';
import { type KnownFailure, withKnownFailures } from './manifest.ts';
import { Mismatch } from './mismatch.ts';
import type { PropertyOptions, Replay } from './property.ts';
import { firstAccepted, type KernelUnderTest } from './subject.ts';

export interface ConformanceOptions {
  /** Calls per test; 100 unless said otherwise. */
  readonly runs?: number;
  /** Where the random choices start; the same seed gives the same calls. */
  readonly seed?: number;
  /** Only the one call that a failure printed. */
  readonly replay?: Replay;
  /** Tests that fail and why; each must fail. */
  readonly knownFailures?: readonly KnownFailure[];
  /** Schemas of ops that the backend's kernels are for; Espalier's own unless said otherwise. */
  readonly ops?: OpTable;
  /** Calls for ops that this package has none for, or other ones. */
  readonly cases?: readonly OpCases[];
  /** The backend whose results are right; the scalar backend unless said otherwise. */
  readonly reference?: AnyBackend;
}

/**
 * Every check of a backend: buffers, rates, and each kernel of its table on generated calls. Kernels that are the
 * reference's own are compared with themselves in other circumstances, which their tests' names say.
 */
export function conformanceTests(backend: AnyBackend, options: ConformanceOptions = {}): ConformanceTest[] {
  const { replay, knownFailures = [] } = options;
  const tests = [
    ...backendTests(backend),
    ...backend.kernels.flatMap((kernel) => kernelTests(backend, kernel, options)),
  ];
  const chosen = replay ? tests.filter(({ name }) => name === replay.test) : tests;
  if (replay && chosen.length === 0) throw new TypeError(`there is no test "${replay.test}" to replay`);
  return withKnownFailures(chosen, replay ? [] : knownFailures);
}

function backendTests(backend: AnyBackend): ConformanceTest[] {
  const test = (what: string, run: () => Promise<void>): ConformanceTest => ({ name: `${backend.id}: ${what}`, run });
  return [
    test('declaration', async () => declaration(backend)),
    test('buffers', () => buffers(backend)),
    test('rates', async () => rates(await ratesOf(backend))),
  ];
}

const measured = new WeakMap<AnyBackend, Promise<Rates>>();

export function ratesOf(backend: AnyBackend): Promise<Rates> {
  let pending = measured.get(backend);
  if (!pending) {
    pending = backend.calibrate();
    measured.set(backend, pending);
  }
  return pending;
}

function kernelTests(backend: AnyBackend, kernel: Kernel, options: ConformanceOptions): ConformanceTest[] {
  const { runs = 100, seed = 1, replay, ops = onnxOps } = options;
  const test = (what: string, run: (options: PropertyOptions) => Promise<void>): ConformanceTest => {
    const name = `${kernel.name}: ${what}`;
    return { name, run: () => run({ test: name, runs, seed, replay }) };
  };
  const rowTest = test('row', async () => row(kernel, ops));
  const missing = (kernel.requires ?? []).filter((feature) => !backend.features.has(feature));
  if (missing.length > 0) {
    const skip = `${backend.id} has no ${missing.join(', ')} here`;
    return [rowTest, { name: `${kernel.name}: calls`, run: async () => {}, skip }];
  }
  const under = underTest(backend, kernel, options);
  if (typeof under === 'string') {
    return [
      rowTest,
      test('calls', async () => {
        throw new Mismatch(under);
      }),
    ];
  }
  const isReference = referenceOf(options).kernels.includes(kernel);
  const said = isReference ? 'agrees with itself' : 'results';
  const half = under.types.filter((types) => Object.values(types).some(isHalf));
  return [
    rowTest,
    test('calls', (o) => acceptsCalls(under, o)),
    ...(isReference
      ? [test(said, (o) => results(under, {}, o))]
      : groupsOf(under.types).map(([label, types]) => test(`${said}${label}`, (o) => results(under, { types }, o)))),
    test(`${said} with symbols`, (o) => results(under, { symbols: true }, o)),
    ...(kernel.fuses?.length
      ? [test(`${said} with epilogues`, (o) => results(under, { symbols: true, epilogue: true }, o))]
      : []),
    ...(isReference && half.length > 0 ? [test('agrees with float32', (o) => halves(under, half, o))] : []),
    ...(kernel.prepare
      ? [
          test('concurrent runs', (o) => concurrentRuns(under, o)),
          test('units in any order', (o) => unitsInAnyOrder(under, o)),
          test('abort', (o) => abort(under, o)),
        ]
      : []),
    test('work', async (o) => work(under, await ratesOf(backend), o)),
  ];
}

const references = new WeakMap<ConformanceOptions, AnyBackend>();

function referenceOf(options: ConformanceOptions): AnyBackend {
  let reference = options.reference ?? references.get(options);
  if (!reference) {
    reference = createJsBackend();
    references.set(options, reference);
  }
  return reference;
}

/** The kernel with what its checks need, or why they cannot be made. */
export function underTest(
  backend: AnyBackend,
  kernel: Kernel,
  options: ConformanceOptions = {},
): KernelUnderTest | string {
  const { ops = onnxOps, cases: more = [] } = options;
  const key = opKey(kernel.domain ?? '', kernel.op);
  const schema = ops.get(key);
  const table = casesByOp(more);
  const cases = table.get(key);
  if (!schema) return `there is no op ${key}: pass its schema in the options' \`ops\``;
  if (!cases) return `no calls are known for ${key}: pass some in the options' \`cases\``;
  return {
    backend,
    kernel,
    schema,
    cases,
    ops,
    evaluate: createEvaluator(referenceOf(options), ops),
    find: (op, domain) => table.get(opKey(domain, op)),
    types: typeBindings(schema, kernel).filter((types) => cases.cases({ types, schema })),
  };
}

export function casesByOp(more: readonly OpCases[] = []): ReadonlyMap<string, OpCases> {
  return new Map([...opCases, ...more].map((each) => [opKey(each.domain ?? '', each.op), each]));
}

/** Every combination of dtypes of the op's type variables that the row takes. */
export function typeBindings(schema: OpSchema, kernel: Kernel): TypeBinding[] {
  let all: Record<string, DType>[] = [{}];
  for (const [variable, dtypes] of Object.entries(schema.types)) {
    const allowed = (kernel.types?.[variable] ?? dtypes).filter((dtype) => dtype !== 'string' || kernel.evaluate);
    all = all.flatMap((types) => allowed.map((dtype) => ({ ...types, [variable]: dtype })));
  }
  return all;
}

/** Combinations of dtypes beyond this many are tested together by the first variable's dtype. */
const MOST_GROUPS = 24;

/** Combinations of dtypes with what tells them apart: one by one, where there are few. */
function groupsOf(types: readonly TypeBinding[]): [string, TypeBinding[]][] {
  const variables = types.length > MOST_GROUPS ? 1 : undefined;
  const groups = new Map<string, TypeBinding[]>();
  for (const each of types) {
    const text = Object.entries(each)
      .slice(0, variables)
      .map(([variable, dtype]) => `${variable}=${dtype}`);
    const label = text.length > 0 ? `, ${text.join(' ')}` : '';
    const group = groups.get(label);
    if (group) group.push(each);
    else groups.set(label, [each]);
  }
  return [...groups];
}

/** Some generated call is accepted, so that the other tests are not empty. */
async function acceptsCalls(under: KernelUnderTest, { seed }: PropertyOptions): Promise<void> {
  const reasons: string[] = [];
  for (const epilogue of under.kernel.fuses?.length ? [false, true] : [false]) {
    const found = await firstAccepted(under, { epilogue }, seed);
    if ('subject' in found) return found.subject.dispose();
    reasons.push(...found);
  }
  const said = reasons.length > 0 ? `, because:\n  ${reasons.slice(0, 5).join('\n  ')}` : ': its types allow none';
  throw new Mismatch(`accepts none of the calls of ${under.kernel.op}${said}`);
}

/** The functions of a test runner that the suite registers its tests with. */
export interface TestRunner {
  // biome-ignore lint/suspicious/noExplicitAny: runners' own types differ; only the first two parameters are used.
  readonly it: ((name: string, run: () => Promise<void>) => any) & { readonly skip?: (name: string) => any };
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly describe: (name: string, body: () => void) => any;
}

/** Registers {@link conformanceTests} with a test runner: vitest, jest, mocha, node:test. */
export function testBackend(backend: AnyBackend, { it, describe, ...options }: ConformanceOptions & TestRunner): void {
  describe(`backend ${backend.id}`, () => {
    for (const { name, run, skip } of conformanceTests(backend, options)) {
      if (skip && it.skip) it.skip(`${name} (${skip})`);
      else it(name, run);
    }
  });
}
