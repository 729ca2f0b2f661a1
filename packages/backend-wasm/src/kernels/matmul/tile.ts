/** A register tile: a few rows of A times a panel of B. */

import type { Func, FunctionBuilder, Label, Local, ModuleBuilder } from '@espalier/wasm';
import { type Expr, type V128, Vectors } from '../../vectors.ts';
import { advance, keep } from '../arguments.ts';

export interface TileShape {
  readonly isRelaxed: boolean;
  /** An element of K: a float32, which the panel may hold in 8 bits; or two integers of 16 bits, as they are or in 8 bits. */
  readonly of: 'f32' | 'f32i8' | 'i16' | 'i8';
  /** Vectors of a panel. */
  readonly vectors: number;
  /** Where it is known: rows of A are next to each other then. */
  readonly k: number | null;
  /** The second operand is as it comes, not in panels: its rows have a distance of their own. */
  readonly inRows: boolean;
}

/** A, B, the result, K, and bytes between rows of A, of B, of the result. */
export type Tile = Func<readonly ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']>;

/** The largest register tile: its sums and what a step loads are all that 15 registers hold beside a product. */
export const TILE = { rows: 4, vectors: 2 } as const;
/** Columns of a panel. */
export const WIDTH = 4 * TILE.vectors;

/** What full tiles reach, over the multiply-adds that were calibrated: those wait for each other more. */
export const EFFICIENCY = { relaxed: 1.07, simd: 1.2 } as const;

/** Steps along K of a round. */
const UNROLL = 8;

/** Bytes of a vector of a panel. */
export const vectorBytes = ({ of }: Pick<TileShape, 'of'>): number => ({ f32: 16, f32i8: 4, i16: 16, i8: 8 })[of];

export const isFloat = (of: TileShape['of']): boolean => of === 'f32' || of === 'f32i8';

/** A row of a panel, as it is multiplied. */
function loadRow(v: Vectors, { of, vectors }: TileShape, pointer: Local<'i32'>, offset: number): readonly V128[] {
  const { f } = v;
  const load = (instruction: 'v128_load' | 'v128_load8x8_s', count: number, bytes: number): V128[] =>
    Array.from({ length: count }, (_, i) => v.keep(() => f[instruction](pointer.get(), offset + bytes * i)));
  if (of === 'i8') return load('v128_load8x8_s', vectors, 8);
  if (of !== 'f32i8') return load('v128_load', vectors, 16);
  return load('v128_load8x8_s', vectors / 2, 8).flatMap((levels) =>
    (['low', 'high'] as const).map((half) =>
      v.keep(v.un('f32x4_convert_i32x4_s', v.un(`i32x4_extend_${half}_i16x8_s`, levels))),
    ),
  );
}

/** `sum + x y` */
const multiplyAdd = (v: Vectors, { of }: TileShape, x: Expr, y: Expr, sum: Expr): Expr =>
  isFloat(of) ? v.madd(x, y, sum) : v.bin('i32x4_add', sum, v.bin('i32x4_dot_i16x8_s', x, y));

/**
 * The product of `rows` rows. A round may end behind each of its steps: V8 does all loads of a block first and would keep those of several
 * steps in memory, but what is live where a round may end is done by then.
 */
