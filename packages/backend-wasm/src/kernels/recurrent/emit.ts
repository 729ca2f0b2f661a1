/**
 * The code of a recurrence: a unit is one sequence in one direction, from its first step to its last. In each step the state before
 * is multiplied by the weights of all gates of a vector of the state at a time, which then goes through the cell.
 */

import { directionFloats, passFloats, type Recurrent, type RecurrentPass, stateFloats } from '@espalier/lowering';
import type { Func, FunctionBuilder, Local, ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type V128, Vectors } from '../../vectors.ts';
import { advance, keep, limit, repeat, WORD, wordsAt } from '../arguments.ts';
import { emitPass as emitElements } from '../row.ts';
import { emitCell, type Places } from './cell.ts';

/** The argument block. Steps in bytes from a direction, a sequence and a step to the next; addresses. */
export const argumentWords = [
  ...(['scratch', 'weights', 'batch', 'steps', 'lengths'] as const),
  ...(['gates', 'gatesSequence', 'gatesStep'] as const),
  ...(['y', 'yDirection', 'ySequence', 'yStep'] as const),
  ...(['h', 'c', 'lastH', 'lastC', 'stateDirection', 'stateSequence'] as const),
] as const;
type Word = (typeof argumentWords)[number];

/** Bytes of a state. */
const stateBytes = (shape: Recurrent): number => 4 * stateFloats(shape);
/** Of a thread: two states that take turns, the cell state or what the reset gate lets through, the update gate. */
export const threadBytes = (shape: Recurrent): number => 64 * Math.ceil((4 * stateBytes(shape)) / 64);

/** Steps over the state before in a round, in sums of their own where gates are few. */
const UNROLL = 4;
const LEAST_SUMS = 8;

export function emitRecurrence(module: ModuleBuilder, shape: Recurrent, isRelaxed: boolean): Body {
  const sequences = Array.from({ length: shape.directions }, (_, d) => emitSequence(module, shape, isRelaxed, d));
  return (f, args, unit, thread) => {
    const word = wordsAt(f, args, argumentWords);
    const direction = keep(f, f.i32_div_u(unit.get(), word('batch')));
    const sequence = keep(f, f.i32_rem_u(unit.get(), word('batch')));
    const memory = keep(f, f.i32_add(word('scratch'), f.i32_mul(thread.get(), f.i32_const(threadBytes(shape)))));
    for (const [d, run] of sequences.entries())
      f.if(f.i32_eq(direction.get(), f.i32_const(d)), () => f.call(run, args.get(), sequence.get(), memory.get()));
  };
}

