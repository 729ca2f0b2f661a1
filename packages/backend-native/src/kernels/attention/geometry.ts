/** How queries are cut: blocks of those that share keys, and these into units. */

import { sizeOf } from '@espalier/core';
import type { AttentionGeometry as Geometry } from '@espalier/lowering';

export {
  type AttentionGeometry as Geometry,
  type AttentionLayout as Layout,
  attentionGeometry as geometry,
  type HeadSizes as Sizes,
  headSizes,
} from '@espalier/lowering';

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