function emitTile(module: ModuleBuilder, shape: TileShape, rows: number): Tile {
  const { vectors, isRelaxed, inRows } = shape;
  const bytes = vectorBytes(shape);
  return module.func(
    ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    undefined,
    (f, a, b, c, depth, aRow, bRow, cRow) => {
      const v = new Vectors(f, isRelaxed);
      const sumsOf = () => Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local('v128')));
      // Of few rows, sums of every few steps are kept apart, so that they need not wait for each other.
      const sets = Array.from({ length: rows === 1 ? 4 : rows <= 3 ? 2 : 1 }, sumsOf);
      const [sums] = sets as [(typeof sets)[number]];
      const row = rowsOfA(f, shape, rows, a, aRow);
      const left = keep(f, shape.k === null ? depth.get() : f.i32_const(shape.k));
      const step = (u: number): void => {
        const offset = inRows ? 0 : bytes * vectors * u;
        const panel = loadRow(v, shape, b, offset);
        if (inRows) b.set(f.i32_add(b.get(), bRow.get()));
        for (const [r, sum] of sets[u % sets.length]!.entries()) {
          const x = v.keep(() => f.v128_load32_splat(row.pointers[r]!.get(), row.offset(r) + 4 * u));
          for (const [i, each] of sum.entries()) v.set(each, multiplyAdd(v, shape, x, panel[i]!, each));
        }
      };
      f.block((done) =>
        f.loop((again) => {
          for (let u = 0; u < UNROLL; u++) {
            f.br_if(done, f.i32_eq(left.get(), f.i32_const(u)));
            step(u);
          }
          if (!inRows) advance(f, b, bytes * vectors * UNROLL);
          for (const pointer of new Set(row.pointers)) advance(f, pointer, 4 * UNROLL);
          advance(f, left, -UNROLL);
          f.br(again);
        }),
      );
      for (const others of sets.slice(1))
        for (const [r, sum] of sums.entries())
          for (const [i, each] of sum.entries())
            v.set(each, v.bin(isFloat(shape.of) ? 'f32x4_add' : 'i32x4_add', each, others[r]![i]!));
      for (const [r, sum] of sums.entries()) {
        if (r > 0) c.set(f.i32_add(c.get(), cRow.get()));
        for (const [i, each] of sum.entries()) f.v128_store(c.get(), each.get(), 16 * i);
      }
    },
  );
}

/** Rows of A by pointers of their own, or all by one where they are a known distance apart. */
function rowsOfA(
  f: FunctionBuilder,
  { k }: TileShape,
  rows: number,
  a: Local<'i32'>,
  aRow: Local<'i32'>,
): { readonly pointers: readonly Local<'i32'>[]; offset(row: number): number } {
  if (k !== null) return { pointers: new Array<Local<'i32'>>(rows).fill(a), offset: (r) => 4 * k * r };
  const pointers = [a];
  for (let r = 1; r < rows; r++) pointers.push(keep(f, f.i32_add(pointers[r - 1]!.get(), aRow.get())));
  return { pointers, offset: () => 0 };
}

/** Tiles of 1 to `rows` rows. */
export const emitTiles = (module: ModuleBuilder, shape: TileShape, rows: number): readonly Tile[] =>
  Array.from({ length: rows }, (_, i) => emitTile(module, shape, i + 1));

/** The tile of so many rows. */
export function callTile(
  f: FunctionBuilder,
  tiles: readonly Tile[],
  height: Local<'i32'>,
  args: readonly Local<'i32'>[],
): void {
  f.block((done) => {
    const from = (rows: number, labels: readonly Label[]): void => {
      if (rows > tiles.length) f.br_table(labels, labels.at(-1)!, f.i32_sub(height.get(), f.i32_const(1)));
      else {
        f.block((label) => from(rows + 1, [...labels, label]));
        f.call(tiles[rows - 1] as Func, ...(args.map((local) => local.get()) as never[]));
        f.br(done);
      }
    };
    from(1, []);
  });
}

/** Stores the first `count` of the elements of `vectors`, of which there are more. */
export function storeSome(f: FunctionBuilder, to: Local<'i32'>, vectors: readonly V128[], count: Local<'i32'>): void {
  for (const [i, x] of vectors.entries())
    f.if(
      f.i32_ge_u(count.get(), f.i32_const(4 * i + 4)),
      () => void f.v128_store(to.get(), x.get(), 16 * i),
      () => {
        const isBeyond = (lane: number, body: () => void): void =>
          f.if(f.i32_gt_u(count.get(), f.i32_const(4 * i + lane)), body);
        for (let lane = 0; lane < 3; lane++)
          isBeyond(lane, () => void f.v128_store32_lane(to.get(), x.get(), lane, 16 * i + 4 * lane));
      },
    );
}
