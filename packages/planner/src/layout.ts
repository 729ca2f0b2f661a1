/** Offsets in one arena for values whose lives overlap or do not: greedy by size, largest first. */

export interface Lifetime {
  readonly bytes: number;
  /** The step that makes it and the last that reads it. */
  readonly from: number;
  readonly to: number;
}

export interface ArenaLayout {
  /** By lifetime, in bytes. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Lays values out so that those alive at the same step never overlap (Pisarchyk and Lee, 2020, "greedy by size"). */
export function layOut(lifetimes: readonly Lifetime[], alignment: number): ArenaLayout {
  const padded = lifetimes.map(({ bytes }) => Math.ceil(bytes / alignment) * alignment);
  const order = lifetimes.map((_, i) => i).sort((a, b) => padded[b]! - padded[a]! || a - b);
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const placed: number[] = [];
  let total = 0;
  for (const i of order) {
    const { from, to } = lifetimes[i]!;
    let offset = 0;
    for (const j of placed) {
      const other = lifetimes[j]!;
      if (other.to < from || to < other.from) continue;
      if (offset + padded[i]! <= offsets[j]!) break;
      offset = Math.max(offset, offsets[j]! + padded[j]!);
    }
    offsets[i] = offset;
    total = Math.max(total, offset + padded[i]!);
    let at = placed.findIndex((j) => offsets[j]! > offset);
    if (at < 0) at = placed.length;
    placed.splice(at, 0, i);
  }
  return { offsets, bytes: total };
}
