/**
 * Emits attention: a unit is some queries of one head. Their scores with all keys, which lie turned in panels meanwhile, shares of the
 * keys, and the values by these.
 */

import type { Func, Local, ModuleBuilder } from '@espalier/wasm';
import type { Body } from '../../code.ts';
import { Vectors } from '../../vectors.ts';
import { advance, forEach, keep, limit, WORD, wordsAt } from '../arguments.ts';
import { callTile, emitTiles, storeSome, TILE } from '../matmul/tile.ts';
import { emitShares, type Variant } from './softmax.ts';
import { emitTurn, KEYS } from './turn.ts';

/** Operands, each by five words: where it is, bytes from one batch, key-value head, query head of a group and row to the next. */
export const operands = ['q', 'k', 'v', 'y', 'mask'] as const;
export const operandWords = ['start', 'batch', 'group', 'head', 'row'] as const;
export const plainWords = [
  'scratch',
  'threadBytes',
  /** Bytes of a row of scores; where the panel, the tile and the shares are in a thread's memory. */
  'scorePitch',
  'panel',
  'tile',
  'shares',
  'groups',
  'sharing',
  'positions',
  'keys',
  'size',
  'valueSize',
  'scale',
  'maskStep',
  'queriesPerUnit',
  'unitsPerHead',
] as const;
export type PlainWord = (typeof plainWords)[number];

