/** Emits the loop of element by element ops: operands that broadcast together, an op, and the steps of an epilogue. */

import type { Attributes, EpilogueStep } from '@espalier/core';
import {
  at,
  type Gpr,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsp,
  type Vector,
} from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { emitSteps } from '../epilogue.ts';
import { Lanes, type Part, type Size, spread } from '../lanes.ts';
import { emitWalk, frameAt, stepsAt } from '../walk.ts';
import type { Emit } from './op.ts';

/** How an operand is stored. */
export interface Stored {
  readonly size: Size;
  readonly isSigned: boolean;
}

/** What is computed in a call. */
export interface Recipe {
  /** Bytes of the lanes in which it is computed. */
  readonly lane: Size;
  readonly emit: Emit;
  /** The op takes two inputs, and is done from the left to as many as there are. */
  readonly folds: boolean;
  readonly attrs: Attributes;
  /** The op's own inputs; left out where undefined. */
  readonly inputs: readonly (Stored | undefined)[];
  readonly output: Stored;
  readonly steps: readonly EpilogueStep[];
  /** Indices of the call's inputs that only the steps read; they are float32. */
  readonly stepInputs: readonly number[];
  /** With AVX2 it is done for one element at a time. */
  readonly isScalar?: boolean | undefined;
}

/** The result, then the inputs; the rest is for counting. */
const POINTERS: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rbx];
export const MOST_INPUTS = POINTERS.length - 1;

const UNROLL = 4;
/** Of functions: registers 1 to this. */
const TEMPORARIES = 6;
/** The first register of inputs after the first. */
const REST = 7;

/** The inputs that a recipe reads, its own first. */
export function operandsOf({ inputs, stepInputs }: Recipe): number[] {
  return [...inputs.flatMap((stored, i) => (stored ? [i] : [])), ...stepInputs];
}

/** Arguments: {@link walkArgs} of the result and {@link operandsOf}. */
export function emitPointwise(v: Vectors, recipe: Recipe): void {
  const { a } = v;
  const { inputs, stepInputs, output, lane } = recipe;
  const lanes = new Lanes(v, lane);
  const read = operandsOf(recipe);
  const stored = [output, ...read.map((i) => inputs[i] ?? FLOAT32)];
  const pointers = POINTERS.slice(0, stored.length);
  const n = pointers.length;
  const pointerOf = (input: number): Gpr | undefined => pointers[1 + read.indexOf(input)] ?? undefined;
  /** In the frame: how far each operand advances with a vector, then a vector's worth of each that stands still. */
  const steps = frameAt(n);
  const still = steps + Math.ceil((8 * n) / 64) * 64;
  const room = UNROLL * v.bytes;
  const step = (i: number): number => steps + 8 * i;

  const prepare = (): void => {
    for (let i = 1; i < n; i++) {
      a.imuli(rax, at(rdi), stepsAt(n) + 8 * i, lanes.count);
      a.mov(at(rsp), step(i), rax);
    }
  };
  const spreadStill = (): void => {
    for (let i = 1; i < n; i++) {
      const moves = a.label();
      a.mov(rax, at(rsp), step(i));
      a.test(rax, rax);
      a.jnz(moves);
      spread(v, v.register(0), stored[i]!.size, pointers[i]!);
      const place = still + (i - 1) * room;
      for (let k = 0; k < UNROLL; k++) a.vmovups(at(rsp), place + k * v.bytes, v.register(0));
      a.lea(pointers[i]!, at(rsp), place);
      a.bind(moves);
    }
  };
  const temporaries = Array.from({ length: TEMPORARIES }, (_, i) => v.register(1 + i));
  const load = (dst: Vector, input: number, index: number, part: Part): boolean => {
    const pointer = pointerOf(input);
    const how = inputs[input] ?? (stepInputs.includes(input) ? FLOAT32 : undefined);
    if (pointer === undefined || !how || !read.includes(input)) return false;
    lanes.load(dst, how.size, how.isSigned, pointer, index * lanes.count * how.size, part);
    return true;
  };
  const compute = (index: number, part: Part): void => {
    const x = v.register(0);
    load(x, 0, index, part);
    if (recipe.folds) {
      for (let i = 1; i < inputs.length; i++) {
        load(v.register(REST), i, index, part);
        recipe.emit(v, x, temporaries, recipe.attrs, [v.register(REST)]);
      }
    } else {
      const rest = inputs
        .slice(1)
        .map((_, i) => (load(v.register(REST + i), 1 + i, index, part) ? v.register(REST + i) : undefined));
      recipe.emit(v, x, temporaries, recipe.attrs, rest);
    }
    emitSteps(v, recipe.steps, x, temporaries, (dst, input) => load(dst, input, index, part));
    lanes.store(r8, index * lanes.count * output.size, x, output.size, part);
  };
  const advance = (vectors: number): void => {
    a.addi(r8, vectors * lanes.count * output.size);
    for (let i = 1; i < n; i++) {
      if (vectors === 1) a.add(pointers[i]!, at(rsp), step(i));
      else {
        a.imuli(rax, at(rsp), step(i), vectors);
        a.add(pointers[i]!, rax);
      }
    }
  };
  const row = (): void => {
    spreadStill();
    if (!recipe.isScalar) {
      for (const count of [UNROLL, 1]) {
        const [loop, done] = [a.label(), a.label()];
        a.subi(rcx, count * lanes.count);
        a.jb(done);
        a.bind(loop);
        for (let k = 0; k < count; k++) compute(k, 'all');
        advance(count);
        a.subi(rcx, count * lanes.count);
        a.jae(loop);
        a.bind(done);
        a.addi(rcx, count * lanes.count);
      }
    }
    const end = a.label();
    a.test(rcx, rcx);
    a.jz(end);
    if (!recipe.isScalar && lanes.canMask(stored.map(({ size }) => size))) {
      lanes.setMask();
      compute(0, 'some');
    } else {
      const loop = a.here();
      compute(0, 'one');
      a.addi(r8, output.size);
      for (let i = 1; i < n; i++) {
        a.mov(rdx, at(rdi), stepsAt(n) + 8 * i);
        a.add(pointers[i]!, rdx);
      }
      a.dec(rcx);
      a.jnz(loop);
    }
    a.bind(end);
  };
  emitWalk(a, pointers, still - frameAt(n) + (n - 1) * room, prepare, row);
}

const FLOAT32: Stored = { size: 4, isSigned: false };
