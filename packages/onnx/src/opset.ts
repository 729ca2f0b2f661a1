/** Versions of ONNX's ops: which graphs speak, which files may, and where they differ. */

import type { OpSchema } from '@espalier/core';

/** The version that graphs speak. */
export const OPSET = 22;
/** The oldest version that is read. */
export const OLDEST_OPSET = 7;
/** The newest version whose changes are known. */
export const NEWEST_OPSET = 28;

/** The first version above that of graphs in which the op is not what the schema describes, up to `opset`. */
export function changedSince(schema: OpSchema, opset: number): number | undefined {
  if (schema.domain !== '') return undefined;
  const base = Math.max(OPSET, schema.versions[0]!);
  return schema.versions.find((v) => v > base && v <= opset && !schema.widened?.includes(v));
}

/** True when an op of a file older than {@link OLDEST_OPSET} was there already and is the same in that opset. */
export function isUnchangedSince({ versions }: OpSchema, opset: number): boolean {
  return versions[0]! <= opset && !versions.some((version) => version > opset && version <= OLDEST_OPSET);
}