/** A sequence in direction `d`: the argument block, which sequence, the thread's memory. */
function emitSequence(
  module: ModuleBuilder,
  shape: Recurrent,
  isRelaxed: boolean,
  d: number,
): Func<readonly ['i32', 'i32', 'i32']> {
  const { hidden, has, op, attrs, gates } = shape;
  const isReverse = d === 1 || attrs['direction'] === 'reverse';
  return module.func(['i32', 'i32', 'i32'], undefined, (f, args, sequence, memory) => {
    const v = new Vectors(f, isRelaxed);
    const word = wordsAt(f, args, argumentWords);
    const state = (index: number): Local<'i32'> =>
      keep(f, f.i32_add(memory.get(), f.i32_const(index * stateBytes(shape))));
    const [before, after, cell, update] = [state(0), state(1), state(2), state(3)];
    const columns = keep(f, f.i32_const(hidden));
    /** `hidden` elements from one place to another, or zeros. */
    const copy = (to: Local<'i32'>, from: Local<'i32'> | undefined): void =>
      emitElements(v, columns, from ? [to, from] : [to], (block, at) =>
        block.store(at(to), v.keep(from ? block.load(at(from)) : 0)),
      );
    const locate = (base: Word, direction: Word, each: Word): Local<'i32'> => {
      const inSequence = f.i32_mul(word(each), sequence.get());
      return keep(f, f.i32_add(f.i32_add(inSequence, f.i32_mul(word(direction), f.i32_const(d))), word(base)));
    };
    const stateOf = (base: Word): Local<'i32'> => locate(base, 'stateDirection', 'stateSequence');
    copy(before, has.h ? stateOf('h') : undefined);
    if (op === 'LSTM') copy(cell, has.c ? stateOf('c') : undefined);
    const all = keep(f, word('steps'));
    const steps = keep(f, all.get());
    if (has.lengths) {
      // A length that is not within the steps, which only a wrong input has, ends with them.
      steps.set(f.i32_load(f.i32_add(word('lengths'), f.i32_shl(sequence.get(), f.i32_const(2)))));
      limit(f, steps, all);
    }
    const [gatesStep, yStep] = [keep(f, word('gatesStep')), keep(f, word('yStep'))];
    const x = keep(f, f.i32_add(word('gates'), f.i32_mul(word('gatesSequence'), sequence.get())));
    advance(f, x, 4 * d * gates * hidden);
    const y = has.y ? locate('y', 'yDirection', 'ySequence') : undefined;
    if (y && has.lengths) {
      const place = keep(f, f.i32_add(y.get(), f.i32_mul(yStep.get(), steps.get())));
      const left = keep(f, f.i32_sub(all.get(), steps.get()));
      repeat(f, left, 1, () => {
        copy(place, undefined);
        place.set(f.i32_add(place.get(), yStep.get()));
      });
    }
    const moving = [[x, gatesStep] as const, ...(y ? [[y, yStep] as const] : [])];
    if (isReverse)
      for (const [pointer, step] of moving) {
        pointer.set(f.i32_add(pointer.get(), f.i32_mul(step.get(), f.i32_sub(steps.get(), f.i32_const(1)))));
        step.set(f.i32_sub(f.i32_const(0), step.get()));
      }
    repeat(f, steps, 1, () => {
      const weights = keep(f, f.i32_add(word('weights'), f.i32_const(4 * d * directionFloats(shape))));
      const passFloatsInAll = shape.passes.reduce((sum, pass) => sum + passFloats(pass, shape), 0);
      for (const pass of shape.passes) {
        const places: Places = {
          ...{ gates: keep(f, x.get()), before: keep(f, before.get()), after: keep(f, after.get()) },
          ...{ state: keep(f, cell.get()), update: keep(f, update.get()) },
          peepholes: keep(
            f,
            f.i32_add(word('weights'), f.i32_const(4 * (d * directionFloats(shape) + passFloatsInAll))),
          ),
        };
        emitPass(v, shape, d, pass, weights, pass.by === 'h' ? before : cell, places);
      }
      const turned = keep(f, before.get());
      before.set(after.get());
      after.set(turned.get());
      if (y) copy(y, before);
      for (const [pointer, step] of moving) pointer.set(f.i32_add(pointer.get(), step.get()));
    });
    if (has.lastH) copy(stateOf('lastH'), before);
    if (has.lastC) copy(stateOf('lastC'), cell);
  });
}

/** The gates of a pass for one vector of the state after the other; `weights` and `places` move on. */
function emitPass(
  v: Vectors,
  shape: Recurrent,
  d: number,
  pass: RecurrentPass,
  weights: Local<'i32'>,
  from: Local<'i32'>,
  places: Places,
): void {
  const { f } = v;
  const { hidden } = shape;
  const gates = pass.gates.length;
  let count = 1;
  while (count < UNROLL && count * gates < LEAST_SUMS) count *= 2;
  const left = keep(f, f.i32_const(stateFloats(shape) / 4));
  repeat(f, left, 1, () => {
    const sets = Array.from({ length: count }, (_, set) =>
      Array.from({ length: gates }, (__, gate) => v.keep(set > 0 ? 0 : () => f.v128_load(weights.get(), 16 * gate))),
    );
    advance(f, weights, 16 * gates);
    const element = keep(f, from.get());
    const round = (steps: number): void => {
      for (let u = 0; u < steps; u++) {
        const x = v.keep(() => f.v128_load32_splat(element.get(), 4 * u));
        for (const [gate, sum] of sets[u % count]!.entries())
          v.set(
            sum,
            v.madd(x, () => f.v128_load(weights.get(), 16 * (u * gates + gate)), sum),
          );
      }
      advance(f, weights, 16 * gates * steps);
      advance(f, element, 4 * steps);
    };
    const rest = keep(f, f.i32_const(hidden));
    repeat(f, rest, UNROLL, () => round(UNROLL));
    if (hidden % UNROLL > 0) round(hidden % UNROLL);
    const [sums, ...others] = sets as [V128[], ...V128[][]];
    for (const set of others) for (const [gate, sum] of sums.entries()) v.set(sum, v.add(sum, set[gate]!));
    emitCell(v, shape, shape.activations[d]!, pass, sums, places, stateBytes(shape));
    move(f, places);
  });
}

function move(f: FunctionBuilder, places: Places): void {
  for (const pointer of Object.values(places) as Local<'i32'>[]) advance(f, pointer, 4 * WORD);
}
