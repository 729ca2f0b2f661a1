/** A kernel under test, with all that its checks need. */

import { type AnyBackend, type Evaluate, isRejection, type Kernel, type OpSchema, type OpTable } from '@espalier/core';
import fc from 'fast-check';
import type { Case, OpCases, TypeBinding } from './cases/define.ts';
import { firstDifference } from './compare.ts';
import { epilogues } from './epilogue.ts';
import { type Subject, subjectOf, type Tensors } from './execute.ts';
import { type Expected, expectation, type FindCases } from './expect.ts';
import { type Choices, type Instance, instantiate, nodeAt } from './instance.ts';
import { Mismatch } from './mismatch.ts';
import type { Outcome } from './property.ts';
import { Random } from './random.ts';
import type { Sparsity } from './values.ts';

export interface KernelUnderTest {
  readonly backend: AnyBackend;
  readonly kernel: Kernel;
  readonly schema: OpSchema;
  readonly cases: OpCases;
  readonly ops: OpTable;
  readonly evaluate: Evaluate;
  readonly find: FindCases;
  /** Every combination of dtypes that its row takes. */
  readonly types: readonly TypeBinding[];
}

/** A call that is generated: the case, and how it is put to the kernel. */
export interface Generated {
  readonly types: TypeBinding;
  readonly one: Case;
  readonly choices: Choices;
}

/** What of a call is varied beside its case. */
export interface Variation {
  readonly symbols?: boolean;
  readonly epilogue?: boolean;
  readonly types?: readonly TypeBinding[];
}

const sparsities: readonly Sparsity[] = [
  { zeros: 0, rows: 1, columns: 1 },
  { zeros: 0.5, rows: 1, columns: 1 },
  { zeros: 0.9, rows: 1, columns: 1 },
  { zeros: 1, rows: 1, columns: 1 },
  { zeros: 0.7, rows: 1, columns: 4 },
  { zeros: 0.7, rows: 16, columns: 4 },
];

/** Calls for a kernel; undefined where its op takes none of the dtypes. */
export function calls(
  { cases, schema, kernel, types: all }: KernelUnderTest,
  { symbols = false, epilogue = false, types = all }: Variation = {},
): fc.Arbitrary<Generated> | undefined {
  const some = types.flatMap((each) => {
    const arbitrary = cases.cases({ types: each, schema });
    return arbitrary ? [arbitrary.map((one) => ({ types: each, one }))] : [];
  });
  if (some.length === 0) return undefined;
  const flags = fc.array(fc.boolean(), { minLength: 1, maxLength: 6 });
  const choices: fc.Arbitrary<Choices> = fc.record({
    seed: fc.noShrink(fc.nat()),
    symbolic: symbols ? flags.map((list) => [...list, true]) : fc.constant([false]),
    constant: flags,
    hideShapes: symbols ? fc.boolean() : fc.constant(false),
    sparsity: fc.constantFrom(...sparsities),
    epilogue: epilogue ? epilogues(kernel.fuses!) : fc.constant([]),
  });
  return fc.record({ typed: fc.oneof(...some), choices }).map(({ typed, choices }) => ({ ...typed, choices }));
}

export function instanceOf({ schema, ops }: KernelUnderTest, { one, types, choices }: Generated) {
  return instantiate(one, types, choices, schema, ops);
}

/** How many calls are tried before a kernel is said to take none. */
const MOST_TRIES = 2000;

/** A generated call that the kernel accepts, or the reasons why it accepts none. Dispose of its subject. */
export async function firstAccepted(
  under: KernelUnderTest,
  variation: Variation,
  seed: number,
): Promise<{ readonly instance: Instance; readonly subject: Subject } | ReadonlySet<string>> {
  const reasons = new Set<string>();
  const some = calls(under, variation);
  const batch = 20;
  for (let tried = 0; some && tried < MOST_TRIES; tried += batch) {
    for (const generated of fc.sample(some, { seed: seed + tried, numRuns: batch })) {
      const instance = instanceOf(under, generated);
      const subject = isRejection(instance)
        ? instance
        : await subjectOf(under.backend, under.kernel, instance, under.ops);
      if (!isRejection(subject)) return { instance: instance as Instance, subject };
      reasons.add(subject.reason);
    }
  }
  return reasons;
}

/** Puts a call to the kernel; `body` says what must hold then. What it throws is told together with the call. */
export async function attempt(
  under: KernelUnderTest,
  generated: Generated,
  body: (instance: Instance, subject: Subject, random: Random) => Promise<Outcome>,
): Promise<Outcome> {
  const instance = instanceOf(under, generated);
  if (isRejection(instance)) return 'skipped';
  let subject: Subject | undefined;
  try {
    const made = await subjectOf(under.backend, under.kernel, instance, under.ops);
    if (isRejection(made)) return 'skipped';
    subject = made;
    return await body(instance, subject, new Random(generated.choices.seed));
  } catch (error) {
    const message = error instanceof Error ? error.message : `${error}`;
    throw new Mismatch(`${message}\n  call: ${instance.text}`, error);
  } finally {
    subject?.dispose();
  }
}

/** What the reference says of run `run`. */
export function expected(under: KernelUnderTest, instance: Instance, run: number): Promise<(Expected | undefined)[]> {
  return expectation(nodeAt(instance, under.schema, run), instance.inputs(run), under.evaluate, under.find);
}

export const tensorsOf = (results: readonly (Expected | undefined)[]): Tensors => results.map((each) => each?.tensor);

/** @throws Mismatch naming the first element that differs */
export function check(
  actual: Tensors,
  wanted: readonly (Expected | undefined)[],
  instance: Instance,
  run: number,
): void {
  wanted.forEach((each, i) => {
    if (!each || !instance.call.outputs[i]) return;
    const difference = firstDifference(actual[i], each);
    if (difference) throw new Mismatch(`output ${i} ${difference}${sizesOf(instance, run)}`);
  });
}

export function sizesOf(instance: Instance, run: number): string {
  const at = Object.entries(instance.bindings[run]!);
  return at.length > 0 ? `\n  at: ${at.map(([name, size]) => `${name}=${size}`).join(' ')}` : '';
}
