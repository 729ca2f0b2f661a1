/** The EVEX prefix (AVX-512): Intel SDM volume 2, 2.7. `prefix` is W in bit 7 and pp in bits 0-1; `last` is z, L'L, b and mask. */
import type { Code } from '../code.ts';
import { LONGEST, memory, registersOf } from './memory.ts';

/** Register forms. */
export function evexReg(
  code: Code,
  map: number,
  prefix: number,
  opcode: number,
  reg: number,
  v: number,
  rm: number,
  last: number,
): void {
  if (code.position + LONGEST > code.bytes.length) code.grow(LONGEST);
  const bytes = code.bytes;
  const p = code.position;
  bytes[p] = 0x62;
  bytes[p + 1] = ((~reg & 8) << 4) | ((~rm & 16) << 2) | ((~rm & 8) << 2) | (~reg & 16) | map;
  bytes[p + 2] = ((~v & 15) << 3) | 4 | prefix;
  bytes[p + 3] = ((~v & 16) >> 1) | last;
  bytes[p + 4] = opcode;
  bytes[p + 5] = 0xc0 | ((reg & 7) << 3) | (rm & 7);
  code.position = p + 6;
}

/** Memory forms; `shift` is log2 of what the instruction reads or writes at once, which scales displacements of one byte. */
export function evexMem(
  code: Code,
  map: number,
  prefix: number,
  opcode: number,
  reg: number,
  v: number,
  address: number,
  disp: number,
  last: number,
  shift: number,
  tail: number,
): void {
  if (code.position + LONGEST > code.bytes.length) code.grow(LONGEST);
  const bytes = code.bytes;
  const p = code.position;
  const registers = registersOf(address);
  bytes[p] = 0x62;
  bytes[p + 1] = ((~reg & 8) << 4) | ((~(registers >> 5) & 8) << 3) | ((~registers & 8) << 2) | (~reg & 16) | map;
  bytes[p + 2] = ((~v & 15) << 3) | 4 | prefix;
  bytes[p + 3] = ((~v & 16) >> 1) | last;
  bytes[p + 4] = opcode;
  memory(code, p + 5, reg, address, disp, shift, tail);
}
