/**
 * Emits a sparse product of turned activations. A unit is a panel of tokens by a group of columns: for a block of K at a time each entry of
 * the table adds lines of the panel, times its weights, to the column's sums, which at the end are turned back.
 */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { advance, keep, limit, repeat, WORD, wordsAt } from '../arguments.ts';
import { doSteps } from '../epilogue.ts';
import type { Epilogue } from '../matmul/epilogue.ts';
import { storeSome } from '../matmul/tile.ts';
import { type Square, turned } from '../square.ts';
import type { Of } from './entries.ts';
import { COLUMNS, DEPTH, PITCH, TOKENS } from './pack.ts';

export interface SparseProduct extends Epilogue {
  readonly isRelaxed: boolean;
  readonly of: Of;
}

export const productWords = ['panels', 'rows', 'words', 'table', 'counts', 'n', 'turned', 'sums', 'to'] as const;

/** Bytes of the sums of a thread. */
export const SUM_BYTES = COLUMNS * PITCH;

/** Arguments: {@link productWords}, then of each operand of the epilogue where it is and bytes from row to row. */
export function emitSparse(module: ModuleBuilder, product: SparseProduct): Body {
  const { operands } = product;
  const add = emitSums(module, product);
  const finish = emitFinish(module, product);
  return (f, args, unit, thread) => {
    const word = wordsAt(f, args, productWords);
    const load = (name: (typeof productWords)[number]): Local<'i32'> => keep(f, word(name));
    const [words, table, n, counts] = [load('words'), load('table'), load('n'), load('counts')];
    const sums = keep(f, f.i32_add(word('sums'), f.i32_mul(thread.get(), f.i32_const(SUM_BYTES))));
    // Units of one group follow each other, so that its weights stay in the cache.
    const group = keep(f, f.i32_div_u(unit.get(), word('panels')));
    const panel = keep(f, f.i32_rem_u(unit.get(), word('panels')));
    const first = keep(f, f.i32_mul(panel.get(), f.i32_const(TOKENS)));
    const tokens = keep(f, f.i32_sub(word('rows'), first.get()));
    limit(f, tokens, keep(f, f.i32_const(TOKENS)));
    const base = keep(f, f.i32_add(word('turned'), f.i32_mul(panel.get(), f.i32_mul(words.get(), f.i32_const(PITCH)))));
    f.call(add, sums.get(), table.get(), counts.get(), group.get(), words.get(), base.get(), tokens.get());
    const column = keep(f, f.i32_mul(group.get(), f.i32_const(COLUMNS)));
    const columns = keep(f, f.i32_sub(n.get(), column.get()));
    limit(f, columns, keep(f, f.i32_const(COLUMNS)));
    const pitch = keep(f, f.i32_shl(n.get(), f.i32_const(2)));
    const offset = keep(f, f.i32_shl(column.get(), f.i32_const(2)));
    const place = keep(f, f.i32_add(f.i32_add(word('to'), f.i32_mul(first.get(), pitch.get())), offset.get()));
    const rest = operands.flatMap(({ perColumn }, i) => {
      const own = (at: number) => f.i32_load(args.get(), WORD * (productWords.length + 2 * i + at));
      const step = keep(f, own(1));
      const start = keep(f, f.i32_add(own(0), f.i32_mul(first.get(), step.get())));
      if (perColumn) start.set(f.i32_add(start.get(), offset.get()));
      return [start, step];
    });
    const given = [sums, place, tokens, columns, pitch, ...rest].map((local) => local.get());
    f.call(finish as Func, ...(given as never[]));
  };
}

/** Sums, the table, where its counts are, which group of columns, words of K, a panel of tokens, how many. */
export type Sums = Func<readonly ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']>;

