/** Which ranges of an address space are free. */

interface Range {
  readonly start: number;
  readonly end: number;
}

export class Allocator {
  /** In order of addresses, never touching each other. */
  private free: Range[] = [];
  private end: number;

  /** @param start the first address to give out */
  constructor(start: number) {
    this.end = start;
  }

  /** The space now ends here. */
  extend(end: number): void {
    if (end > this.end) this.release(this.end, end - this.end);
    this.end = Math.max(end, this.end);
  }

  /** The first address of `bytes` in the smallest range that holds them, or undefined. */
  take(bytes: number): number | undefined {
    let best = -1;
    for (const [i, { start, end }] of this.free.entries()) {
      const size = end - start;
      if (size >= bytes && (best < 0 || size < this.free[best]!.end - this.free[best]!.start)) best = i;
    }
    if (best < 0) return undefined;
    const { start, end } = this.free[best]!;
    this.free.splice(best, 1, ...(end - start > bytes ? [{ start: start + bytes, end }] : []));
    return start;
  }

  release(start: number, bytes: number): void {
    let [from, to] = [start, start + bytes];
    let at = this.free.findIndex((range) => range.end >= from);
    if (at < 0) at = this.free.length;
    let joined = 0;
    for (let range = this.free[at]; range && range.start <= to; range = this.free[at + joined]) {
      from = Math.min(from, range.start);
      to = Math.max(to, range.end);
      joined++;
    }
    this.free.splice(at, joined, { start: from, end: to });
  }

  /** Bytes at the end of the space that are free. */
  get tail(): number {
    const last = this.free.at(-1);
    return last?.end === this.end ? last.end - last.start : 0;
  }
}
