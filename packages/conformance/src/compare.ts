/** The first element that is not what it must be. */

import { stridesOf, type Tensor } from '@espalier/core';
import { decode, type Element, floatFormats } from './elements.ts';
import type { Expected } from './expect.ts';

/** Undefined where `actual` is as expected; otherwise what a person needs to know of the first difference. */
export function firstDifference(actual: Tensor | undefined, { tensor, slack }: Expected): string | undefined {
  if (!actual) return 'is missing';
  if (actual.type !== tensor.type) return `is ${actual.type} instead of ${tensor.type}`;
  if (`${actual.dims}` !== `${tensor.dims}`) return `has shape [${actual.dims}] instead of [${tensor.dims}]`;
  const [got, want] = [decode(actual), decode(tensor)];
  const limit = floatFormats[tensor.type]?.max ?? Number.POSITIVE_INFINITY;
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < want.length; i++) {
    if (isAllowed(got[i]!, want[i]!, slack?.[i], limit)) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong === 0) return undefined;
  const at = stridesOf(tensor.dims).map((stride, axis) => Math.floor(first / stride) % tensor.dims[axis]!);
  const allowed = slack ? ` (allowed: ${slack[first]})` : '';
  const rest = wrong > 1 ? `; ${wrong} of ${want.length} elements are wrong` : '';
  return `at [${at}] is ${show(got[first]!)} instead of ${show(want[first]!)}${allowed}${rest}`;
}

function isAllowed(got: Element, want: Element, slack: number | undefined, limit: number): boolean {
  if (Object.is(got, want)) return true;
  if (slack === undefined || typeof got === 'string' || typeof want === 'string') return false;
  if (typeof got === 'bigint' || typeof want === 'bigint') return Math.abs(Number(BigInt(got) - BigInt(want))) <= slack;
  if (Math.abs(got - want) <= slack) return true;
  // Near the end of the range one rounding more gives infinity.
  const cut = (x: number): number => Math.max(-limit, Math.min(limit, x));
  return Math.abs(cut(got) - cut(want)) <= slack;
}

function show(element: Element): string {
  if (typeof element === 'string') return JSON.stringify(element);
  return Object.is(element, -0) ? '-0' : `${element}`;
}
