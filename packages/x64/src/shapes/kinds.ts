/** Operand kinds of vector rows: the register class at 128, 256 and 512 bits, a byte each. */
import { CLASS_NAMES, isOf, MASK, R32 as R32_CLASS, R64 as R64_CLASS, XMM, YMM, ZMM } from '../classes.ts';
import type { Gpr, Mask, Vector } from '../registers.ts';

declare const operand: unique symbol;
/** A kind whose registers have the TypeScript type `T`. */
export type Kind<T> = number & { readonly [operand]?: T };
export type Kinds<T extends readonly unknown[]> = { readonly [I in keyof T]: Kind<T[I]> };

const kind = (x: number, y: number, z: number): number => x | (y << 8) | (z << 16);

/** A vector register of the instruction's length; the first such operand decides the length. */
export const V: Kind<Vector> = kind(XMM, YMM, ZMM);
/** One of half the length, at least 128 bits. */
export const H: Kind<Vector> = kind(XMM, XMM, YMM);
/** An xmm register at any length. */
export const X: Kind<Vector> = kind(XMM, XMM, XMM);
export const K: Kind<Mask> = kind(MASK, MASK, MASK);
export const R32: Kind<Gpr> = kind(R32_CLASS, R32_CLASS, R32_CLASS);
export const R64: Kind<Gpr> = kind(R64_CLASS, R64_CLASS, R64_CLASS);

/** Whether `code` is a register of the kind at a length (0, 1, 2): of its class, with a number that exists. */
export function holds(kind: number, length: number, code: number): boolean {
  return isOf(classAt(kind, length), code);
}

/** The class of a kind's registers at a length (0, 1, 2). */
export const classAt = (kind: number, length: number): number => (kind >> (length << 3)) & 0xff;
export const className = (kind: number, length: number): string => CLASS_NAMES[classAt(kind, length)];
