/** Instructions without VEX: an optional 0x66, F2 or F3, REX, up to two bytes of map, the opcode. Intel SDM volume 2, 2.1 and 2.2. */

import { R8, R16, R64 } from '../classes.ts';
import type { Code } from '../code.ts';
import { LONGEST, memory, registersOf } from './memory.ts';

/** Opcode maps: one byte, 0F, 0F 38. */
export const ONE_BYTE = 0;
export const TWO_BYTE = 1;

/**
 * Writes prefixes and opcode and returns the place behind them.
 *
 * @param size class of the operands (`R64`, ...): chooses 0x66 and REX.W
 * @param mandatory 0xf2 or 0xf3 where it belongs to the opcode, else 0
 * @param rex R, X and B in bits 2-0; bit 6 forces a REX, as spl, bpl, sil and dil need
 */
function open(code: Code, size: number, mandatory: number, map: number, opcode: number, rex: number): number {
  if (code.position + LONGEST > code.bytes.length) code.grow(LONGEST);
  const bytes = code.bytes;
  let p = code.position;
  if (size === R16) bytes[p++] = 0x66;
  if (mandatory !== 0) bytes[p++] = mandatory;
  if (size === R64) rex |= 8;
  if (rex !== 0) bytes[p++] = 0x40 | rex;
  if (map === TWO_BYTE) bytes[p++] = 0x0f;
  bytes[p++] = opcode;
  return p;
}

/** REX.R and REX.B of two registers; those of the byte registers spl to dil force a REX. Takes whole register codes. */
const rexOf = (reg: number, rm: number): number => {
  const force = (reg >> 8 === R8 && (reg & 12) === 4) || (rm >> 8 === R8 && (rm & 12) === 4) ? 0x40 : 0;
  return force | ((reg & 8) >> 1) | ((rm & 8) >> 3);
};

/** Register forms. `reg` and `rm` are whole register codes; an opcode extension has no class. */
export function legacyReg(
  code: Code,
  size: number,
  mandatory: number,
  map: number,
  opcode: number,
  reg: number,
  rm: number,
): void {
  const p = open(code, size, mandatory, map, opcode, rexOf(reg, rm));
  code.bytes[p] = 0xc0 | ((reg & 7) << 3) | (rm & 7);
  code.position = p + 1;
}

/** Memory forms. */
export function legacyMem(
  code: Code,
  size: number,
  mandatory: number,
  map: number,
  opcode: number,
  reg: number,
  address: number,
  disp: number,
  tail: number,
): void {
  const registers = registersOf(address);
  const rex = rexOf(reg, 0) | ((registers >> 7) & 2) | ((registers & 8) >> 3);
  const p = open(code, size, mandatory, map, opcode, rex);
  memory(code, p, reg, address, disp, 0, tail);
}

/** Forms that hold the register in the opcode (push, pop, mov with an immediate), and forms without operands. */
export function legacyShort(code: Code, size: number, mandatory: number, map: number, opcode: number, reg = 0): void {
  code.position = open(code, size, mandatory, map, opcode | (reg & 7), rexOf(0, reg));
}
