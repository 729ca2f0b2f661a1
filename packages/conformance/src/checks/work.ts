/** What a kernel says of its work can be trusted by a planner. */

import { type Binding, hasCode, isRejection, type Rates, roofline, type Work } from '@espalier/core';
import { ask } from '../execute.ts';
import type { Instance } from '../instance.ts';
import { Mismatch } from '../mismatch.ts';
import { type PropertyOptions, property } from '../property.ts';
import { calls, instanceOf, type KernelUnderTest } from '../subject.ts';

/** Every counter is a number >= 0, and neither counters nor seconds become less when a size grows. */
export async function work(under: KernelUnderTest, rates: Rates, options: PropertyOptions): Promise<void> {
  const some = calls(under, { symbols: true, epilogue: false });
  if (!some) return;
  await property(some, options, async (generated) => {
    const instance = instanceOf(under, generated);
    if (isRejection(instance)) return 'skipped';
    const [at] = instance.bindings;
    const before = measure(under, instance, rates, at!);
    if (!before) return 'skipped';
    for (const name of Object.keys(at!)) {
      const after = measure(under, instance, rates, { ...at, [name]: at![name]! * 2 + 1 });
      for (const counter of after ? ['macs', 'bytes', 'resident', 'seconds'] : []) {
        if (after![counter]! >= before[counter]!) continue;
        const grows = `when ${name} grows from ${at![name]} to ${at![name]! * 2 + 1}`;
        throw new Mismatch(
          `its work's ${counter} falls from ${before[counter]} to ${after![counter]} ${grows}\n  call: ${instance.text}`,
        );
      }
    }
    return 'checked';
  });
}

function measure(
  { backend, kernel, ops }: KernelUnderTest,
  instance: Instance,
  rates: Rates,
  at: Binding,
): Work | undefined {
  let answer: ReturnType<typeof ask>;
  try {
    answer = ask(backend, kernel, instance, ops, at);
  } catch (error) {
    // Sizes that do not fit each other once one of them has grown.
    if (hasCode(error, 'SHAPE_MISMATCH')) return undefined;
    throw error;
  }
  if (isRejection(answer)) return undefined;
  const all: Work = { ...answer, seconds: (kernel.law ?? roofline)(answer, rates) };
  for (const [counter, value] of Object.entries(all)) {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) continue;
    throw new Mismatch(`its work's ${counter} is ${value}: say a finite number >= 0\n  call: ${instance.text}`);
  }
  for (const counter of ['macs', 'bytes', 'resident'])
    if (all[counter] === undefined) throw new Mismatch(`its work does not say ${counter}\n  call: ${instance.text}`);
  return all;
}
