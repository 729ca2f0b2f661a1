/**
 * Weights in panels: the columns of a matrix in groups of as many as a register tile is wide, each group row by row. Emitted code copies
 * them.
 */

import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { Size } from '../lanes.ts';
import { type Piece, runCopy } from '../movement/pieces.ts';
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

/** Bytes of a matrix that are copied at a time: what was read for one panel is read from the caches for the next. */
const SLAB = 1 << 18;

/**
 * Copies a matrix of [k, n] into panels.
 * @param bytes of the matrix, each element of `size`
 * @param group rows of K that share parameters
 */
export async function packPanels(
  engine: Engine,
  isa: Isa,
  bytes: Uint8Array,
  [k, n]: readonly [number, number],
  size: Size,
  group: number,
  layout: PanelLayout,
  to: NativeBuffer,
): Promise<void> {
  if (bytes.length === 0) return;
  const width = panelWidth(isa);
  const { rowBytes, paramBytes, groupBytes, panelBytes } = layout;
  const whole = Math.max(1, Math.floor(SLAB / (n * size)));
  const most = group < k ? Math.ceil(whole / group) * group : Math.min(k, whole);
  const from = engine.addon.addressOf(bytes);
  const pieces: Piece[] = [];
  for (let first = 0; first < k; first += most) {
    const rows = Math.min(most, k - first);
    const start = to.address + Math.floor(first / group) * groupBytes + paramBytes + (first % group) * rowBytes;
    const groups = Math.floor(rows / group);
    const full = Math.floor(n / width);
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
            address: from + ((first + g * group) * n + panel * width) * size,
            strides: [width, group * n, n, 1],
          },
        });
  }
  await runCopy(engine, isa === avx512, pieces, size);
}
