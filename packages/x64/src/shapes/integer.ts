/** Integer instructions on general registers of 8 to 64 bits and memory. */
import { type Address, type Displacement, isAddress, sizeOf } from '../address.ts';
import { isGeneral, isOf, R8, R16, R32, R64 } from '../classes.ts';
import type { Code } from '../code.ts';
import { append, immediate, immediate64, immediateBytes } from '../encode/immediate.ts';
import { legacyMem, legacyReg, legacyShort, ONE_BYTE, TWO_BYTE } from '../encode/legacy.ts';
import { AssemblerError } from '../errors.ts';
import type { Gpr } from '../registers.ts';
import { type Form, misfit, type Row, row } from './row.ts';
import type { Takes } from './signatures.ts';

const CL = (R8 << 8) | 1;
/** 0 for bytes, 1 for what is wider: the lowest bit of most opcodes. */
const wide = (size: number): number => (size === R8 ? 0 : 1);

/** The size class of an address that has to say its size. */
function sizeOfMemory(name: string, address: number): number {
  const size = [R8, R16, R32, R64][sizeOf(address)];
  if (size !== undefined) return size;
  throw new AssemblerError(
    'BAD_ADDRESS',
    `${name}: say how much memory is meant: byte(...), word(...), dword(...) or qword(...)`,
  );
}

const BITS = ['8', '16', '32', '64'];
/** The forms for every size: `_` stands for its bits. */
const sized = (bits: readonly string[], ...patterns: string[][]): (() => Form[]) => {
  return () => bits.flatMap((b) => patterns.map((p) => ({ operands: p.map((o) => o.replace('_', b)) })));
};

/** `dst, src` with memory on either side. */
export type Binary = Takes<
  [dst: Gpr, src: Gpr] | [dst: Gpr, src: Address, disp?: Displacement] | [dst: Address, disp: Displacement, src: Gpr]
>;

/**
 * @param storing opcode of the byte form that writes to ModRM.rm; the next is for wider operands
 * @param loading of the form that reads memory
 */
export function binary(storing: number, loading: number): Row<Binary> {
  const forms = sized(BITS, ['r_', 'r_'], ['r_', 'm_'], ['m_', 'r_']);
  return row<Binary>((name) => {
    return function (dst, x, y = 0) {
      const size = dst >> 8;
      if (isAddress(dst) && isGeneral(y)) legacyMem(this, y >> 8, 0, ONE_BYTE, storing | wide(y >> 8), y, dst, x, 0);
      else if (!isGeneral(dst)) throw misfit(name, forms(), [dst, x, y]);
      else if (isAddress(x)) legacyMem(this, size, 0, ONE_BYTE, loading | wide(size), dst, x, y, 0);
      else if (isOf(size, x)) legacyReg(this, size, 0, ONE_BYTE, storing | wide(size), x, dst);
      else throw misfit(name, forms(), [dst, x, y]);
    };
  }, forms);
}

/** `dst, immediate`; memory says its size. */
export type Immediate = Takes<[dst: Gpr, value: number] | [dst: Address, disp: Displacement, value: number]>;

const immediateForms = [...BITS.slice(0, 3).map((b) => [b, b]), ['64', '32']].flatMap(([b, i]): Form[] => [
  { operands: [`r${b}`, `imm${i}`] },
  { operands: [`m${b}!`, `imm${i}`] },
]);

/** add, or, adc, sbb, and, sub, xor, cmp: `extension` says which. Immediates are sign-extended to 64 bits. */
export function arithmeticImmediate(extension: number): Row<Immediate> {
  return row<Immediate>(
    (name) =>
      function (dst, x, y) {
        const memory = isAddress(dst);
        if (!memory && !isGeneral(dst)) throw misfit(name, immediateForms, [dst, x, y]);
        const size = memory ? sizeOfMemory(name, dst) : dst >> 8;
        const value = immediate(name, memory ? y : x, immediateBytes(size), size === R64);
        const short = size === R8 || (value << 24) >> 24 === value;
        const bytes = short ? 1 : immediateBytes(size);
        const opcode = size === R8 ? 0x80 : short ? 0x83 : 0x81;
        if (memory) legacyMem(this, size, 0, ONE_BYTE, opcode, extension, dst, x, bytes);
        else if ((dst & 15) === 0 && (size === R8 || !short)) {
          legacyShort(this, size, 0, ONE_BYTE, (extension << 3) | 4 | wide(size));
        } else legacyReg(this, size, 0, ONE_BYTE, opcode, extension, dst);
        append(this, value, bytes);
      },
    () => immediateForms,
  );
}

