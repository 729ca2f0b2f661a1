/** VEX-encoded instructions on general registers of 32 or 64 bits (BMI1, BMI2). */
import { type Address, type Displacement, isAddress } from '../address.ts';
import { isOf, R64 } from '../classes.ts';
import { append, immediate } from '../encode/immediate.ts';
import { vexMem, vexReg } from '../encode/vex.ts';
import type { Gpr } from '../registers.ts';
import { isGpr } from './alternatives.ts';
import { type Form, misfit, type Row, row } from './row.ts';
import type { Takes } from './signatures.ts';

/** `dst, a, b` or `dst, a, [b + disp]`. */
export type GprRvm = Takes<[dst: Gpr, a: Gpr, b: Gpr] | [dst: Gpr, a: Gpr, b: Address, disp?: Displacement]>;

/** `dst, src, control` or `dst, [src + disp], control`. */
export type GprRmv = Takes<
  [dst: Gpr, src: Gpr, control: Gpr] | [dst: Gpr, src: Address, disp: Displacement, control: Gpr]
>;

/** `dst, src` or `dst, [src + disp]`. */
export type GprVm = Takes<[dst: Gpr, src: Gpr] | [dst: Gpr, src: Address, disp?: Displacement]>;

/** `dst, src, imm8` or `dst, [src + disp], imm8`. */
export type GprRmi = Takes<
  [dst: Gpr, src: Gpr, imm8: number] | [dst: Gpr, src: Address, disp: Displacement, imm8: number]
>;

const prefixOf = (pp: number, register: number): number => pp | (register >> 8 === R64 ? 0x80 : 0);
const sizes = (...patterns: string[][]): (() => Form[]) => {
  return () => ['32', '64'].flatMap((bits) => patterns.map((p) => ({ operands: p.map((o) => o.replace('_', bits)) })));
};

export function gprRvm(pp: number, map: number, opcode: number, features: number): Row<GprRvm> {
  const forms = sizes(['r_', 'r_', 'r_'], ['r_', 'r_', 'm_']);
  return row<GprRvm>((name) => {
    return function (dst, a, b, disp = 0) {
      if (!isGpr(dst) || !isOf(dst >> 8, a)) throw misfit(name, forms(), [dst, a, b, disp]);
      if (isAddress(b)) vexMem(this, map, prefixOf(pp, dst), opcode, dst & 15, a & 15, b, disp, 0, 0);
      else if (isOf(dst >> 8, b)) vexReg(this, map, prefixOf(pp, dst), opcode, dst & 15, a & 15, b & 15, 0);
      else throw misfit(name, forms(), [dst, a, b]);
      this.used |= features;
    };
  }, forms);
}

export function gprRmv(pp: number, map: number, opcode: number, features: number): Row<GprRmv> {
  const forms = sizes(['r_', 'r_', 'r_'], ['r_', 'm_', 'r_']);
  return row<GprRmv>((name) => {
    return function (dst, src, x, y = 0) {
      const control = isAddress(src) ? y : x;
      if (!isGpr(dst) || !isOf(dst >> 8, control)) throw misfit(name, forms(), [dst, src, x, y]);
      if (isAddress(src)) vexMem(this, map, prefixOf(pp, dst), opcode, dst & 15, control & 15, src, x, 0, 0);
      else if (isOf(dst >> 8, src)) vexReg(this, map, prefixOf(pp, dst), opcode, dst & 15, control & 15, src & 15, 0);
      else throw misfit(name, forms(), [dst, src, x]);
      this.used |= features;
    };
  }, forms);
}

/** `extension` is what ModRM.reg holds; the destination is in vvvv. */
export function gprVm(pp: number, map: number, opcode: number, extension: number, features: number): Row<GprVm> {
  const forms = sizes(['r_', 'r_'], ['r_', 'm_']);
  return row<GprVm>((name) => {
    return function (dst, src, disp = 0) {
      if (!isGpr(dst)) throw misfit(name, forms(), [dst, src, disp]);
      if (isAddress(src)) vexMem(this, map, prefixOf(pp, dst), opcode, extension, dst & 15, src, disp, 0, 0);
      else if (isOf(dst >> 8, src)) vexReg(this, map, prefixOf(pp, dst), opcode, extension, dst & 15, src & 15, 0);
      else throw misfit(name, forms(), [dst, src]);
      this.used |= features;
    };
  }, forms);
}

export function gprRmi(pp: number, map: number, opcode: number, features: number): Row<GprRmi> {
  const forms = sizes(['r_', 'r_', 'imm8'], ['r_', 'm_', 'imm8']);
  return row<GprRmi>((name) => {
    return function (dst, src, x, y = 0) {
      if (!isGpr(dst)) throw misfit(name, forms(), [dst, src, x, y]);
      const imm = immediate(name, isAddress(src) ? y : x, 1);
      if (isAddress(src)) vexMem(this, map, prefixOf(pp, dst), opcode, dst & 15, 0, src, x, 0, 1);
      else if (isOf(dst >> 8, src)) vexReg(this, map, prefixOf(pp, dst), opcode, dst & 15, 0, src & 15, 0);
      else throw misfit(name, forms(), [dst, src, x]);
      append(this, imm, 1);
      this.used |= features;
    };
  }, forms);
}