export function emitAttention(module: ModuleBuilder, variant: Variant): Body {
  const turn = emitTurn(module);
  const shape = { isRelaxed: variant.isRelaxed, of: 'f32', vectors: TILE.vectors, k: null } as const;
  const scoreTiles = emitTiles(module, { ...shape, inRows: false }, TILE.rows);
  const valueTiles = emitTiles(module, { ...shape, inRows: true }, TILE.rows);
  const shareOf = emitShares(module, variant);
  const finish = emitFinish(module);
  return (f, args, unit, thread) => {
    const word = wordsAt(f, args, plainWords);
    const load = (name: PlainWord): Local<'i32'> => keep(f, word(name));
    const scores = keep(f, f.i32_add(word('scratch'), f.i32_mul(thread.get(), word('threadBytes'))));
    const inScratch = (name: 'panel' | 'tile' | 'shares'): Local<'i32'> => keep(f, f.i32_add(scores.get(), word(name)));
    const [panel, tile, shares] = [inScratch('panel'), inScratch('tile'), inScratch('shares')];
    const [keys, size, valueSize, pitch] = [load('keys'), load('size'), load('valueSize'), load('scorePitch')];
    const image = keep(f, f.i32_div_u(unit.get(), word('unitsPerHead')));
    const first = keep(f, f.i32_mul(f.i32_rem_u(unit.get(), word('unitsPerHead')), word('queriesPerUnit')));
    const queries = keep(f, f.i32_sub(word('positions'), first.get()));
    limit(f, queries, load('queriesPerUnit'));
    const head = keep(f, f.i32_rem_u(image.get(), word('sharing')));
    image.set(f.i32_div_u(image.get(), word('sharing')));
    const group = keep(f, f.i32_rem_u(image.get(), word('groups')));
    const batch = keep(f, f.i32_div_u(image.get(), word('groups')));
    const operandWord = (operand: (typeof operands)[number], name: (typeof operandWords)[number]) =>
      f.i32_load(
        args.get(),
        WORD * (plainWords.length + operandWords.length * operands.indexOf(operand) + operandWords.indexOf(name)),
      );
    /** Where an operand's rows for this head begin, and bytes between them. */
    const matrix = (operand: (typeof operands)[number]): [Local<'i32'>, Local<'i32'>] => {
      const start = keep(
        f,
        f.i32_add(operandWord(operand, 'start'), f.i32_mul(operandWord(operand, 'batch'), batch.get())),
      );
      start.set(f.i32_add(start.get(), f.i32_mul(operandWord(operand, 'group'), group.get())));
      start.set(f.i32_add(start.get(), f.i32_mul(operandWord(operand, 'head'), head.get())));
      return [start, keep(f, operandWord(operand, 'row'))];
    };
    const [[q, qRow], [k, kRow], [v, vRow], [y, yRow], [mask, maskRow]] = operands.map(matrix) as [
      Pair,
      Pair,
      Pair,
      Pair,
      Pair,
    ];
    for (const [start, row] of [
      [q, qRow],
      [y, yRow],
      [mask, maskRow],
    ] as const)
      start.set(f.i32_add(start.get(), f.i32_mul(row.get(), first.get())));

    /** All rows of queries, as many at a time as a tile has. */
    const inBlocks = (body: (from: Local<'i32'>, height: Local<'i32'>) => void): void => {
      const from = keep(f, f.i32_const(0));
      f.loop((again) => {
        const height = keep(f, f.i32_sub(queries.get(), from.get()));
        limit(f, height, keep(f, f.i32_const(TILE.rows)));
        body(from, height);
        advance(f, from, TILE.rows);
        f.br_if(again, f.i32_lt_u(from.get(), queries.get()));
      });
    };
    const rowAt = (start: Local<'i32'>, row: Local<'i32'>, from: Local<'i32'>): Local<'i32'> =>
      keep(f, f.i32_add(start.get(), f.i32_mul(row.get(), from.get())));
    const panelRow = keep(f, f.i32_const(4 * KEYS));

    const key = keep(f, f.i32_const(0));
    f.block((done) => {
      f.br_if(done, f.i32_eqz(keys.get()));
      f.loop((again) => {
        const left = keep(f, f.i32_sub(keys.get(), key.get()));
        limit(f, left, keep(f, f.i32_const(KEYS)));
        f.call(
          turn,
          panel.get(),
          f.i32_add(k.get(), f.i32_mul(kRow.get(), key.get())),
          left.get(),
          size.get(),
          kRow.get(),
        );
        inBlocks((from, height) => {
          const to = rowAt(scores, pitch, from);
          to.set(f.i32_add(to.get(), f.i32_shl(key.get(), f.i32_const(2))));
          callTile(f, scoreTiles, height, [rowAt(q, qRow, from), panel, to, size, qRow, panelRow, pitch]);
        });
        advance(f, key, KEYS);
        f.br_if(again, f.i32_lt_u(key.get(), keys.get()));
      });
    });

    const query = keep(f, f.i32_const(0));
    forEach(f, query, queries, () => {
      const seen = keep(f, keys.get());
      if (variant.isCausal) limit(f, seen, keep(f, f.i32_add(f.i32_add(first.get(), query.get()), f.i32_const(1))));
      const [row, masked] = [rowAt(scores, pitch, query), rowAt(mask, maskRow, query)];
      f.f32_store(
        f.i32_add(shares.get(), f.i32_shl(query.get(), f.i32_const(2))),
        f.call(
          shareOf,
          row.get(),
          seen.get(),
          keys.get(),
          f.f32_reinterpret_i32(word('scale')),
          masked.get(),
          word('maskStep'),
        ),
      );
    });

    const column = keep(f, f.i32_const(0));
    f.loop((again) => {
      const columns = keep(f, f.i32_sub(valueSize.get(), column.get()));
      limit(f, columns, keep(f, f.i32_const(KEYS)));
      const offset = keep(f, f.i32_shl(column.get(), f.i32_const(2)));
      const values = keep(f, f.i32_add(v.get(), offset.get()));
      inBlocks((from, height) => {
        callTile(f, valueTiles, height, [rowAt(scores, pitch, from), values, tile, keys, pitch, vRow, panelRow]);
        const to = rowAt(y, yRow, from);
        to.set(f.i32_add(to.get(), offset.get()));
        const share = f.i32_add(shares.get(), f.i32_shl(from.get(), f.i32_const(2)));
        f.call(finish, share, tile.get(), to.get(), height.get(), columns.get(), yRow.get());
      });
      advance(f, column, KEYS);
      f.br_if(again, f.i32_lt_u(column.get(), valueSize.get()));
    });
  };
}

type Pair = [Local<'i32'>, Local<'i32'>];

/** Shares, a tile, where to, its rows, columns, bytes between rows of the result. */
function emitFinish(module: ModuleBuilder): Func<readonly ['i32', 'i32', 'i32', 'i32', 'i32', 'i32']> {
  return module.func(
    ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    undefined,
    (f, share, tile, to, rows, columns, pitch) => {
      const v = new Vectors(f, false);
      f.loop((again) => {
        const factor = v.keep(() => f.v128_load32_splat(share.get()));
        const results = Array.from({ length: TILE.vectors }, (_, i) =>
          v.keep(v.mul(() => f.v128_load(tile.get(), 16 * i), factor)),
        );
        storeSome(f, to, results, columns);
        advance(f, share, 4);
        advance(f, tile, 4 * KEYS);
        to.set(f.i32_add(to.get(), pitch.get()));
        f.br_if(again, rows.tee(f.i32_sub(rows.get(), f.i32_const(1))));
      });
    },
  );
}