/** The sums of a group's columns for the tokens of a panel, each {@link PITCH} behind the one before. */
export function emitSums(module: ModuleBuilder, product: Pick<SparseProduct, 'isRelaxed' | 'of'>): Sums {
  const kernels = [8, 4, 2, 1].map((vectors) => ({ vectors, add: emitAdd(module, product, vectors) }));
  const params = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const;
  return module.func(params, undefined, (f, sums, table, counts, group, words, panel, tokens) => {
    const base = keep(f, panel.get());
    const group4 = keep(f, f.i32_shl(group.get(), f.i32_const(2)));
    const entry = keep(f, f.i32_add(table.get(), f.i32_load(f.i32_add(table.get(), group4.get()))));
    const blocks = keep(f, f.i32_div_u(f.i32_add(words.get(), f.i32_const(DEPTH - 1)), f.i32_const(DEPTH)));
    const count = keep(
      f,
      f.i32_add(
        f.i32_add(table.get(), counts.get()),
        f.i32_mul(f.i32_mul(group4.get(), blocks.get()), f.i32_const(COLUMNS)),
      ),
    );
    f.memory_fill(sums.get(), f.i32_const(0), f.i32_const(SUM_BYTES));
    const left = keep(f, blocks.get());
    repeat(f, left, 1, () => {
      f.block((done) => {
        for (const [i, { add }] of kernels.entries()) {
          const run = (): void => {
            entry.set(f.call(add, sums.get(), entry.get(), count.get(), base.get()));
            f.br(done);
          };
          const fewer = kernels[i + 1]?.vectors;
          if (fewer === undefined) run();
          else f.if(f.i32_gt_u(tokens.get(), f.i32_const(4 * fewer)), run);
        }
      });
      advance(f, count, WORD * COLUMNS);
      advance(f, base, DEPTH * PITCH);
    });
  });
}

