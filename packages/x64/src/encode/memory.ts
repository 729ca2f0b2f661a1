/** ModRM, SIB and displacement of a memory operand: the same in every encoding. */
import { describe, INDEXED, LABEL, labelOf, RIP, VECTOR_INDEX } from '../address.ts';
import { writeInt32 } from '../buffer.ts';
import type { Code } from '../code.ts';
import { AssemblerError } from '../errors.ts';

/** An instruction is at most 15 bytes long: encoders make room for one before they begin. */
export const LONGEST = 16;

/** The bits of an address that name registers: a label's number is in the same place. */
export const registersOf = (address: number): number => ((address & RIP) === 0 ? address : 0);

/**
 * Writes ModRM and what follows at `p`, and moves the position behind it.
 *
 * @param reg register or opcode extension for the middle field; its low three bits count
 * @param shift log2 of what EVEX divides a byte-sized displacement by, else 0
 * @param tail bytes of immediate that will follow, which a distance to a label has to include
 */
export function memory(
  code: Code,
  p: number,
  reg: number,
  address: number,
  disp: number,
  shift: number,
  tail: number,
): void {
  if (disp !== (disp | 0)) throw displacementError(disp);
  const bytes = code.bytes;
  const field = (reg & 7) << 3;
  if ((address & RIP) !== 0) {
    bytes[p] = field | 5;
    writeInt32(bytes, p + 1, disp - tail);
    code.fixup(LABEL | labelOf(address), p + 1, 4);
    code.position = p + 5;
    return;
  }
  const base = address & 7;
  const disp8 = disp >> shift;
  let mod = 0x80;
  if (disp === 0 && base !== 5) mod = 0;
  else if (disp8 << shift === disp && (disp8 << 24) >> 24 === disp8) mod = 0x40;
  if ((address & INDEXED) !== 0) {
    if ((address & VECTOR_INDEX) !== 0) throw indexError(address);
    bytes[p++] = mod | field | 4;
    bytes[p++] = ((address >> 4) & 0xc0) | ((address >> 2) & 0x38) | base;
  } else {
    bytes[p++] = mod | field | base;
    if (base === 4) bytes[p++] = 0x24;
  }
  if (mod === 0x40) bytes[p++] = disp8;
  else if (mod === 0x80) {
    writeInt32(bytes, p, disp);
    p += 4;
  }
  code.position = p;
}

function displacementError(disp: number): AssemblerError {
  return new AssemblerError(
    'OUT_OF_RANGE',
    `the displacement ${disp} is no 32-bit integer: add it to the base register`,
  );
}

function indexError(address: number): AssemblerError {
  return new AssemblerError(
    'BAD_ADDRESS',
    `${describe(address)}: only gathers and scatters take a vector register as index`,
  );
}
