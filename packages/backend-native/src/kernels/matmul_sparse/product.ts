/** The instruction of each nonzero in a stream with AVX-512: assembled once for all registers, then copied, as there are millions. */

import { Assembler, at, BROADCAST, rdx, type Vector, zmm } from '@espalier/x64';

/** Points near the weights that are read. */
export const weightsRead = rdx;

const REGISTERS = 32;
/** Bytes of each, the last of them how many weights behind {@link weightsRead} its own is. */
const BYTES = 7;

/** Sixteen products of a weight and a line of A, floats or sums of four bytes, for all pairs of a sum's register and a line's. */
function assemble(isFloat: boolean): Uint8Array {
  const a = new Assembler(REGISTERS * REGISTERS * BYTES);
  for (let sum = 0; sum < REGISTERS; sum++)
    for (let x = 0; x < REGISTERS; x++)
      a[isFloat ? 'vfmadd231ps' : 'vpdpbusd'](zmm(sum), zmm(x), at(weightsRead), 4, BROADCAST);
  return a.finish();
}

const products = new Map<boolean, Uint8Array>();

/** @param sum the number of its register @param x the line's @param weight from -128 to 127 */
export function emitProduct(a: Assembler, isFloat: boolean, sum: number, x: Vector, weight: number): void {
  let known = products.get(isFloat);
  if (!known) {
    known = assemble(isFloat);
    products.set(isFloat, known);
  }
  a.again(known, BYTES * (REGISTERS * sum + (x & (REGISTERS - 1))), BYTES, weight);
}