/** Sums, entries, their numbers, a block of the panel; gives the first entry behind. */
function emitAdd(
  module: ModuleBuilder,
  { isRelaxed, of }: Pick<SparseProduct, 'isRelaxed' | 'of'>,
  vectors: number,
): Func<readonly ['i32', 'i32', 'i32', 'i32'], 'i32'> {
  return module.func(['i32', 'i32', 'i32', 'i32'], 'i32', (f, sums, entry, count, base) => {
    const v = new Vectors(f, isRelaxed);
    const left = keep(f, f.i32_const(COLUMNS));
    const some = Array.from({ length: vectors }, () => f.local('v128'));
    f.loop((next) => {
      const entries = keep(f, f.i32_load(count.get()));
      f.if(entries.get(), () => {
        for (const [i, sum] of some.entries()) sum.set(f.v128_load(sums.get(), 16 * i));
        // Tested at the bottom, unlike other loops: here V8 makes the better code of it.
        f.loop((again) => {
          addEntry(v, of, entry, base, some);
          advance(f, entry, 8);
          f.br_if(again, entries.tee(f.i32_sub(entries.get(), f.i32_const(1))));
        });
        for (const [i, sum] of some.entries()) f.v128_store(sums.get(), sum.get(), 16 * i);
      });
      advance(f, count, WORD);
      advance(f, sums, PITCH);
      f.br_if(next, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
    });
    entry.get();
  });
}

/** Adds what an entry stands for, of 4 tokens to each of the sums. */
function addEntry(v: Vectors, of: Of, entry: Local<'i32'>, base: Local<'i32'>, sums: readonly V128[]): void {
  const { f } = v;
  const weight = v.keep(() => f.v128_load32_splat(entry.get(), 4));
  const dot = (sum: V128, x: Expr): void => v.set(sum, v.bin('i32x4_add', sum, v.bin('i32x4_dot_i16x8_s', x, weight)));
  if (of !== 'halves') {
    const line = keep(f, f.i32_add(base.get(), f.i32_load(entry.get())));
    for (const [i, sum] of sums.entries()) {
      const x: Expr = () => f.v128_load(line.get(), 16 * i);
      if (of === 'floats') v.set(sum, v.madd(weight, x, sum));
      else dot(sum, x);
    }
    return;
  }
  const [one, other] = [0, 2].map((at) => keep(f, f.i32_add(base.get(), f.i32_load16_u(entry.get(), at))));
  for (let i = 0; i < sums.length; i += 2) {
    const [x, y] = [one!, other!].map((line) => v.keep(() => f.v128_load(line.get(), 8 * i)));
    for (const [part, order] of [LOW, HIGH].entries())
      if (sums[i + part]) dot(sums[i + part]!, () => f.i8x16_shuffle(x!.get(), y!.get(), order));
  }
}

/** Numbers of 16 bits of two vectors in turn: of their first four, of their last four. */
const inTurn = (first: number): number[] =>
  [0, 1, 2, 3].flatMap((i) => [0, 16].flatMap((from) => [0, 1].map((byte) => from + 2 * (first + i) + byte)));
const LOW = /* @__PURE__ */ inTurn(0);
const HIGH = /* @__PURE__ */ inTurn(4);

/** Turns sums back, does the steps of the epilogue, stores: sums, where to, tokens, columns, bytes between rows, operands and their row steps. */
function emitFinish(module: ModuleBuilder, { isRelaxed, of, steps, operands }: SparseProduct): Func {
  const params = new Array<'i32'>(5 + 2 * operands.length).fill('i32');
  return module.func(params, undefined, (f, ...locals) => {
    const [sums, to, tokens, columns, pitch, ...rest] = locals as Local<'i32'>[];
    const v = new Vectors(f, isRelaxed);
    const token = keep(f, f.i32_const(0));
    f.loop((nextTokens) => {
      const source = keep(f, f.i32_add(sums!.get(), f.i32_shl(token.get(), f.i32_const(2))));
      const places = operands.map((_, i) => keep(f, rest[2 * i]!.get()));
      const target = keep(f, to!.get());
      const left = keep(f, columns!.get());
      f.loop((nextColumns) => {
        const square = [0, 1, 2, 3].map((i) => v.keep(() => f.v128_load(source.get(), PITCH * i)));
        for (const [r, row] of turned(v, square as unknown as Square).entries()) {
          const index = keep(f, f.i32_add(token.get(), f.i32_const(r)));
          f.if(f.i32_lt_u(index.get(), tokens!.get()), () => {
            const load = (input: number): Expr | undefined => {
              const at = operands.findIndex((operand) => operand.input === input);
              if (at < 0) return undefined;
              const place = keep(f, f.i32_add(places[at]!.get(), f.i32_mul(rest[2 * at + 1]!.get(), f.i32_const(r))));
              return operands[at]!.perColumn ? () => f.v128_load(place.get()) : () => f.v128_load32_splat(place.get());
            };
            const sum = of === 'floats' || steps.length === 0 ? row : v.keep(v.un('f32x4_convert_i32x4_s', row));
            const result: V128 = doSteps(v, steps, sum, load);
            const place = keep(f, f.i32_add(target.get(), f.i32_mul(pitch!.get(), f.i32_const(r))));
            storeSome(f, place, [result], left);
          });
        }
        advance(f, source, 4 * PITCH);
        advance(f, target, 16);
        for (const [i, place] of places.entries()) if (operands[i]!.perColumn) advance(f, place, 16);
        left.set(f.i32_sub(left.get(), f.i32_const(4)));
        f.br_if(nextColumns, f.i32_gt_s(left.get(), f.i32_const(0)));
      });
      advance(f, token, 4);
      to!.set(f.i32_add(to!.get(), f.i32_shl(pitch!.get(), f.i32_const(2))));
      for (let i = 0; i < operands.length; i++)
        rest[2 * i]!.set(f.i32_add(rest[2 * i]!.get(), f.i32_shl(rest[2 * i + 1]!.get(), f.i32_const(2))));
      f.br_if(nextTokens, f.i32_lt_u(token.get(), tokens!.get()));
    });
  });
}