/** test with an immediate. */
export function testImmediate(): Row<Immediate> {
  return row<Immediate>(
    (name) =>
      function (dst, x, y) {
        const memory = isAddress(dst);
        if (!memory && !isGeneral(dst)) throw misfit(name, immediateForms, [dst, x, y]);
        const size = memory ? sizeOfMemory(name, dst) : dst >> 8;
        const bytes = immediateBytes(size);
        const value = immediate(name, memory ? y : x, bytes, size === R64);
        if (memory) legacyMem(this, size, 0, ONE_BYTE, 0xf6 | wide(size), 0, dst, x, bytes);
        else if ((dst & 15) === 0) legacyShort(this, size, 0, ONE_BYTE, 0xa8 | wide(size));
        else legacyReg(this, size, 0, ONE_BYTE, 0xf6 | wide(size), 0, dst);
        append(this, value, bytes);
      },
    () => immediateForms,
  );
}

/** `dst, immediate`; a register of 64 bits takes any 64 bits, as a bigint where a number would not be exact. */
export type MoveImmediate = Takes<
  [dst: Gpr, value: number | bigint] | [dst: Address, disp: Displacement, value: number]
>;

/** mov with an immediate. */
export function moveImmediate(): Row<MoveImmediate> {
  const forms = (): Form[] => [...immediateForms, { operands: ['r64', 'imm64'] }];
  return row<MoveImmediate>((name) => {
    return function (dst, x, y) {
      const memory = isAddress(dst);
      if (!memory && !isGeneral(dst)) throw misfit(name, forms(), [dst, x, y]);
      const size = memory ? sizeOfMemory(name, dst) : dst >> 8;
      if (!memory && size === R64) return move64(this, name, dst, x);
      const bytes = immediateBytes(size);
      const value = immediate(name, memory ? y : x, bytes, size === R64);
      if (memory) legacyMem(this, size, 0, ONE_BYTE, 0xc6 | wide(size), 0, dst, x, bytes);
      else legacyShort(this, size, 0, ONE_BYTE, 0xb0 | (wide(size) << 3), dst);
      append(this, value, bytes);
    };
  }, forms);
}

/** The form that sign-extends 32 bits where they suffice, else the one with all 64. */
function move64(code: Code, name: string, dst: number, given: number | bigint): void {
  const value = immediate64(name, given);
  const low = Number(BigInt.asIntN(32, value));
  if (value === BigInt(low)) legacyReg(code, R64, 0, ONE_BYTE, 0xc7, 0, dst);
  else legacyShort(code, R64, 0, ONE_BYTE, 0xb8, dst);
  append(code, low, 4);
  if (value !== BigInt(low)) append(code, Number(value >> 32n), 4);
}

/** `dst, src`, where the source may be memory. */
export type Unary2 = Takes<[dst: Gpr, src: Gpr] | [dst: Gpr, src: Address, disp?: Displacement]>;

/** `dst, src` of one size, 16 to 64 bits. */
export function regMem(mandatory: number, opcode: number, features = 0): Row<Unary2> {
  const forms = sized(BITS.slice(1), ['r_', 'r_'], ['r_', 'm_']);
  return row<Unary2>((name) => {
    return function (dst, src, disp = 0) {
      const size = dst >> 8;
      if (!isGeneral(dst) || size === R8) throw misfit(name, forms(), [dst, src, disp]);
      if (isAddress(src)) legacyMem(this, size, mandatory, TWO_BYTE, opcode, dst, src, disp, 0);
      else if (isOf(size, src)) legacyReg(this, size, mandatory, TWO_BYTE, opcode, dst, src);
      else throw misfit(name, forms(), [dst, src]);
      this.used |= features;
    };
  }, forms);
}

