/**
 * Weights in panels: the columns of a matrix in groups of as many as a register tile is wide, each group row by row. Emitted code copies
 * them.
 */

import type { Engine } from '../../list.ts';
import { runHere } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { Size } from '../lanes.ts';
import { movementCode } from '../movement/code.ts';
import { copyOf, type Piece } from '../movement/pieces.ts';
import { avx512, type Isa, panelWidth } from './isa.ts';

export const packedBytes = (k: number, n: number, width: number): number => Math.ceil(n / width) * k * width * 4;

/** How the rows of a panel lie, in bytes: in groups, each behind parameters of its own. */
export interface PanelLayout {
  readonly rowBytes: number;
  readonly paramBytes: number;
  /** From group to group, and from panel to panel. */
  readonly groupBytes: number;
  readonly panelBytes: number;
}

/** Bytes that are copied at a time: native code reads only native memory, and what is in the caches it reads fast. */
const SLAB = 1 << 18;

/**
 * Copies a matrix of [k, n] into panels; yields every few microseconds.
 * @param bytes of the matrix, each element of `size`
 * @param group rows of K that share parameters
 */
export function* packPanels(
  engine: Engine,
  isa: Isa,
  bytes: Uint8Array,
  [k, n]: readonly [number, number],
  size: Size,
  group: number,
  layout: PanelLayout,
  to: NativeBuffer,
): Generator<void, void> {
  if (bytes.length === 0) return;
  const width = panelWidth(isa);
  const { rowBytes, paramBytes, groupBytes, panelBytes } = layout;
  const whole = Math.max(1, Math.floor(SLAB / (n * size)));
  const most = group < k ? Math.ceil(whole / group) * group : Math.min(k, whole);
  const from = engine.memory.alloc(most * n * size);
  const code = movementCode(engine, isa === avx512);
  try {
    for (let first = 0; first < k; first += most) {
      const rows = Math.min(most, k - first);
      engine.addon.copyIn(from.address, bytes.subarray(first * n * size, (first + rows) * n * size));
      const start = to.address + Math.floor(first / group) * groupBytes + paramBytes + (first % group) * rowBytes;
      const groups = Math.floor(rows / group);
      const full = Math.floor(n / width);
      const pieces: Piece[] = [];
      for (const [panel, panels, columns] of [
        [0, full, width],
        [full, 1, n % width],
      ] as const)
        for (const [g, count, each] of [
          [0, groups, group],
          [groups, 1, rows % group],
        ] as const)
          pieces.push({
            extents: [panels, count, each, columns],
            to: {
              address: start + panel * panelBytes + g * groupBytes,
              strides: [panelBytes / size, groupBytes / size, rowBytes / size, 1],
            },
            from: {
              address: from.address + (g * group * n + panel * width) * size,
              strides: [width, group * n, n, 1],
            },
          });
      const { units, args } = copyOf(pieces, size, code, 1);
      yield* runHere(engine, { code: code.entries.get('dispatch')!, units, args });
    }
  } finally {
    code.release();
    engine.memory.free(from);
  }
}
