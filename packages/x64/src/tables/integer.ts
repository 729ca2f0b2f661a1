/** Integer instructions of every x86-64, and the bit manipulation of POPCNT, LZCNT, BMI1 and BMI2. */
import { TWO_BYTE } from '../encode/legacy.ts';
import { F2, F3, M2, M3, NP, P66 } from '../encode/vector.ts';
import { BMI1, BMI2, LZCNT, POPCNT, PREFETCHW } from '../features.ts';
import { gprRmi, gprRmv, gprRvm, gprVm } from '../shapes/bmi.ts';
import {
  address,
  arithmeticImmediate,
  binary,
  extend,
  extend32,
  memoryOnly,
  moveImmediate,
  multiplyImmediate,
  plain,
  regMem,
  shift,
  stack,
  testImmediate,
  unary,
} from '../shapes/integer.ts';

// biome-ignore format: columns
export const integer = {
  /** Copies a register, loads or stores; 32-bit registers clear the upper half. */
  mov: binary(0x88, 0x8a),
  /** mov with an immediate. */
  movi: moveImmediate(),
  /** Computes an address: base + index * scale + disp. */
  lea: address(),
  /** Zero-extends 8 or 16 bits. */
  movzx: extend(0xb6),
  /** Sign-extends 8 or 16 bits. */
  movsx: extend(0xbe),
  /** Sign-extends 32 bits to 64. */
  movsxd: extend32(),
  /** dst += src */
  add: binary(0x00, 0x02),
  /** dst |= src */
  or: binary(0x08, 0x0a),
  /** dst += src + carry */
  adc: binary(0x10, 0x12),
  /** dst -= src + borrow */
  sbb: binary(0x18, 0x1a),
  /** dst &= src */
  and: binary(0x20, 0x22),
  /** dst -= src */
  sub: binary(0x28, 0x2a),
  /** dst ^= src */
  xor: binary(0x30, 0x32),
  /** Sets flags as dst - src. */
  cmp: binary(0x38, 0x3a),
  /** Sets flags as dst & src. */
  test: binary(0x84, 0x84),
  /** dst += immediate */
  addi: arithmeticImmediate(0),
  /** dst |= immediate */
  ori: arithmeticImmediate(1),
  /** dst += immediate + carry */
  adci: arithmeticImmediate(2),
  /** dst -= immediate + borrow */
  sbbi: arithmeticImmediate(3),
  /** dst &= immediate */
  andi: arithmeticImmediate(4),
  /** dst -= immediate */
  subi: arithmeticImmediate(5),
  /** dst ^= immediate */
  xori: arithmeticImmediate(6),
  /** Sets flags as dst - immediate. */
  cmpi: arithmeticImmediate(7),
  /** Sets flags as dst & immediate. */
  testi: testImmediate(),
  /** dst *= src, the low half. */
  imul: regMem(0, 0xaf),
  /** dst = src * immediate, the low half. */
  imuli: multiplyImmediate(),
  /** operand += 1 */
  inc: unary(0xfe, 0),
  /** operand -= 1 */
  dec: unary(0xfe, 1),
  /** operand = ~operand */
  not: unary(0xf6, 2),
  /** operand = -operand */
  neg: unary(0xf6, 3),
  /** rdx:rax = rax * operand, unsigned. */
  mul: unary(0xf6, 4),
  /** rax, rdx = quotient and remainder of rdx:rax by operand, unsigned. */
  div: unary(0xf6, 6),
  /** The same, signed. */
  idiv: unary(0xf6, 7),
  /** Sign-extends eax into edx. */
  cdq: plain(0x99),
  /** Sign-extends rax into rdx. */
  cqo: plain(0x48, 0x99),
  /** Rotates left. */
  rol: shift(0),
  /** Rotates right. */
  ror: shift(1),
  /** Shifts left. */
  shl: shift(4),
  /** Shifts right, bringing in zeros. */
  shr: shift(5),
  /** Shifts right, bringing in the sign. */
  sar: shift(7),
  /** Pushes a 64-bit register. */
  push: stack(0x50),
  /** Pops a 64-bit register. */
  pop: stack(0x58),

  /** Number of the lowest set bit; undefined for 0. */
  bsf: regMem(0, 0xbc),
  /** Number of the highest set bit; undefined for 0. */
  bsr: regMem(0, 0xbd),
  /** Number of set bits. */
  popcnt: regMem(0xf3, 0xb8, POPCNT),
  /** Number of zeros below the lowest set bit; the width for 0. */
  tzcnt: regMem(0xf3, 0xbc, BMI1),
  /** Number of zeros above the highest set bit; the width for 0. */
  lzcnt: regMem(0xf3, 0xbd, LZCNT),
  /** dst = ~a & b */
  andn: gprRvm(NP, M2, 0xf2, BMI1),
  /** Bits of src: control holds the first in bits 0-7 and their number in bits 8-15. */
  bextr: gprRmv(NP, M2, 0xf7, BMI1),
  /** dst = src & -src: the lowest set bit alone. */
  blsi: gprVm(NP, M2, 0xf3, 3, BMI1),
  /** dst = src ^ (src - 1): a mask up to the lowest set bit. */
  blsmsk: gprVm(NP, M2, 0xf3, 2, BMI1),
  /** dst = src & (src - 1): without the lowest set bit. */
  blsr: gprVm(NP, M2, 0xf3, 1, BMI1),
  /** src with the bits from number control on cleared. */
  bzhi: gprRmv(NP, M2, 0xf5, BMI2),
  /** Spreads the low bits of a to where b has bits set. */
  pdep: gprRvm(F2, M2, 0xf5, BMI2),
  /** Gathers the bits of a from where b has bits set. */
  pext: gprRvm(F3, M2, 0xf5, BMI2),
  /** dst and a = high and low half of rdx * b, unsigned. Leaves flags alone. */
  mulx: gprRvm(F2, M2, 0xf6, BMI2),
  /** Rotates right without touching flags. */
  rorx: gprRmi(F2, M3, 0xf0, BMI2),
  /** Shifts left by a register. */
  shlx: gprRmv(P66, M2, 0xf7, BMI2),
  /** Shifts right by a register, bringing in zeros. */
  shrx: gprRmv(F2, M2, 0xf7, BMI2),
  /** Shifts right by a register, bringing in the sign. */
  sarx: gprRmv(F3, M2, 0xf7, BMI2),

  /** Fetches a line into every cache. */
  prefetcht0: memoryOnly(TWO_BYTE, 0x18, 1, 0),
  /** Fetches a line into the second-level cache. */
  prefetcht1: memoryOnly(TWO_BYTE, 0x18, 2, 0),
  /** Fetches a line into the third-level cache, where there is one. */
  prefetcht2: memoryOnly(TWO_BYTE, 0x18, 3, 0),
  /** Fetches a line that will be used once. */
  prefetchnta: memoryOnly(TWO_BYTE, 0x18, 0, 0),
  /** Fetches a line that will be written. */
  prefetchw: memoryOnly(TWO_BYTE, 0x0d, 1, 0, PREFETCHW),
  /** Loads the floating-point control register. */
  ldmxcsr: memoryOnly(TWO_BYTE, 0xae, 2, 32),
  /** Stores the floating-point control register. */
  stmxcsr: memoryOnly(TWO_BYTE, 0xae, 3, 32),

  /** Asks the processor what it is: leaf in eax, subleaf in ecx; changes eax, ebx, ecx, edx. */
  cpuid: plain(0x0f, 0xa2),
  /** Extended control register ecx into edx:eax: what the system saves. */
  xgetbv: plain(0x0f, 0x01, 0xd0),
  /** Time stamp counter into edx:eax. */
  rdtsc: plain(0x0f, 0x31),
  /** The same after all earlier instructions, with the processor's number in ecx. */
  rdtscp: plain(0x0f, 0x01, 0xf9),
  /** Waits for earlier loads. */
  lfence: plain(0x0f, 0xae, 0xe8),
  /** Waits for earlier loads and stores. */
  mfence: plain(0x0f, 0xae, 0xf0),
  /** Makes earlier stores visible before later ones. */
  sfence: plain(0x0f, 0xae, 0xf8),
  /** Says that this is a loop that waits. */
  pause: plain(0xf3, 0x90),
  /** Raises an invalid opcode exception. */
  ud2: plain(0x0f, 0x0b),
  /** Stops in a debugger. */
  int3: plain(0xcc),
  /** Returns to the caller. */
  ret: plain(0xc3),
};