/** `dst, src, immediate`, where the source may be memory. */
export type MultiplyImmediate = Takes<
  [dst: Gpr, src: Gpr, value: number] | [dst: Gpr, src: Address, disp: Displacement, value: number]
>;

/** imul with three operands. */
export function multiplyImmediate(): Row<MultiplyImmediate> {
  const bits = [...BITS.slice(1, 3).map((b) => [b, b]), ['64', '32']];
  const forms = (): Form[] =>
    bits.flatMap(([b, i]) => [
      { operands: [`r${b}`, `r${b}`, `imm${i}`] },
      { operands: [`r${b}`, `m${b}`, `imm${i}`] },
    ]);
  return row<MultiplyImmediate>((name) => {
    return function (dst, src, x, y) {
      const size = dst >> 8;
      if (!isGeneral(dst) || size === R8) throw misfit(name, forms(), [dst, src, x, y]);
      const memory = isAddress(src);
      if (!memory && !isOf(size, src)) throw misfit(name, forms(), [dst, src, x]);
      const value = immediate(name, memory ? y : x, immediateBytes(size), size === R64);
      const short = (value << 24) >> 24 === value;
      const bytes = short ? 1 : immediateBytes(size);
      if (memory) legacyMem(this, size, 0, ONE_BYTE, short ? 0x6b : 0x69, dst, src, x, bytes);
      else legacyReg(this, size, 0, ONE_BYTE, short ? 0x6b : 0x69, dst, src);
      append(this, value, bytes);
    };
  }, forms);
}

/** One operand, a register or memory that says its size. */
export type Unary = Takes<[operand: Gpr] | [operand: Address, disp?: Displacement]>;

/** inc, dec, not, neg, mul, div: `opcode` of the byte form, with `extension`. */
export function unary(opcode: number, extension: number): Row<Unary> {
  const forms = sized(BITS, ['r_'], ['m_!']);
  return row<Unary>((name) => {
    return function (operand, disp = 0) {
      if (isAddress(operand)) {
        const size = sizeOfMemory(name, operand);
        legacyMem(this, size, 0, ONE_BYTE, opcode | wide(size), extension, operand, disp, 0);
      } else if (isGeneral(operand)) {
        legacyReg(this, operand >> 8, 0, ONE_BYTE, opcode | wide(operand >> 8), extension, operand);
      } else throw misfit(name, forms(), [operand, disp]);
    };
  }, forms);
}

/** `dst, count`; the count is a number of bits or `cl`. */
export type Shift = Takes<[dst: Gpr, count: number | Gpr] | [dst: Address, disp: Displacement, count: number | Gpr]>;

/** rol, ror, shl, shr, sar: `extension` says which. */
export function shift(extension: number): Row<Shift> {
  const forms = sized(BITS, ['r_', 'imm8'], ['r_', 'cl'], ['m_!', 'imm8'], ['m_!', 'cl']);
  return row<Shift>((name) => {
    return function (dst, x, y = 0) {
      const memory = isAddress(dst);
      const count = memory ? y : x;
      if (!memory && !isGeneral(dst)) throw misfit(name, forms(), [dst, x, y]);
      const size = memory ? sizeOfMemory(name, dst) : dst >> 8;
      const byCl = count === CL;
      const value = byCl ? 0 : immediate(name, count, 1);
      const opcode = (byCl ? 0xd2 : value === 1 ? 0xd0 : 0xc0) | wide(size);
      const bytes = byCl || value === 1 ? 0 : 1;
      if (memory) legacyMem(this, size, 0, ONE_BYTE, opcode, extension, dst, x, bytes);
      else legacyReg(this, size, 0, ONE_BYTE, opcode, extension, dst);
      if (bytes !== 0) append(this, value, 1);
    };
  }, forms);
}

