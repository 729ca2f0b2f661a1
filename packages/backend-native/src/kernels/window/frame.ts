/** What emitted windows find in memory: their arguments, and their place in the thread's scratch memory. */

import { at, rbx, rdi } from '@espalier/x64';

/**
 * The argument block; behind it where columns go by their remainder by the stride, in bytes from the start of a row, then the addresses
 * of the epilogue's operands.
 */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'x',
  'y',
  'weights',
  'planes',
  'planesPerUnit',
  'bands',
  'bandRows',
  'channels',
  'xPlane',
  'xRow',
  'yPlane',
  'yRow',
  'inHeight',
  'inWidth',
  'outHeight',
  'outWidth',
  'top',
  'rowPitch',
  'partPitch',
  'rowBegin',
  'rowLimit',
  'columnBegin',
  'columnLimit',
  'rowCounts',
  'columnCounts',
  'band',
] as const;
export type Argument = (typeof argumentWords)[number];

/** What a unit keeps in memory. */
export const localWords = [
  'plane',
  'planeEnd',
  'row',
  'rows',
  'left',
  'from',
  'to',
  'copied',
  'count',
  'mask',
] as const;
export type Local = (typeof localWords)[number];

export const args = at(rdi);
export const thread = at(rbx);
export const argument = (name: Argument): number => 8 * argumentWords.indexOf(name);
export const partArgument = (part: number): number => 8 * (argumentWords.length + part);
export const local = (name: Local): number => 8 * localWords.indexOf(name);

/** Where each weight of a plane is spread over a vector, if there are not registers enough to keep them. */
export const SPREAD_AT = Math.ceil(localWords.length / 8) * 64;
