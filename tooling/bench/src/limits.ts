/** What the machine can do at most, from what a backend measured of it. */

import type { Rates } from '@espalier/core';

/** The rate that bounds a kernel's arithmetic, by what its name says of dtypes and instructions, and how much of it. */
const arithmetic: readonly (readonly [pattern: RegExp, rate: string, share: number])[] = [
  [/bf16.*__amx/, 'amx', 1 / 2],
  [/__amx/, 'amx', 1],
  // Products of pairs of 16 bits: twice as many to a vector as of float32.
  [/_i8_.*__avx2$/, 'fma', 2],
  [/_i8_/, 'dot', 1],
  [/bf16/, 'bf16', 1],
  [/./, 'fma', 1],
];

/** Multiply-adds a second that a kernel could do on all its threads; undefined where its rate was not measured. */
export function arithmeticLimit(kernel: string, rates: Rates | undefined): number | undefined {
  const [, rate, share] = arithmetic.find(([pattern]) => pattern.test(kernel))!;
  const measured = rates?.[rate];
  return measured && measured * share * (rates['threads'] ?? 1);
}

/** Bytes a second from and to memory. */
export function trafficLimit(rates: Rates | undefined): number | undefined {
  return rates?.['bytes'];
}
