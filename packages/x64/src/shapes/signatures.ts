/**
 * The shapes of vector instructions' methods as TypeScript sees them. A memory operand takes two arguments, an address and a
 * displacement in bytes (0 when left away at the end); options of EVEX come last.
 *
 * Alternatives are unions of argument lists and not overloads, as editors show no documentation for methods with overloads.
 */
import type { Address, Displacement } from '../address.ts';
import type { Options } from '../options.ts';
import type { Vector } from '../registers.ts';

/** A method that emits an instruction with these operands. */
export type Takes<Operands extends readonly unknown[]> = (...operands: Operands) => void;

/** A method that takes what either takes. */
export type Either<A extends Takes<never>, B extends Takes<never>> = Takes<Parameters<A> | Parameters<B>>;

/** Destination, source, and a source that may be memory. */
export type Rvm<D, A, B> = Takes<
  [dst: D, a: A, b: B, options?: Options] | [dst: D, a: A, b: Address, disp?: Displacement, options?: Options]
>;

/** The same with an immediate of 8 bits. */
export type Rvmi<D, A, B> = Takes<
  | [dst: D, a: A, b: B, imm8: number, options?: Options]
  | [dst: D, a: A, b: Address, disp: Displacement, imm8: number, options?: Options]
>;

/** Destination, and a source that may be memory. */
export type Rm<D, S> = Takes<
  [dst: D, src: S, options?: Options] | [dst: D, src: Address, disp?: Displacement, options?: Options]
>;

/** The same with an immediate of 8 bits. */
export type Rmi<D, S> = Takes<
  | [dst: D, src: S, imm8: number, options?: Options]
  | [dst: D, src: Address, disp: Displacement, imm8: number, options?: Options]
>;

/** A destination that may be memory, and a source. */
export type Mr<D, S> = Takes<
  [dst: D, src: S, options?: Options] | [dst: Address, disp: Displacement, src: S, options?: Options]
>;

/** The same with an immediate of 8 bits. */
export type Mri<D, S> = Takes<
  | [dst: D, src: S, imm8: number, options?: Options]
  | [dst: Address, disp: Displacement, src: S, imm8: number, options?: Options]
>;

/** Between registers alone. */
export type Rr<D, S> = Takes<[dst: D, src: S]>;
/** The last source is in memory. */
export type LoadInto<D, A> = Takes<[dst: D, a: A, b: Address, disp?: Displacement, options?: Options]>;
/** The source is in memory. */
export type Load<D> = Takes<[dst: D, src: Address, disp?: Displacement, options?: Options]>;
/** The destination is in memory. */
export type Store<S> = Takes<[dst: Address, disp: Displacement, src: S, options?: Options]>;

/** Between registers, from memory, to memory. */
export type Move = Either<Rm<Vector, Vector>, Store<Vector>>;

/** One element: between registers with the rest from `a`, from memory with zeros, to memory. */
export type MoveScalar = Takes<
  | [dst: Vector, a: Vector, b: Vector, options?: Options]
  | [dst: Vector, src: Address, disp?: Displacement, options?: Options]
  | [dst: Address, disp: Displacement, src: Vector, options?: Options]
>;

/** Four registers, the last of them in the immediate. */
export type Blend = Takes<
  | [dst: Vector, a: Vector, b: Vector, mask: Vector]
  | [dst: Vector, a: Vector, b: Address, disp: Displacement, mask: Vector]
>;

/** Loads the elements whose sign bit in `mask` is set. */
export type MaskLoad = Takes<[dst: Vector, mask: Vector, src: Address, disp?: Displacement]>;
/** Stores the elements whose sign bit in `mask` is set. */
export type MaskStore = Takes<[dst: Address, disp: Displacement, mask: Vector, src: Vector]>;
