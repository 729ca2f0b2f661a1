/** Instructions on mask registers: VEX-encoded, with registers of their own. */
import { type Address, type Displacement, isAddress } from '../address.ts';
import { isOf, MASK, R32, R64 } from '../classes.ts';
import { append, immediate } from '../encode/immediate.ts';
import { vexMem, vexReg } from '../encode/vex.ts';
import type { Gpr, Mask } from '../registers.ts';
import { type Form, misfit, type Row, row } from './row.ts';
import type { Takes } from './signatures.ts';

const isMask = (code: number): boolean => isOf(MASK, code);

/** `dst, a, b`. `prefix` is W in bit 7 and pp in bits 0-1. */
export function kkk(prefix: number, opcode: number, features: number): Row<(dst: Mask, a: Mask, b: Mask) => void> {
  const forms = (): Form[] => [{ operands: ['k', 'k', 'k'] }];
  return row((name) => {
    return function (dst, a, b) {
      if (!isMask(dst) || !isMask(a) || !isMask(b)) throw misfit(name, forms(), [dst, a, b]);
      this.used |= features;
      vexReg(this, 1, prefix, opcode, dst & 7, a & 7, b & 7, 1);
    };
  }, forms);
}

/** `dst, src`, or two sources that set flags. */
export function kk(prefix: number, opcode: number, features: number): Row<(a: Mask, b: Mask) => void> {
  const forms = (): Form[] => [{ operands: ['k', 'k'] }];
  return row((name) => {
    return function (a, b) {
      if (!isMask(a) || !isMask(b)) throw misfit(name, forms(), [a, b]);
      this.used |= features;
      vexReg(this, 1, prefix, opcode, a & 7, 0, b & 7, 0);
    };
  }, forms);
}

/** `dst, src, imm8`. */
export function kki(
  prefix: number,
  opcode: number,
  features: number,
): Row<(dst: Mask, src: Mask, imm8: number) => void> {
  const forms = (): Form[] => [{ operands: ['k', 'k', 'imm8'] }];
  return row((name) => {
    return function (dst, src, imm8) {
      if (!isMask(dst) || !isMask(src)) throw misfit(name, forms(), [dst, src, imm8]);
      const imm = immediate(name, imm8, 1);
      this.used |= features;
      vexReg(this, 3, prefix, opcode, dst & 7, 0, src & 7, 0);
      append(this, imm, 1);
    };
  }, forms);
}

/** Between mask registers, memory and a general register. */
export type KMove = Takes<
  | [dst: Mask, src: Mask | Gpr]
  | [dst: Gpr, src: Mask]
  | [dst: Mask, src: Address, disp?: Displacement]
  | [dst: Address, disp: Displacement, src: Mask]
>;

/**
 * @param memory prefix of the forms with masks and memory
 * @param general prefix of the forms with a general register, which is of 64 bits for kmovq alone
 */
export function kmov(memory: number, general: number, bits: number, features: number): Row<KMove> {
  const size = bits === 64 ? R64 : R32;
  const r = bits === 64 ? 'r64' : 'r32';
  const m = `m${bits}`;
  const forms = (): Form[] =>
    [
      ['k', 'k'],
      ['k', m],
      [m, 'k'],
      ['k', r],
      [r, 'k'],
    ].map((operands) => ({ operands }));
  return row<KMove>((name) => {
    return function (dst, x, y = 0) {
      if (isMask(dst) && isMask(x)) vexReg(this, 1, memory, 0x90, dst & 7, 0, x & 7, 0);
      else if (isMask(dst) && isAddress(x)) vexMem(this, 1, memory, 0x90, dst & 7, 0, x, y, 0, 0);
      else if (isMask(dst) && isOf(size, x)) vexReg(this, 1, general, 0x92, dst & 7, 0, x & 15, 0);
      else if (isMask(x) && isOf(size, dst)) vexReg(this, 1, general, 0x93, dst & 15, 0, x & 7, 0);
      else if (isAddress(dst) && isMask(y)) vexMem(this, 1, memory, 0x91, y & 7, 0, dst, x, 0, 0);
      else throw misfit(name, forms(), [dst, x, y]);
      this.used |= features;
    };
  }, forms);
}
