/**
 * The contract between a backend and everything else. A backend is a plain object: a table of kernels, buffers, and a way
 * to run a list of prepared steps. Ops are rows of the table, never methods.
 */

import type { Binding } from './dim.ts';
import type { DType } from './dtype.ts';
import type { Format } from './format.ts';
import type { Attributes, EpilogueOp, EpilogueStep, TensorDesc } from './graph.ts';
import type { Tensor } from './tensor.ts';

/** What a machine or engine can do: `avx512-vnni`, `amx-int8`, `relaxed-simd`, `shader-f16`. Probed, never guessed. */
export type Feature = string;

/** One use of an op: what a kernel is asked to compute. Shapes may hold symbols; attributes have their defaults. */
export interface Call {
  /** The node's name, for messages. */
  readonly node: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (TensorDesc | undefined)[];
  readonly outputs: readonly (TensorDesc | undefined)[];
  readonly attrs: Attributes;
  readonly epilogue: readonly EpilogueStep[];
}

/** What is known of a constant before it is packed; counted once per tensor, whose constants all have this very object. */
export interface Structure {
  readonly elements: number;
  readonly nonzeros: number;
  /** The share of elements that are not zero among some thousand, so that not all need be counted; undefined where there are not more. */
  readonly sample?: number | undefined;
}

/** True where more than this share of the elements is not zero. They are counted only where a sample is near it, or below. */
export const isDenser = (structure: Structure, share: number): boolean =>
  (structure.sample ?? 0) > (1 + share) / 2 || structure.nonzeros > share * structure.elements;

export interface Constant {
  readonly tensor: Tensor;
  readonly structure: Structure;
}

/** By index of the call's inputs. */
export type Constants = readonly (Constant | undefined)[];

/**
 * What a kernel must compute and move for a call, independent of the machine; more counters where its law needs them
 * (nonzeros, lines, tiles).
 */
export interface Work {
  /** Multiply-adds, or element operations for ops that have none. */
  readonly macs: number;
  /** Bytes read and written. */
  readonly bytes: number;
  /** Bytes that stay in memory for the constants once packed. */
  readonly resident: number;
  readonly [counter: string]: number;
}

/** Why a kernel cannot serve a call. */
export interface Rejection {
  readonly reason: string;
}

export function isRejection<T extends object = Work>(answer: T | Rejection): answer is Rejection {
  return 'reason' in answer;
}

/** Rates of one backend on one machine, each in units per second (`call`: seconds per call). At least `macs`, `bytes`, `call`. */
export type Rates = Readonly<Record<string, number>>;

/** Seconds for a call by a roofline: the cost of the call plus the slower of arithmetic and traffic. */
export function roofline(work: Work, rates: Rates): number {
  return rates.call! + Math.max(work.macs / rates.macs!, work.bytes / rates.bytes!);
}

/** What `prepare` gives back; everything else in it is between a kernel and its backend. */
export interface Program {
  /** Bytes of packed constants and code that it holds. */
  readonly resident: number;
  /** Inputs (by index) that were packed and need not be given at run time. */
  readonly packed?: readonly number[];
  /** Gives back what it holds. */
  dispose?(): void;
}

export interface PrepareContext {
  readonly features: ReadonlySet<Feature>;
  /** What the program will run in, for a backend that has {@link Backend.partition}; the backend itself when absent. */
  readonly partition?: object | undefined;
  readonly signal?: AbortSignal;
}

