/** Emits the loop of element by element ops: operands that broadcast together, an op, and the steps of an epilogue. */

import type { Attributes, EpilogueStep } from '@espalier/core';
import type { Local } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type V128, Vectors } from '../../vectors.ts';
import { advance, keep, repeat, WORD } from '../arguments.ts';
import { doSteps } from '../epilogue.ts';
import { Lanes, type Part, type Size, type Stored } from '../lanes.ts';
import { emitWalk, stepsAt } from '../walk.ts';
import type { Code } from './op.ts';

/** What is computed in a call: plain data, which together with the op says all. */
export interface Recipe {
  readonly label: string;
  readonly isRelaxed: boolean;
  /** Bytes of the lanes in which it is computed. */
  readonly lane: Size;
  /** The op takes two inputs, and is done from the left to as many as there are. */
  readonly folds: boolean;
  readonly attrs: Attributes;
  /** The op's own inputs; left out where null. */
  readonly inputs: readonly (Stored | null)[];
  readonly output: Stored;
  readonly steps: readonly EpilogueStep[];
  /** Indices of the call's inputs that only the steps read; they are float32. */
  readonly stepInputs: readonly number[];
  /** Done for one element at a time. */
  readonly isScalar: boolean;
}

const FLOAT32: Stored = { size: 4, isSigned: false };
/** Vectors that a round of the main loop takes. */
const UNROLL = 2;
/** Bytes of scratch memory for each input: as much of one that stands still as a round reads. */
const ROOM = 16 * UNROLL;

/** The inputs that a recipe reads, its own first. */
export function operandsOf({ inputs, stepInputs }: Recipe): number[] {
  return [...inputs.flatMap((stored, i) => (stored ? [i] : [])), ...stepInputs];
}

/** Of a thread. */
export const scratchBytes = (recipe: Recipe): number => Math.ceil((ROOM * operandsOf(recipe).length) / 64) * 64;

/** Arguments: scratch memory, then those of a walk of the result and {@link operandsOf}. */
export function emitPointwise(code: Code, recipe: Recipe): Body {
  return (f, args, unit, thread) => {
    const v = new Vectors(f, recipe.isRelaxed);
    const lanes = new Lanes(v, recipe.lane);
    const { inputs, stepInputs, output, isScalar } = recipe;
    const read = operandsOf(recipe);
    const stored = read.map((i) => inputs[i] ?? FLOAT32);
    const scratch = keep(
      f,
      f.i32_add(f.i32_load(args.get()), f.i32_mul(thread.get(), f.i32_const(scratchBytes(recipe)))),
    );
    advance(f, args, WORD);
    const stepOf = (i: number): Local<'i32'> => keep(f, f.i32_load(args.get(), stepsAt(1 + read.length) + WORD * i));
    const steps = read.map((_, i) => stepOf(1 + i));

    const compute = (to: Local<'i32'>, from: readonly Local<'i32'>[], index: number, part: Part): void => {
      const load = (input: number): V128 | undefined => {
        const at = read.indexOf(input);
        if (at < 0) return undefined;
        return v.keep(lanes.load(stored[at]!, from[at]!, index * lanes.count * stored[at]!.size, part));
      };
      let x = load(0)!;
      if (recipe.folds) for (let i = 1; i < inputs.length; i++) x = v.keep(code(v, x, [load(i)!], recipe.attrs));
      else {
        const rest = inputs.slice(1).map((input, i) => (input ? load(1 + i) : undefined));
        x = v.keep(code(v, x, rest, recipe.attrs));
      }
      x = doSteps(v, recipe.steps, x, (input) =>
        stepInputs.includes(input) || inputs[input] ? load(input) : undefined,
      );
      lanes.store(to, index * lanes.count * output.size, x, output.size, part);
    };

    emitWalk(f, args, unit, 1 + read.length, ([to, ...from], count) => {
      // How far each operand goes with a vector; one that stands still is read from a copy of it.
      const strides = from.map((pointer, i) => {
        const stride = keep(f, f.i32_mul(steps[i]!.get(), f.i32_const(lanes.count)));
        f.if(f.i32_eqz(stride.get()), () => {
          for (let k = 0; k < UNROLL; k++) lanes.spread(scratch, i * ROOM + 16 * k, stored[i]!.size, pointer);
          pointer.set(f.i32_add(scratch.get(), f.i32_const(i * ROOM)));
        });
        return stride;
      });
      const move = (vectors: number): void => {
        advance(f, to!, vectors * lanes.count * output.size);
        for (const [i, pointer] of from.entries())
          pointer.set(f.i32_add(pointer.get(), f.i32_mul(strides[i]!.get(), f.i32_const(vectors))));
      };
      if (!isScalar)
        for (const vectors of [UNROLL, 1])
          repeat(f, count, vectors * lanes.count, () => {
            for (let k = 0; k < vectors; k++) compute(to!, from, k, 'all');
            move(vectors);
          });
      repeat(f, count, 1, () => {
        compute(to!, from, 0, 'one');
        advance(f, to!, output.size);
        for (const [i, pointer] of from.entries()) pointer.set(f.i32_add(pointer.get(), steps[i]!.get()));
      });
    });
  };
}
