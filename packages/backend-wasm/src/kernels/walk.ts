/** Walks over operands together: row by row, each operand with its own strides, as argument words and as emitted code. */

import type { FunctionBuilder, Local } from '@espalier/wasm';
import { keep, limit, WORD, wordsAt } from './arguments.ts';

const words = ['total', 'unit', 'row', 'axes'] as const;
const STARTS = WORD * words.length;
/** Where a row's steps are among the arguments of a walk of `operands`, in bytes. */
export const stepsAt = (operands: number): number => STARTS + WORD * operands;
const axesAt = (operands: number): number => STARTS + 2 * WORD * operands;

/** Where more arguments than those of the walk begin. */
export const walkWords = (axes: number, operands: number): number =>
  words.length + 2 * operands + (axes - 1) * (operands + 1);

/** Runs `row` for each piece of a row, with as many steps as `count` says and each operand's place in a pointer. */
export function emitWalk(
  f: FunctionBuilder,
  args: Local<'i32'>,
  unit: Local<'i32'>,
  operands: number,
  row: (pointers: readonly Local<'i32'>[], count: Local<'i32'>) => void,
): void {
  const word = wordsAt(f, args, words);
  const pointers = Array.from({ length: operands }, () => f.local('i32'));
  const [count, rest, position, axis, left] = Array.from({ length: 5 }, () => f.local('i32'));
  const at = keep(f, f.i32_mul(unit.get(), word('unit')));
  const end = keep(f, f.i32_add(at.get(), word('unit')));
  limit(f, end, keep(f, word('total')));
  const columns = keep(f, word('row'));
  f.loop((next) => {
    rest!.set(f.i32_div_u(at.get(), columns.get()));
    const column = keep(f, f.i32_sub(at.get(), f.i32_mul(rest!.get(), columns.get())));
    for (const [i, pointer] of pointers.entries())
      pointer.set(
        f.i32_add(
          f.i32_load(args.get(), STARTS + WORD * i),
          f.i32_mul(f.i32_load(args.get(), stepsAt(operands) + WORD * i), column.get()),
        ),
      );
    axis!.set(f.i32_add(args.get(), f.i32_const(axesAt(operands))));
    left!.set(word('axes'));
    f.block((found) => {
      f.br_if(found, f.i32_eqz(left!.get()));
      f.loop((again) => {
        const quotient = keep(f, f.i32_div_u(rest!.get(), f.i32_load(axis!.get())));
        position!.set(f.i32_sub(rest!.get(), f.i32_mul(quotient.get(), f.i32_load(axis!.get()))));
        rest!.set(quotient.get());
        for (const [i, pointer] of pointers.entries())
          pointer.set(f.i32_add(pointer.get(), f.i32_mul(position!.get(), f.i32_load(axis!.get(), WORD * (1 + i)))));
        axis!.set(f.i32_add(axis!.get(), f.i32_const(WORD * (1 + operands))));
        f.br_if(again, left!.tee(f.i32_sub(left!.get(), f.i32_const(1))));
      });
    });
    count!.set(f.i32_sub(columns.get(), column.get()));
    limit(f, count!, keep(f, f.i32_sub(end.get(), at.get())));
    at.set(f.i32_add(at.get(), count!.get()));
    row(pointers, count!);
    f.br_if(next, f.i32_lt_u(at.get(), end.get()));
  });
}
