/** Jumps, calls, and what else depends on a condition. */
import { regMem, set } from '../shapes/integer.ts';
import { call, jump, jumpIf } from '../shapes/jump.ts';

// biome-ignore format: columns
export const control = {
  /** Jumps to a label, to where a register says, or to where memory says. */
  jmp: jump(),
  /** Pushes the address behind and jumps. */
  call: call(),

  /** Jumps if overflow. */
  jo: jumpIf(0),
  /** Jumps if no overflow. */
  jno: jumpIf(1),
  /** Jumps if below, unsigned. */
  jb: jumpIf(2),
  /** Jumps if above or equal, unsigned. */
  jae: jumpIf(3),
  /** Jumps if equal. */
  je: jumpIf(4),
  /** Jumps if not equal. */
  jne: jumpIf(5),
  /** Jumps if below or equal, unsigned. */
  jbe: jumpIf(6),
  /** Jumps if above, unsigned. */
  ja: jumpIf(7),
  /** Jumps if negative. */
  js: jumpIf(8),
  /** Jumps if not negative. */
  jns: jumpIf(9),
  /** Jumps if parity even, or a comparison of floats was unordered. */
  jp: jumpIf(10),
  /** Jumps if parity odd. */
  jnp: jumpIf(11),
  /** Jumps if less, signed. */
  jl: jumpIf(12),
  /** Jumps if greater or equal, signed. */
  jge: jumpIf(13),
  /** Jumps if less or equal, signed. */
  jle: jumpIf(14),
  /** Jumps if greater, signed. */
  jg: jumpIf(15),
  /** Jumps if carry. */
  jc: jumpIf(2),
  /** Jumps if no carry. */
  jnc: jumpIf(3),
  /** Jumps if zero. */
  jz: jumpIf(4),
  /** Jumps if not zero. */
  jnz: jumpIf(5),

  /** dst = src if overflow. */
  cmovo: regMem(0, 0x40),
  /** dst = src if no overflow. */
  cmovno: regMem(0, 0x41),
  /** dst = src if below, unsigned. */
  cmovb: regMem(0, 0x42),
  /** dst = src if above or equal, unsigned. */
  cmovae: regMem(0, 0x43),
  /** dst = src if equal. */
  cmove: regMem(0, 0x44),
  /** dst = src if not equal. */
  cmovne: regMem(0, 0x45),
  /** dst = src if below or equal, unsigned. */
  cmovbe: regMem(0, 0x46),
  /** dst = src if above, unsigned. */
  cmova: regMem(0, 0x47),
  /** dst = src if negative. */
  cmovs: regMem(0, 0x48),
  /** dst = src if not negative. */
  cmovns: regMem(0, 0x49),
  /** dst = src if parity even, or a comparison of floats was unordered. */
  cmovp: regMem(0, 0x4a),
  /** dst = src if parity odd. */
  cmovnp: regMem(0, 0x4b),
  /** dst = src if less, signed. */
  cmovl: regMem(0, 0x4c),
  /** dst = src if greater or equal, signed. */
  cmovge: regMem(0, 0x4d),
  /** dst = src if less or equal, signed. */
  cmovle: regMem(0, 0x4e),
  /** dst = src if greater, signed. */
  cmovg: regMem(0, 0x4f),
  /** dst = src if carry. */
  cmovc: regMem(0, 0x42),
  /** dst = src if no carry. */
  cmovnc: regMem(0, 0x43),
  /** dst = src if zero. */
  cmovz: regMem(0, 0x44),
  /** dst = src if not zero. */
  cmovnz: regMem(0, 0x45),

  /** 1 if overflow, else 0. */
  seto: set(0),
  /** 1 if no overflow, else 0. */
  setno: set(1),
  /** 1 if below, unsigned, else 0. */
  setb: set(2),
  /** 1 if above or equal, unsigned, else 0. */
  setae: set(3),
  /** 1 if equal, else 0. */
  sete: set(4),
  /** 1 if not equal, else 0. */
  setne: set(5),
  /** 1 if below or equal, unsigned, else 0. */
  setbe: set(6),
  /** 1 if above, unsigned, else 0. */
  seta: set(7),
  /** 1 if negative, else 0. */
  sets: set(8),
  /** 1 if not negative, else 0. */
  setns: set(9),
  /** 1 if parity even, or a comparison of floats was unordered, else 0. */
  setp: set(10),
  /** 1 if parity odd, else 0. */
  setnp: set(11),
  /** 1 if less, signed, else 0. */
  setl: set(12),
  /** 1 if greater or equal, signed, else 0. */
  setge: set(13),
  /** 1 if less or equal, signed, else 0. */
  setle: set(14),
  /** 1 if greater, signed, else 0. */
  setg: set(15),
  /** 1 if carry, else 0. */
  setc: set(2),
  /** 1 if no carry, else 0. */
  setnc: set(3),
  /** 1 if zero, else 0. */
  setz: set(4),
  /** 1 if not zero, else 0. */
  setnz: set(5),
};
