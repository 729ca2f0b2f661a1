/** Attention's sizes, and how far rows of its operands are apart. */

import { broadcastShapes, broadcastStrides, EspalierError, formatShape } from '@espalier/core';

type Dims = readonly number[];

/** Elements from one batch, key-value head, query head of a group and row to the next; `wrap` as the argument block has it. */
export interface AttentionSteps {
  readonly batch: number;
  readonly group: number;
  readonly head: number;
  readonly row: number;
  readonly wrap: number;
}

export interface AttentionGeometry {
  readonly batch: number;
  /** Heads of keys and values. */
  readonly groups: number;
  /** Query heads that share one of them. */
  readonly sharing: number;
  readonly positions: number;
  readonly keys: number;
  readonly size: number;
  readonly valueSize: number;
  readonly q: AttentionSteps;
  readonly k: AttentionSteps;
  readonly v: AttentionSteps;
  readonly y: AttentionSteps;
  readonly mask: AttentionSteps & { readonly key: number };
}

export type AttentionLayout = 'BHSD' | 'BSHD';

export interface HeadSizes {
  readonly batch: number;
  readonly heads: number;
  readonly positions: number;
  readonly size: number;
}

/** Sizes of `[B,H,S,D]` or `[B,S,H,D]`. */
export function headSizes(dims: Dims, layout: AttentionLayout): HeadSizes {
  const [batch, first, second, size] = dims as [number, number, number, number];
  const [heads, positions] = layout === 'BHSD' ? [first, second] : [second, first];
  return { batch, heads, positions, size };
}

/** @throws EspalierError `SHAPE_MISMATCH` where sizes do not fit: emitted code would read beyond its operands */
export function attentionGeometry(
  layout: AttentionLayout,
  [q, k, v, y]: readonly Dims[],
  mask: Dims = [],
): AttentionGeometry {
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
  const steps = ({ heads, positions }: HeadSizes, size: number, shared: number): AttentionSteps => {
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
