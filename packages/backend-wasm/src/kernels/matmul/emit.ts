/** Emits products: units of blocks of rows and panels of columns, tile by tile. */

import { partitionWords } from '@espalier/lowering';
import type { Func, Local, ModuleBuilder, Value } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { forEach, keep, limit, WORD, wordsAt } from '../arguments.ts';
import { doSteps } from '../epilogue.ts';
import type { Epilogue } from './epilogue.ts';
import { callTile, emitTiles, isFloat, storeSome, type TileShape } from './tile.ts';

/** What code depends on. */
export interface Product extends TileShape, Epilogue {
  /** Rows of the largest tile. */
  readonly rows: number;
  /** Rows of a panel that is made when it is used, in a thread's memory; 0 where panels are read where they are. */
  readonly made: number;
}

/** Makes a panel: where to, B of the batch, which panel, its arguments. */
export type MakePanel = Func<readonly ['i32', 'i32', 'i32', 'i32']>;

export const words = [
  'scratch',
  'threadBytes',
  'k',
  'aRow',
  'bRow',
  'bPanel',
  'cRow',
  'batch',
  ...partitionWords,
  'panelArguments',
] as const;
export type ArgumentWord = (typeof words)[number];

/** Bytes of a thread's tile. */
const tileBytes = ({ rows, vectors }: Product): number => 64 * Math.ceil((16 * rows * vectors) / 64);

/** Bytes of scratch memory of a thread: a tile, and a panel that is made. */
export const threadBytes = (product: Product): number =>
  tileBytes(product) + 64 * Math.ceil((16 * product.vectors * product.made) / 64);

/**
 * Arguments: {@link words}, row steps of the epilogue's operands, the matrices of each batch; then what `make` is told, so many bytes from
 * the start as `panelArguments` says.
 */
export function emitProduct(module: ModuleBuilder, product: Product, make?: MakePanel): Body {
  const { rows, vectors, operands } = product;
  const tiles = emitTiles(module, product, rows);
  const finish = emitFinish(module, product);
  const panelColumns = 4 * vectors;
  return (f, args, unit, thread) => {
    const word = wordsAt(f, args, words);
    const load = (name: ArgumentWord): Local<'i32'> => keep(f, word(name));
    const [k, aRow, bRow, cRow, bPanel] = (['k', 'aRow', 'bRow', 'cRow', 'bPanel'] as const).map(load);
    const scratch = keep(f, f.i32_add(word('scratch'), f.i32_mul(thread.get(), word('threadBytes'))));
    const [panels, blocks, blockRows, tallBlocks] = (['panels', 'blocks', 'blockRows', 'tallBlocks'] as const).map(
      load,
    );
    const columnGroup = keep(f, f.i32_rem_u(unit.get(), word('columnGroups')));
    const rest = keep(f, f.i32_div_u(unit.get(), word('columnGroups')));
    const rowGroup = keep(f, f.i32_rem_u(rest.get(), word('rowGroups')));
    /** From a multiple of `each`, as many, up to `all`. */
    const range = (of: Local<'i32'>, each: ArgumentWord, all: Local<'i32'>): [Local<'i32'>, Local<'i32'>] => {
      const from = keep(f, f.i32_mul(of.get(), word(each)));
      const to = keep(f, f.i32_add(from.get(), word(each)));
      limit(f, to, all);
      return [from, to];
    };
    rest.set(f.i32_div_u(rest.get(), word('rowGroups')));
    const [batch, lastBatch] = range(rest, 'batchesPerUnit', load('batch'));
    const [firstPanel, lastPanel] = range(columnGroup, 'panelsPerUnit', panels!);
    const [firstBlock, lastBlock] = range(rowGroup, 'blocksPerUnit', blocks!);
    const makeArgs = keep(f, f.i32_add(args.get(), word('panelArguments')));
    const [panel, block] = [f.local('i32'), f.local('i32')];
    const count = 3 + operands.length;
    const stepOf = (i: number): Local<'i32'> => keep(f, f.i32_load(args.get(), WORD * (words.length + i)));
    const rowSteps = operands.map((_, i) => stepOf(i));
    forEach(f, batch, lastBatch, () => {
      const matrices = keep(f, f.i32_add(args.get(), f.i32_mul(batch.get(), f.i32_const(WORD * count))));
      const matrix = (i: number): Local<'i32'> =>
        keep(f, f.i32_load(matrices.get(), WORD * (words.length + operands.length + i)));
      const [a, b, c] = [matrix(0), matrix(1), matrix(2)];
      const others = operands.map((_, i) => matrix(3 + i));
      panel.set(firstPanel.get());
      forEach(f, panel, lastPanel, () => {
        const source = make
          ? keep(f, f.i32_add(scratch.get(), f.i32_const(tileBytes(product))))
          : keep(f, f.i32_add(b.get(), f.i32_mul(panel.get(), bPanel!.get())));
        if (make) f.call(make, source.get(), b.get(), panel.get(), makeArgs.get());
        const column = keep(f, f.i32_mul(panel.get(), f.i32_const(4 * panelColumns)));
        const columns = keep(
          f,
          f.select(
            f.i32_const(panelColumns),
            word('lastColumns'),
            f.i32_lt_u(f.i32_add(panel.get(), f.i32_const(1)), panels!.get()),
          ),
        );
        // What is not stored as it is goes through memory that stays in the cache.
        const isDirect =
          operands.length === 0 && product.steps.length === 0
            ? keep(f, f.i32_eq(columns.get(), f.i32_const(panelColumns)))
            : undefined;
        block.set(firstBlock.get());
        forEach(f, block, lastBlock, () => {
          const isTall = keep(f, f.i32_lt_u(block.get(), tallBlocks!.get()));
          const before = keep(f, f.select(block.get(), tallBlocks!.get(), isTall.get()));
          const row = keep(f, f.i32_add(f.i32_mul(block.get(), blockRows!.get()), before.get()));
          const height = keep(f, f.i32_add(blockRows!.get(), isTall.get()));
          const to = keep(f, f.i32_add(f.i32_add(c.get(), column.get()), f.i32_mul(row.get(), cRow!.get())));
          const from = keep(f, f.i32_add(a.get(), f.i32_mul(row.get(), aRow!.get())));
          const [target, pitch] = [keep(f, scratch.get()), keep(f, f.i32_const(4 * panelColumns))];
          if (isDirect)
            f.if(isDirect.get(), () => {
              target.set(to.get());
              pitch.set(cRow!.get());
            });
          callTile(f, tiles, height, [from, source, target, k!, aRow!, bRow!, pitch]);
          const doFinish = (): void => {
            const places = operands.map(({ perColumn }, i) => {
              const start = f.i32_add(others[i]!.get(), f.i32_mul(row.get(), rowSteps[i]!.get()));
              return keep(f, perColumn ? f.i32_add(start, column.get()) : start);
            });
            const values = [scratch, to, height, columns, cRow!, ...places, ...rowSteps].map((local) => local.get());
            f.call(finish as Func, ...(values as never[]));
          };
          if (isDirect) f.if(f.i32_eqz(isDirect.get()), doFinish);
          else doFinish();
        });
      });
    });
  };
}

