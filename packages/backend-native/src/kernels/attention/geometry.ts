/** Attention's sizes, and how far rows of its operands are apart. */

import { broadcastShapes, broadcastStrides, EspalierError, formatShape, sizeOf } from '@espalier/core';

type Dims = readonly number[];

/** Elements from one batch, key-value head, query head of a group and row to the next; `wrap` as the argument block has it. */
export interface Steps {
  readonly batch: number;
  readonly group: number;
  readonly head: number;
  readonly row: number;
  readonly wrap: number;
}

export interface Geometry {
  readonly batch: number;
  /** Heads of keys and values. */
  readonly groups: number;
  /** Query heads that share one of them. */
  readonly sharing: number;
  readonly positions: number;
  readonly keys: number;
  readonly size: number;
  readonly valueSize: number;
  readonly q: Steps;
  readonly k: Steps;
  readonly v: Steps;
  readonly y: Steps;
  readonly mask: Steps & { readonly key: number };
}

export type Layout = 'BHSD' | 'BSHD';

export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly positions: number;
  readonly size: number;
}

/** Sizes of `[B,H,S,D]` or `[B,S,H,D]`. */
export function headSizes(dims: Dims, layout: Layout): Sizes {
  const [batch, first, second, size] = dims as [number, number, number, number];
  const [heads, positions] = layout === 'BHSD' ? [first, second] : [second, first];
  return { batch, heads, positions, size };
}

/** @throws EspalierError `SHAPE_MISMATCH` where sizes do not fit: emitted code would read beyond its operands */
export function geometry(layout: Layout, [q, k, v, y]: readonly Dims[], mask: Dims = []): Geometry {
  const [Q, K, V] = [headSizes(q!, layout), headSizes(k!, layout), headSizes(v!, layout)];
  const sharing = K.heads > 0 ? Q.heads / K.heads : 0;
  const scores = [Q.batch, Q.heads, Q.positions, K.positions];
  const fits =
    K.batch === Q.batch &&
    K.size === Q.size &&
    Number.isInteger(sharing) &&
    `${v!.slice(0, 3)}` === `${k!.slice(0, 3)}` &&
    `${y}` === `${[...q!.slice(0, 3), V.size]}` &&
    `${broadcastShapes(scores, mask)}` === `${scores}`;
  if (!fits)
    throw new EspalierError(
      'SHAPE_MISMATCH',
      `attention of ${[q!, k!, v!].map(formatShape).join(', ')}${mask.length > 0 ? ` with a mask ${formatShape(mask)}` : ''} is not ${formatShape(y!)}`,
    );
  const steps = ({ heads, positions }: Sizes, size: number, shared: number): Steps => {
    const [head, row] = layout === 'BHSD' ? [positions * size, size] : [size, heads * size];
    return { batch: heads * positions * size, group: shared * head, head, row, wrap: head - positions * row };
  };
  const walk = broadcastStrides(mask, scores) as [number, number, number, number];
  return {
    batch: Q.batch,
    groups: K.heads,
    sharing,
    positions: Q.positions,
    keys: K.positions,
    size: Q.size,
    valueSize: V.size,
    q: steps(Q, Q.size, sharing),
    k: steps(K, K.size, 1),
    v: steps(V, V.size, 1),
    y: steps(Q, V.size, sharing),
    mask: {
      batch: walk[0],
      group: sharing * walk[1],
      head: walk[1],
      row: walk[2],
      wrap: walk[1] - Q.positions * walk[2],
      key: walk[3],
    },
  };
}

/** How queries are cut: blocks of those that share keys, and these into units. */
export interface Partition {
  readonly blocks: number;
  readonly blocksPerUnit: number;
  readonly blocksPerImage: number;
  readonly queries: number;
  readonly units: number;
}

/** Multiply-adds of a unit at most, about 30 microseconds of one core; no fewer than the least, so that taking it costs little. */
const MOST = 2e6;
const LEAST = 2e5;
/** Units for each thread, so that one that comes late still finds some. */
const SHARES = 4;

/** @param lanes queries of a block at most */
export function partition(g: Geometry, lanes: number, threads: number): Partition {
  const queries = g.sharing * g.positions;
  const blocksPerImage = Math.ceil(queries / lanes);
  const blocks = sizeOf([g.batch, g.groups, blocksPerImage]);
  const block = Math.max(1, lanes * g.keys * (g.size + g.valueSize));
  const target = Math.min(MOST, Math.max(LEAST, (blocks * block) / (SHARES * threads)));
  const blocksPerUnit = Math.max(1, Math.floor(target / block));
  return { blocks, blocksPerUnit, blocksPerImage, queries, units: Math.ceil(blocks / blocksPerUnit) };
}