/** One way to compute one op. The row feeds choice, tests, benches and documentation. */
export interface Kernel<P extends Program = Program> {
  /** `<op>_<dtypes>_<format>_<tile>__<isa>`, e.g. `matmul_f32_stream_28x16__avx512`. */
  readonly name: string;
  readonly op: string;
  readonly domain?: string;
  /** All must be among the backend's features. */
  readonly requires?: readonly Feature[];
  /** Narrows type variables of the op's schema: `{ T: ['float32'] }`. Variables not named are taken as the schema has them. */
  readonly types?: Readonly<Record<string, readonly DType[]>>;
  /** Epilogue steps that it can do before storing. */
  readonly fuses?: readonly EpilogueOp[];
  /** The format it packs the constant operand to; dense when absent. */
  readonly format?: Format;
  /** Can it, and what does it cost? Asked with sizes bound by `at`; `constants` where inputs are known. */
  work(call: Call, at: Binding, constants: Constants): Work | Rejection;
  /** Seconds for this work; {@link roofline} when absent. */
  law?(work: Work, rates: Rates): number;
  /**
   * Makes the program. Afterwards it must not read `constants` of more than 4 kB, whose bytes may be gone.
   * @throws UnsupportedError to let the next candidate be taken
   */
  prepare?(call: Call, constants: Constants, context: PrepareContext): P | Promise<P>;
  /**
   * Instead of `prepare`, for results whose shape depends on data, or strings: computes on tensors in host memory, yielding
   * every few milliseconds.
   */
  evaluate?(call: Call, inputs: readonly (Tensor | undefined)[]): Generator<void, readonly Tensor[]>;
}

/** A prepared kernel and where its operands are, by index into the slots given at run time. */
export interface Step<P extends Program = Program> {
  readonly call: Call;
  readonly kernel: string;
  readonly program: P;
  readonly inputs: readonly (number | undefined)[];
  readonly outputs: readonly (number | undefined)[];
}

/** Where a value is: a buffer and an offset in bytes. */
export interface Slot<B> {
  readonly buffer: B;
  readonly offset: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told after each step, with the seconds it took. Asking for it may cost a little speed. */
  onStep?(step: number, seconds: number): void;
}

/** A straight line of steps, recorded once, run many times; concurrent runs pass different slots. */
export interface CommandList<B> {
  /**
   * Runs the steps in order without holding the caller's thread for more than a few milliseconds at a time.
   * @throws EspalierError `ABORTED` within milliseconds of the signal
   */
  run(slots: readonly (Slot<B> | undefined)[], at: Binding, options?: RunOptions): Promise<void>;
  dispose(): void;
}

export interface Limits {
  /** Bytes; offsets of slots are multiples of it. */
  readonly alignment: number;
  readonly maxBufferBytes: number;
  readonly threads: number;
}

export interface Backend<B = unknown, P extends Program = Program> {
  readonly id: string;
  readonly apiVersion: 1;
  readonly features: ReadonlySet<Feature>;
  readonly limits: Limits;
  /** Where it could be faster on this host: how, in one line. */
  readonly hint?: string | undefined;
  readonly kernels: readonly Kernel<P>[];
  /** Measures the machine for about 100 ms. */
  calibrate(signal?: AbortSignal): Promise<Rates>;
  /** Uninitialised memory. */
  alloc(bytes: number): B;
  free(buffer: B): void;
  write(buffer: B, offset: number, bytes: Uint8Array): void;
  /** Memory that holds a constant for as long as a session, filled without holding up this thread; `alloc` and `write` where absent. */
  upload?(bytes: Uint8Array): Promise<B>;
  read(buffer: B, offset: number, bytes: number): Promise<Uint8Array>;
  /** The buffer as host memory, where it is that. */
  view?(buffer: B): Uint8Array;
  /** A buffer over host memory that belongs to another, where the backend can work there. */
  adopt?(bytes: Uint8Array): B;
  record(steps: readonly Step<P>[]): CommandList<B>;
  /** Memory for one model, shared by its sessions; it is gone when all of it is free. */
  partition?(): Partition<B, P>;
  dispose(): void;
}

/** Memory apart from that of the backend, with what works in it. */
export type Partition<B = unknown, P extends Program = Program> = Pick<
  Backend<B, P>,
  'alloc' | 'free' | 'write' | 'read' | 'view' | 'record'
>;

// biome-ignore lint/suspicious/noExplicitAny: buffers and programs are private to each backend; lists of backends mix them.
export type AnyBackend = Backend<any, any>;
