/**
 * Memory operands take two arguments wherever they stand: an address and a displacement in bytes. An address is one number,
 * `at(rdi)` or `at(rdi, rcx, 4)`, made once outside a loop; only the displacement changes inside.
 *
 * Bits of an address: 0-4 base, 5-9 index, 10-11 log2 of the scale, 12 has an index, 13-14 the index is an xmm, ymm, zmm,
 * 15-17 size, 21 relative to a label (then 0-14 and 18-20 are the label's), 22 set. A label has bit 23 and its number.
 */

import { R64, registerName, XMM, ZMM } from './classes.ts';
import { AssemblerError } from './errors.ts';
import type { Flavor } from './flavor.ts';
import type { Gpr, Vector } from './registers.ts';

/** An address: what {@link at} and its siblings return. */
export type Address = Flavor<'address'>;
/** Bytes added to an address. A type of its own so that options in its place are noticed. */
export type Displacement = Flavor<'displacement'>;
/** A place in the code: what `Assembler.label()` returns. */
export type Label = Flavor<'label'>;

export const INDEXED = 1 << 12;
export const VECTOR_INDEX = 3 << 13;
export const RIP = 1 << 21;
const ADDRESS = 1 << 22;
export const LABEL = 1 << 23;
/** Labels of one assembler; their numbers have to fit into an address. */
export const MAX_LABELS = 1 << 18;

/** True for what {@link at} made; false for registers and labels, whatever their number. */
export const isAddress = (code: number): boolean => code >> 22 === 1;

/** Size classes: log2 of the bytes, plus one. */
const sizes = { byte: 1, word: 2, dword: 3, qword: 4, xmmword: 5, ymmword: 6, zmmword: 7 } as const;
/** log2 of the bytes that `byte()` to `zmmword()` said, or -1 when nothing was said. */
export const sizeOf = (address: number): number => ((address >> 15) & 7) - 1;
export const indexClass = (address: number): number => ((address >> 13) & 3) + XMM - 1;
export const labelOf = (address: number): number => (address & 0x7fff) | ((address >> 3) & 0x38000);

/**
 * The address `[base]` or `[base + index * scale]`; instructions add their displacement. The index is a 64-bit general
 * register other than rsp, or, for gathers and scatters, a vector register.
 *
 * @throws AssemblerError `BAD_ADDRESS` for registers and scales that x86-64 cannot express
 */
export function at(base: Gpr, index?: Gpr | Vector, scale: 1 | 2 | 4 | 8 = 1): Address {
  if (base >> 8 !== R64 || (base & 0xff) > 15)
    throw bad(`${describe(base)} cannot be a base: use a 64-bit register, rax to r15`);
  if (index === undefined) return ADDRESS | (base & 15);
  if (scale !== 1 && scale !== 2 && scale !== 4 && scale !== 8) throw bad(`the scale is 1, 2, 4 or 8, not ${scale}`);
  const vector = index >> 8 >= XMM && index >> 8 <= ZMM;
  if (registerName(index) === undefined || !(vector || index >> 8 === R64))
    throw bad(`${describe(index)} cannot be an index`);
  if (index === 0x104) throw bad('rsp cannot be an index: swap it with the base, or copy it');
  const kind = vector ? (index >> 8) - XMM + 1 : 0;
  return ADDRESS | (base & 15) | ((index & 31) << 5) | ((31 - Math.clz32(scale)) << 10) | INDEXED | (kind << 13);
}

/** The address of a label, relative to the instruction pointer. */
export function rip(label: Label): Address {
  const number = label & (MAX_LABELS - 1);
  if (label >> 18 !== LABEL >> 18) throw bad(`${describe(label)} is no label`);
  return ADDRESS | RIP | (number & 0x7fff) | ((number & 0x38000) << 3);
}

type Sized = (base: Gpr | Address, index?: Gpr | Vector, scale?: 1 | 2 | 4 | 8) => Address;
const sized =
  (name: keyof typeof sizes): Sized =>
  (base, index, scale) =>
    ((isAddress(base) ? base : at(base as Gpr, index, scale)) & ~(7 << 15)) | (sizes[name] << 15);

/** An address of 1 byte. A size is needed only where no register implies it, and ignored elsewhere. Takes what {@link at} takes, or an address. */
export const byte: Sized = sized('byte');
/** An address of 2 bytes; see {@link byte}. */
export const word: Sized = sized('word');
/** An address of 4 bytes; see {@link byte}. */
export const dword: Sized = sized('dword');
/** An address of 8 bytes; see {@link byte}. */
export const qword: Sized = sized('qword');
/** An address of 16 bytes; see {@link byte}. */
export const xmmword: Sized = sized('xmmword');
/** An address of 32 bytes; see {@link byte}. */
export const ymmword: Sized = sized('ymmword');
/** An address of 64 bytes; see {@link byte}. */
export const zmmword: Sized = sized('zmmword');

/** An operand as a message shows it. */
export function describe(code: number): string {
  if (isAddress(code)) {
    const size = Object.keys(sizes)[sizeOf(code)];
    const prefix = size === undefined ? '' : `${size} `;
    if ((code & RIP) !== 0) return `${prefix}[rip + label ${labelOf(code)}]`;
    const base = registerName((R64 << 8) | (code & 15));
    if ((code & INDEXED) === 0) return `${prefix}[${base}]`;
    const kind = (code & VECTOR_INDEX) === 0 ? R64 : indexClass(code);
    return `${prefix}[${base} + ${registerName((kind << 8) | ((code >> 5) & 31))} * ${1 << ((code >> 10) & 3)}]`;
  }
  if (code >> 18 === LABEL >> 18) return `label ${code & (MAX_LABELS - 1)}`;
  return registerName(code) ?? String(code);
}

function bad(message: string): AssemblerError {
  return new AssemblerError('BAD_ADDRESS', message);
}
