/** Gathers and scatters: the index of the address is a vector register, and a mask says which elements. */

import type { Address, Displacement } from '../address.ts';
import { describe, INDEXED, indexClass, isAddress, RIP, VECTOR_INDEX } from '../address.ts';
import { isOf, MASK } from '../classes.ts';
import type { Code } from '../code.ts';
import { evexMem } from '../encode/evex.ts';
import { vexMem } from '../encode/vex.ts';
import { AssemblerError } from '../errors.ts';
import { AVX2, F, VL } from '../features.ts';
import type { Mask, Vector } from '../registers.ts';
import { classAt, className, holds } from './kinds.ts';
import { type Form, misfit, type Row, row } from './row.ts';

/**
 * Loads the elements whose mask is set from `base + index * scale + disp`, and clears the mask. The mask is k1 to k7
 * (AVX-512), or the sign bits of a vector register (AVX2). The index is a vector register: `at(rdi, zmm1, 4)`.
 */
export type Gather = (dst: Vector, src: Address, disp: Displacement, mask: Mask | Vector) => void;

/** Stores the elements whose mask is set to `base + index * scale + disp`, and clears the mask. */
export type Scatter = (dst: Address, disp: Displacement, src: Vector, mask: Mask) => void;

/**
 * @param data kind of the register that is loaded or stored
 * @param index kind of the index register
 * @param w W: elements of 64 bits
 */
export function gather(data: number, index: number, opcode: number, w: number): Row<Gather> {
  const forms = (): Form[] => [...evexForms(data, index, false), ...vexForms(data, index)];
  return row<Gather>((name) => {
    const fail = (operands: number[]): AssemblerError => misfit(name, forms(), operands);
    return function (dst, src, disp, mask) {
      const length = lengthOf(dst, src, data, index);
      if (length < 0) throw fail([dst, src, disp, mask]);
      if (isOf(MASK, mask)) {
        emitEvex(this, name, length, opcode, w, dst, src, disp, mask);
        return;
      }
      const number = (src >> 5) & 31;
      if (length > 1 || !isOf(dst >> 8, mask) || ((dst | mask | number) & 16) !== 0) throw fail([dst, src, disp, mask]);
      if ((dst & 15) === (mask & 15) || (dst & 15) === number || (mask & 15) === number) throw overlap(name);
      vexMem(this, 2, (w << 7) | 1, opcode, dst & 15, mask & 15, src & ~VECTOR_INDEX, disp, length, 0);
      this.used |= AVX2;
    };
  }, forms);
}

/** As {@link gather}. */
export function scatter(data: number, index: number, opcode: number, w: number): Row<Scatter> {
  const forms = (): Form[] => evexForms(data, index, true);
  return row<Scatter>((name) => {
    return function (dst, disp, src, mask) {
      const length = lengthOf(src, dst, data, index);
      if (length < 0 || !isOf(MASK, mask)) throw misfit(name, forms(), [dst, disp, src, mask]);
      emitEvex(this, name, length, opcode, w, src, dst, disp, mask);
    };
  }, forms);
}

/** The length at which register and index have their kinds, or -1. */
function lengthOf(register: number, address: number, data: number, index: number): number {
  if (!isAddress(address) || (address & RIP) !== 0 || (address & INDEXED) === 0) return -1;
  for (let length = 2; length >= 0; length--) {
    if (holds(data, length, register) && classAt(index, length) === indexClass(address)) return length;
  }
  return -1;
}

function emitEvex(
  code: Code,
  name: string,
  length: number,
  opcode: number,
  w: number,
  register: number,
  address: number,
  disp: number,
  mask: number,
): void {
  const index = (address >> 5) & 31;
  if ((mask & 7) === 0) {
    throw new AssemblerError('BAD_OPTION', `${name}: the mask must be one of k1 to k7, not ${describe(mask)}`);
  }
  if (opcode < 0xa0 && (register & 31) === index) throw overlap(name);
  // The index has no vvvv beside it, so its fifth bit takes the place of vvvv's.
  const last = (length << 5) | (mask & 7);
  evexMem(
    code,
    2,
    (w << 7) | 1,
    opcode,
    register & 31,
    index & 16,
    address & ~VECTOR_INDEX,
    disp,
    last,
    w === 1 ? 3 : 2,
    0,
  );
  code.used |= length === 2 ? F : F | VL;
}

function overlap(name: string): AssemblerError {
  return new AssemblerError('BAD_OPERAND', `${name}: destination, index and mask must be different registers`);
}

const memory = (index: number, length: number): string => `vm:${className(index, length)}`;

function evexForms(data: number, index: number, stores: boolean): Form[] {
  return [0, 1, 2].map((length) => {
    const operands = [className(data, length), memory(index, length)];
    return { operands: stores ? operands.reverse() : operands, evex: true, vex: false, mask: 'required' };
  });
}

function vexForms(data: number, index: number): Form[] {
  return [0, 1].map((length) => {
    const register = className(data, length);
    return { operands: [register, memory(index, length), register], vex: true, evex: false };
  });
}
