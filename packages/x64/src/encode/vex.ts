/** The VEX prefix (AVX, AVX2, FMA, BMI, AMX, mask registers): Intel SDM volume 2, 2.3. `prefix` is W in bit 7 and pp in bits 0-1. */
import type { Code } from '../code.ts';
import { LONGEST, memory, registersOf } from './memory.ts';

/** Register forms; `length` is 0 for 128 bits, 1 for 256. */
export function vexReg(
  code: Code,
  map: number,
  prefix: number,
  opcode: number,
  reg: number,
  v: number,
  rm: number,
  length: number,
): void {
  if (code.position + LONGEST > code.bytes.length) code.grow(LONGEST);
  const bytes = code.bytes;
  let p = code.position;
  const last = ((~v & 15) << 3) | (length << 2) | prefix;
  if (map === 1 && rm < 8 && prefix < 4) {
    bytes[p] = 0xc5;
    bytes[p + 1] = ((~reg & 8) << 4) | last;
    p += 2;
  } else {
    bytes[p] = 0xc4;
    bytes[p + 1] = ((~reg & 8) << 4) | 0x40 | ((~rm & 8) << 2) | map;
    bytes[p + 2] = last;
    p += 3;
  }
  bytes[p] = opcode;
  bytes[p + 1] = 0xc0 | ((reg & 7) << 3) | (rm & 7);
  code.position = p + 2;
}

/** Memory forms. */
export function vexMem(
  code: Code,
  map: number,
  prefix: number,
  opcode: number,
  reg: number,
  v: number,
  address: number,
  disp: number,
  length: number,
  tail: number,
): void {
  if (code.position + LONGEST > code.bytes.length) code.grow(LONGEST);
  const bytes = code.bytes;
  let p = code.position;
  const registers = registersOf(address);
  const index = registers >> 5;
  const last = ((~v & 15) << 3) | (length << 2) | prefix;
  if (map === 1 && ((registers | index) & 8) === 0 && prefix < 4) {
    bytes[p] = 0xc5;
    bytes[p + 1] = ((~reg & 8) << 4) | last;
    p += 2;
  } else {
    bytes[p] = 0xc4;
    bytes[p + 1] = ((~reg & 8) << 4) | ((~index & 8) << 3) | ((~registers & 8) << 2) | map;
    bytes[p + 2] = last;
    p += 3;
  }
  bytes[p] = opcode;
  memory(code, p + 1, reg, address, disp, 0, tail);
}
