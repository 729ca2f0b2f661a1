/** Mnemonics that stand for several encodings: which is meant follows from the operands' classes. */
import { isAddress, sizeOf } from '../address.ts';
import { isOf, MASK, R32 as R32_CLASS, R64 as R64_CLASS, XMM, ZMM } from '../classes.ts';
import { type Evex, fixed, type Vex, W1 } from '../encode/vector.ts';
import { AssemblerError } from '../errors.ts';
import type { Gpr, Vector } from '../registers.ts';
import { R32, R64, V, X } from './kinds.ts';
import { rm } from './rm.ts';
import { either, type Form, type Row } from './row.ts';
import { rvm } from './rvm.ts';
import type { Either, Rm, Rvm, Takes } from './signatures.ts';
import type { Columns } from './vector.ts';

const isVector = (code: number): boolean => code >> 8 >= XMM && code >> 8 <= ZMM;
export const isGpr = (code: number): boolean => isOf(R32_CLASS, code) || isOf(R64_CLASS, code);

/** A comparison into a vector (VEX) or a mask register (EVEX). */
export const maskOrVector = <A extends Takes<never>, B extends Takes<never>>(
  vector: Row<A>,
  mask: Row<B>,
): Row<Either<A, B>> => either((dst) => isOf(MASK, dst), vector, mask);

/** The register form needs another feature than the memory form. */
export const memoryOrRegister = <A extends Takes<never>, B extends Takes<never>>(
  memory: Row<A>,
  register: Row<B>,
): Row<Either<A, B>> => either((_dst, src) => !isAddress(src), memory, register);

/** The source is a vector register or memory, or a general register. */
export const registerOrGeneral = <A extends Takes<never>, B extends Takes<never>>(
  register: Row<A>,
  general: Row<B>,
): Row<Either<A, B>> => either((_dst, src) => isGpr(src), register, general);

/** The destination is a general register, or memory. */
export const generalOrMemory = <A extends Takes<never>, B extends Takes<never>>(
  general: Row<A>,
  memory: Row<B>,
): Row<Either<A, B>> => either((dst) => isAddress(dst), general, memory);

/** Into a vector register, or out of one. */
export const toOrFrom = <A extends Takes<never>, B extends Takes<never>>(to: Row<A>, from: Row<B>): Row<Either<A, B>> =>
  either((dst) => !isVector(dst), to, from);

type Encodings = readonly (Vex | Evex)[];
const wide = (encodings: Encodings): Encodings => encodings.map((e) => ({ ...e, w: W1 }));

/** `dst, a, src`, where the source is an integer of 32 or 64 bits in a general register or in memory, whose address says its size. */
export function fromGpr(
  pp: number,
  map: number,
  opcode: number,
  encodings: Encodings,
  encodings64: Encodings = encodings,
): Row<Rvm<Vector, Vector, Gpr>> {
  const from32 = rvm([V, V, R32], pp, map, opcode, fixed(2), ...encodings);
  const from64 = rvm([V, V, R64], pp, map, opcode, fixed(3), ...wide(encodings64));
  const is64 = (_dst: number, _a: number, src: number): boolean => {
    if (!isAddress(src)) return isOf(R64_CLASS, src);
    if (sizeOf(src) === 2 || sizeOf(src) === 3) return sizeOf(src) === 3;
    throw new AssemblerError('BAD_ADDRESS', 'say how large the integer in memory is: dword(...) or qword(...)');
  };
  const saysSize = (form: Form): Form => ({
    ...form,
    operands: form.operands.map((o) => (o.startsWith('m') ? `${o}!` : o)),
  });
  const forms = (): Form[] => [...from32.forms(), ...from64.forms()].map(saysSize);
  return { ...either(is64, from32, from64), forms };
}

/** `r32, src` or `r64, src`: to an integer. */
export function toGpr(...[pp, map, opcode, tuple, ...encodings]: Columns): Row<Rm<Gpr, Vector>> {
  const to32 = rm([R32, X], pp, map, opcode, tuple, ...encodings);
  const to64 = rm([R64, X], pp, map, opcode, tuple, ...wide(encodings));
  return either((dst) => isOf(R64_CLASS, dst), to32, to64);
}
