/** Makes rows of bytes ready for dot products: each less the zero point, in 16 bits, and zeros up to an even number. */

import { type Call, sizeOf } from '@espalier/core';
import { addressOf, unitRows } from '@espalier/lowering';
import type { Value } from '@espalier/wasm';
import type { Emit } from '../../code.ts';
import type { Engine } from '../../engine.ts';
import type { WasmCall, WasmPhase } from '../../program.ts';
import { Vectors } from '../../vectors.ts';
import { advance, keep, limit, repeat, wordsAt } from '../arguments.ts';
import { bySizes } from '../bysizes.ts';
import type { Op } from './ops.ts';

/** What an element takes, in multiply-adds of float32. */
export const LAID_OUT = 2;

interface Rows {
  readonly isSigned: boolean;
  readonly hasZero: boolean;
}

/** Where from and to, rows, rows of a unit, their elements, where the zero point is. */
const rowWords = ['from', 'to', 'rows', 'unit', 'k', 'zero'] as const;

/** Bytes of a row of `k` elements. */
const rowBytes = (k: number): number => 4 * Math.ceil(k / 2);

const emitRows: Emit<Rows> =
  (_, { isSigned, hasZero }) =>
  (f, args, unit) => {
    const v = new Vectors(f, false);
    const s = isSigned ? 's' : 'u';
    const word = wordsAt(f, args, rowWords);
    const k = keep(f, word('k'));
    const first = keep(f, f.i32_mul(unit.get(), word('unit')));
    const left = keep(f, f.i32_sub(word('rows'), first.get()));
    limit(f, left, keep(f, word('unit')));
    const from = keep(f, f.i32_add(word('from'), f.i32_mul(first.get(), k.get())));
    // Bytes of two elements for each two, the last of which may not be there.
    const pitch = keep(f, f.i32_shl(f.i32_shr_u(f.i32_add(k.get(), f.i32_const(1)), f.i32_const(1)), f.i32_const(2)));
    const to = keep(f, f.i32_add(word('to'), f.i32_mul(first.get(), pitch.get())));
    const zero = keep(f, hasZero ? f[`i32_load8_${s}`](word('zero')) : f.i32_const(0));
    const zeros = v.keep(() => f.i16x8_splat(zero.get()));
    const less = (x: () => Value<'v128'>) => v.push(hasZero ? v.bin('i16x8_sub', x, zeros) : x);
    repeat(f, left, 1, () => {
      const elements = keep(f, k.get());
      repeat(f, elements, 8, () => {
        f.v128_store(
          to.get(),
          less(() => f[`v128_load8x8_${s}`](from.get())),
        );
        advance(f, from, 8);
        advance(f, to, 16);
      });
      repeat(f, elements, 1, () => {
        f.i32_store16(to.get(), f.i32_sub(f[`i32_load8_${s}`](from.get()), zero.get()));
        advance(f, from, 1);
        advance(f, to, 2);
      });
      f.if(f.i32_and(k.get(), f.i32_const(1)), () => {
        f.i32_store16(to.get(), f.i32_const(0));
        advance(f, to, 2);
      });
    });
  };

export type Sized = Omit<WasmCall, 'scratch'>;

/** The phase that lays rows out where scratch memory begins, which takes so many bytes there. */
export interface Laid {
  readonly phase: WasmPhase;
  bytes(bound: Sized): number;
}

/** Of the first matrix of an op, whose rows have `k` elements. */
export async function layRows(op: Op, { inputs }: Call, k: number, { code }: Engine): Promise<Laid> {
  const recipe = { isSigned: inputs[op.a]!.dtype === 'int8', hasZero: inputs[op.aZero] !== undefined };
  const layout = bySizes(({ inputs: { [op.a]: a }, threads }) => {
    const rows = sizeOf(a!.dims.slice(0, -1));
    return { rows, unit: unitRows(rows, k / 2, threads) };
  });
  return {
    bytes: (bound) => 64 * Math.ceil((layout(bound).rows * rowBytes(k)) / 64),
    phase: {
      code: await code.load('rows_i8', recipe, emitRows),
      units: (bound) => (k > 0 ? Math.ceil(layout(bound).rows / layout(bound).unit) : 0),
      args(bound) {
        const [from, zero] = [op.a, op.aZero].map((i) => addressOf(bound.inputs[i])) as [number, number];
        const words = { from, zero, to: bound.scratch, k, ...layout(bound) };
        return rowWords.map((word) => words[word]);
      },
    },
  };
}