/** movzx and movsx: from 8 bits with `opcode`, from 16 with the next. The source is narrower; memory says its size. */
export function extend(opcode: number): Row<Unary2> {
  const narrow = [
    ['16', '8'],
    ['32', '8'],
    ['64', '8'],
    ['32', '16'],
    ['64', '16'],
  ];
  const forms = (): Form[] =>
    narrow.flatMap(([d, s]) => [{ operands: [`r${d}`, `r${s}`] }, { operands: [`r${d}`, `m${s}!`] }]);
  return row<Unary2>((name) => {
    return function (dst, src, disp = 0) {
      const memory = isAddress(src);
      if (!memory && !isGeneral(src)) throw misfit(name, forms(), [dst, src, disp]);
      const from = memory ? sizeOfMemory(name, src) : src >> 8;
      if (!isGeneral(dst) || from < R16 || from <= dst >> 8) throw misfit(name, forms(), [dst, src, disp]);
      if (memory) legacyMem(this, dst >> 8, 0, TWO_BYTE, opcode | wide(from), dst, src, disp, 0);
      else legacyReg(this, dst >> 8, 0, TWO_BYTE, opcode | wide(from), dst, src);
    };
  }, forms);
}

/** movsxd: from 32 bits to 64. */
export function extend32(): Row<Unary2> {
  const forms = (): Form[] => [{ operands: ['r64', 'r32'] }, { operands: ['r64', 'm32'] }];
  return row<Unary2>((name) => {
    return function (dst, src, disp = 0) {
      if (!isOf(R64, dst)) throw misfit(name, forms(), [dst, src, disp]);
      if (isAddress(src)) legacyMem(this, R64, 0, ONE_BYTE, 0x63, dst, src, disp, 0);
      else if (isOf(R32, src)) legacyReg(this, R64, 0, ONE_BYTE, 0x63, dst, src);
      else throw misfit(name, forms(), [dst, src]);
    };
  }, forms);
}

/** lea: the address itself, not what lies there. */
export function address(): Row<(dst: Gpr, src: Address, disp?: Displacement) => void> {
  const forms = sized(BITS.slice(1), ['r_', 'm']);
  return row((name) => {
    return function (dst, src, disp = 0) {
      if (!isGeneral(dst) || dst >> 8 === R8 || !isAddress(src)) throw misfit(name, forms(), [dst, src, disp]);
      legacyMem(this, dst >> 8, 0, ONE_BYTE, 0x8d, dst, src, disp, 0);
    };
  }, forms);
}

/** setcc: a byte that is 1 when the condition holds, else 0. */
export function set(condition: number): Row<Unary> {
  const forms = (): Form[] => [{ operands: ['r8'] }, { operands: ['m8'] }];
  return row<Unary>((name) => {
    return function (dst, disp = 0) {
      if (isAddress(dst)) legacyMem(this, R8, 0, TWO_BYTE, 0x90 | condition, 0, dst, disp, 0);
      else if (isOf(R8, dst)) legacyReg(this, R8, 0, TWO_BYTE, 0x90 | condition, 0, dst);
      else throw misfit(name, forms(), [dst, disp]);
    };
  }, forms);
}

/** push and pop: a register of 64 bits in the opcode. */
export function stack(opcode: number): Row<(register: Gpr) => void> {
  const forms = (): Form[] => [{ operands: ['r64'] }];
  return row((name) => {
    return function (register) {
      if (!isOf(R64, register)) throw misfit(name, forms(), [register]);
      legacyShort(this, 0, 0, ONE_BYTE, opcode, register);
    };
  }, forms);
}

/** Memory alone, of a size that the instruction knows. */
export function memoryOnly(
  map: number,
  opcode: number,
  extension: number,
  bits: number,
  features = 0,
): Row<(address: Address, disp?: Displacement) => void> {
  const forms = (): Form[] => [{ operands: [bits === 0 ? 'm' : `m${bits}`] }];
  return row((name) => {
    return function (operand, disp = 0) {
      if (!isAddress(operand)) throw misfit(name, forms(), [operand, disp]);
      legacyMem(this, 0, 0, map, opcode, extension, operand, disp, 0);
      this.used |= features;
    };
  }, forms);
}

/** No operands: these bytes. */
export function plain(...bytes: number[]): Row<() => void> {
  return row<() => void>(
    () =>
      function () {
        this.data(bytes);
      },
    () => [{ operands: [] }],
  );
}
