/**
 * Emits convolutions by sparse filters: a unit is a panel of pixels of an image, whose patches are gathered once; then for one group of
 * filters after the other each nonzero adds a row of the panel, times its weight, to its filter's sums.
 */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { advance, forEach, keep, limit, WORD, wordsAt } from '../arguments.ts';
import { emitGather, type Patches } from '../conv/gather.ts';
import { emitFinish, type Product } from '../matmul/emit.ts';
import { emitSums, SUM_BYTES } from '../matmul_sparse/emit.ts';
import { COLUMNS, PITCH, TOKENS } from '../matmul_sparse/pack.ts';

export interface SparseConvolution extends Pick<Product, 'isRelaxed' | 'steps' | 'operands'> {
  readonly patches: Patches;
}

/** Arguments: of each operand of the epilogue where it is and bytes from filter to filter and image to image behind, then those of patches. */
export const sparseWords = [
  ...(['scratch', 'panels', 'pixels', 'filters', 'groups', 'k', 'table', 'counts'] as const),
  ...(['x', 'xImage', 'y', 'yImage', 'yRow'] as const),
] as const;
type Word = (typeof sparseWords)[number];
const OPERAND_WORDS = 3;

/** Of a thread: sums, and a panel. */
export const threadBytes = ({ patches }: SparseConvolution): number =>
  SUM_BYTES + patches.channels * patches.taps * PITCH;

/** Vectors of pixels that are finished at once. */
const FINISHED = 2;
const FINISHED_PIXELS = 4 * FINISHED;

export function emitSparseConvolution(module: ModuleBuilder, conv: SparseConvolution): Body {
  const { operands, patches } = conv;
  const gather = emitGather(module, patches);
  const add = emitSums(module, { ...conv, of: 'floats' });
  const finish = emitFinish(module, { ...conv, of: 'f32', vectors: FINISHED }, PITCH);
  return (f, args, unit, thread) => {
    const load = wordsAt(f, args, sparseWords);
    const word = (name: Word): Local<'i32'> => keep(f, load(name));
    const [k, table, counts, yRow, filters] = (['k', 'table', 'counts', 'yRow', 'filters'] as const).map(word);
    const sums = keep(f, f.i32_add(load('scratch'), f.i32_mul(thread.get(), f.i32_const(threadBytes(conv)))));
    const patch = keep(f, f.i32_add(sums.get(), f.i32_const(SUM_BYTES)));
    const image = keep(f, f.i32_div_u(unit.get(), load('panels')));
    const panel = keep(f, f.i32_rem_u(unit.get(), load('panels')));
    const first = keep(f, f.i32_mul(panel.get(), f.i32_const(TOKENS)));
    const tokens = keep(f, f.i32_sub(load('pixels'), first.get()));
    limit(f, tokens, keep(f, f.i32_const(TOKENS)));
    const offset = keep(f, f.i32_shl(first.get(), f.i32_const(2)));
    const x = keep(f, f.i32_add(load('x'), f.i32_mul(image.get(), load('xImage'))));
    const patchArgs = keep(
      f,
      f.i32_add(args.get(), f.i32_const(WORD * (sparseWords.length + OPERAND_WORDS * operands.length))),
    );
    f.call(gather, patch.get(), x.get(), panel.get(), patchArgs.get());
    const to = keep(f, f.i32_add(load('y'), f.i32_mul(image.get(), load('yImage'))));
    to.set(f.i32_add(to.get(), offset.get()));
    const steps: Local<'i32'>[] = [];
    const places = operands.map(({ perColumn }, i) => {
      const own = (at: number) => f.i32_load(args.get(), WORD * (sparseWords.length + OPERAND_WORDS * i + at));
      steps.push(keep(f, own(1)));
      const start = keep(f, f.i32_add(own(0), f.i32_mul(image.get(), own(2))));
      if (perColumn) start.set(f.i32_add(start.get(), offset.get()));
      return start;
    });
    const [group, groups] = [keep(f, f.i32_const(0)), word('groups')];
    forEach(f, group, groups, () => {
      f.call(add, sums.get(), table!.get(), counts!.get(), group.get(), k!.get(), patch.get(), tokens.get());
      const firstFilter = keep(f, f.i32_mul(group.get(), f.i32_const(COLUMNS)));
      const rows = keep(f, f.i32_sub(filters!.get(), firstFilter.get()));
      limit(f, rows, keep(f, f.i32_const(COLUMNS)));
      const below = (start: Local<'i32'>, step: Local<'i32'>): Local<'i32'> =>
        keep(f, f.i32_add(start.get(), f.i32_mul(firstFilter.get(), step.get())));
      const tile = keep(f, sums.get());
      const target = below(to, yRow!);
      const others = places.map((place, i) => below(place, steps[i]!));
      const left = keep(f, tokens.get());
      f.loop((again) => {
        const columns = keep(f, left.get());
        limit(f, columns, keep(f, f.i32_const(FINISHED_PIXELS)));
        const given = [tile, target, rows, columns, yRow!, ...others, ...steps].map((local) => local.get());
        f.call(finish as Func, ...(given as never[]));
        for (const pointer of [tile, target, ...others.filter((_, i) => operands[i]!.perColumn)])
          advance(f, pointer, 4 * FINISHED_PIXELS);
        f.br_if(again, left.tee(f.i32_sub(left.get(), columns.get())));
      });
    });
  };
}
