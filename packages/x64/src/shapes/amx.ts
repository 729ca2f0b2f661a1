/** Tile instructions (AMX). */
import { type Address, type Displacement, describe, INDEXED, isAddress, RIP } from '../address.ts';
import { isOf, TILE } from '../classes.ts';
import { vexMem, vexReg } from '../encode/vex.ts';
import { AssemblerError } from '../errors.ts';
import { AMX_TILE } from '../features.ts';
import type { Tile } from '../registers.ts';
import { type Form, misfit, type Row, row } from './row.ts';

const isTile = (code: number): boolean => isOf(TILE, code);

/** The rows of a tile lie `stride` bytes apart: the index of the address, times its scale. */
function checkStride(name: string, address: number): void {
  if (isAddress(address) && (address & RIP) === 0 && (address & INDEXED) !== 0) return;
  const message = `${name}: ${describe(address)} has no stride: use at(base, stride) with the bytes between rows in a register`;
  throw new AssemblerError('BAD_ADDRESS', message);
}

/** `dst, [base + stride + disp]`. */
export function tileLoad(pp: number): Row<(dst: Tile, src: Address, disp?: Displacement) => void> {
  const forms = (): Form[] => [{ operands: ['tmm', 'msib'] }];
  return row((name) => {
    return function (dst, src, disp = 0) {
      if (!isTile(dst)) throw misfit(name, forms(), [dst, src, disp]);
      checkStride(name, src);
      vexMem(this, 2, pp, 0x4b, dst & 7, 0, src, disp, 0, 0);
      this.used |= AMX_TILE;
    };
  }, forms);
}

/** `[base + stride + disp], src`. */
export function tileStore(pp: number): Row<(dst: Address, disp: Displacement, src: Tile) => void> {
  const forms = (): Form[] => [{ operands: ['msib', 'tmm'] }];
  return row((name) => {
    return function (dst, disp, src) {
      if (!isTile(src)) throw misfit(name, forms(), [dst, disp, src]);
      checkStride(name, dst);
      vexMem(this, 2, pp, 0x4b, src & 7, 0, dst, disp, 0, 0);
      this.used |= AMX_TILE;
    };
  }, forms);
}

/** `dst += a * b`; the three tiles are different. */
export function tileProduct(pp: number, opcode: number, features: number): Row<(dst: Tile, a: Tile, b: Tile) => void> {
  const forms = (): Form[] => [{ operands: ['tmm', 'tmm', 'tmm'] }];
  return row((name) => {
    return function (dst, a, b) {
      if (!isTile(dst) || !isTile(a) || !isTile(b)) throw misfit(name, forms(), [dst, a, b]);
      if (dst === a || dst === b || a === b) {
        throw new AssemblerError('BAD_OPERAND', `${name}: the three tiles must be different, or the processor faults`);
      }
      vexReg(this, 2, pp, opcode, dst & 7, b & 7, a & 7, 0);
      this.used |= features;
    };
  }, forms);
}

/** `dst = 0`. */
export function tileZero(): Row<(dst: Tile) => void> {
  const forms = (): Form[] => [{ operands: ['tmm'] }];
  return row((name) => {
    return function (dst) {
      if (!isTile(dst)) throw misfit(name, forms(), [dst]);
      vexReg(this, 2, 3, 0x49, dst & 7, 0, 0, 0);
      this.used |= AMX_TILE;
    };
  }, forms);
}

/** The 64 bytes of configuration at an address. */
export function tileConfig(pp: number): Row<(config: Address, disp?: Displacement) => void> {
  const forms = (): Form[] => [{ operands: ['m'] }];
  return row((name) => {
    return function (config, disp = 0) {
      if (!isAddress(config)) throw misfit(name, forms(), [config, disp]);
      vexMem(this, 2, pp, 0x49, 0, 0, config, disp, 0, 0);
      this.used |= AMX_TILE;
    };
  }, forms);
}

/** No operands. */
export function tileRelease(): Row<() => void> {
  return row(
    () =>
      function () {
        vexReg(this, 2, 0, 0x49, 0, 0, 0, 0);
        this.used |= AMX_TILE;
      },
    () => [{ operands: [] }],
  );
}