/** The steps of the epilogue on a tile, as float32 where there are any, and where its columns go: tile, result, rows, columns, bytes of its rows, operands, their row steps. */
export function emitFinish(
  module: ModuleBuilder,
  { isRelaxed, of, vectors, steps, operands }: Pick<Product, 'isRelaxed' | 'of' | 'vectors' | keyof Epilogue>,
  tilePitch = 16 * vectors,
): Func {
  const params = new Array<'i32'>(5 + 2 * operands.length).fill('i32');
  return module.func(params, undefined, (f, ...locals) => {
    const [tile, to, rows, columns, pitch, ...rest] = locals as Local<'i32'>[];
    const places = rest.slice(0, operands.length);
    const rowSteps = rest.slice(operands.length);
    const v = new Vectors(f, isRelaxed);
    f.loop((again) => {
      const results: V128[] = [];
      for (let i = 0; i < vectors; i++) {
        const load = (input: number): Expr | undefined => {
          const at = operands.findIndex((operand) => operand.input === input);
          if (at < 0) return undefined;
          const place = places[at]!;
          return operands[at]!.perColumn
            ? () => f.v128_load(place.get(), 16 * i)
            : () => f.v128_load32_splat(place.get());
        };
        const sum = (): Value<'v128'> => f.v128_load(tile!.get(), 16 * i);
        results.push(
          doSteps(v, steps, v.keep(isFloat(of) || steps.length === 0 ? sum : v.un('f32x4_convert_i32x4_s', sum)), load),
        );
      }
      f.if(
        f.i32_eq(columns!.get(), f.i32_const(4 * vectors)),
        () => results.forEach((x, i) => void f.v128_store(to!.get(), x.get(), 16 * i)),
        () => storeSome(f, to!, results, columns!),
      );
      tile!.set(f.i32_add(tile!.get(), f.i32_const(tilePitch)));
      to!.set(f.i32_add(to!.get(), pitch!.get()));
      for (const [i, place] of places.entries()) place.set(f.i32_add(place.get(), rowSteps[i]!.get()));
      f.br_if(again, rows!.tee(f.i32_sub(rows!.get(), f.i32_const(1))));
    });
  });
}
