/** Float32 to bfloat16: rows of A in each run, weights once. */

import { type Assembler, at, eax, k1, k2, r8, r9, r10, rax, rbp, rcx, rdi, rsi, ZERO, zmm } from '@espalier/x64';
import type { NativeBuffer } from '../../memory.ts';
import { PANEL_COLUMNS, PANEL_ROW_BYTES } from '../tiles.ts';

/** Elements that are rounded at a time, into a line. */
const LINE = 32;

/** Bytes from row to row of what is rounded: an odd number of lines, so that rows do not evict each other. */
export const pitchOf = (k: number): number => (Math.ceil(k / LINE) | 1) * 2 * LINE;

/** Rounds rows of `k` elements, filled up with zeros to whole lines. Arguments: rows, rows of a unit, from where, to where. */
export function emitRound(a: Assembler, k: number): void {
  const [lines, rest] = [Math.floor(k / LINE), k % LINE];
  const [from, to, row] = [r8, r9, r10];
  a.mov(rbp, at(rdi), 8);
  a.imul(rsi, rbp);
  a.mov(rax, at(rdi), 0);
  a.sub(rax, rsi);
  a.cmp(rbp, rax);
  a.cmova(rbp, rax);
  a.imuli(from, rsi, 4 * k);
  a.add(from, at(rdi), 16);
  a.imuli(row, rsi, pitchOf(k));
  a.add(row, at(rdi), 24);
  const masks = [k1, k2];
  for (const [i, mask] of masks.entries()) {
    a.movi(eax, 2 ** Math.min(16, Math.max(0, rest - 16 * i)) - 1);
    a.kmovd(mask, eax);
  }
  const nextRow = a.here();
  a.mov(to, row);
  if (lines > 0) {
    a.movi(rcx, lines);
    const line = a.here();
    a.vmovups(zmm(0), at(from), 64);
    a.vcvtne2ps2bf16(zmm(0), zmm(0), at(from));
    a.vmovups(at(to), 0, zmm(0));
    a.addi(from, 4 * LINE);
    a.addi(to, 2 * LINE);
    a.dec(rcx);
    a.jnz(line);
  }
  if (rest > 0) {
    for (const [i, mask] of masks.entries()) a.vmovups(zmm(i), at(from), 64 * i, mask | ZERO);
    a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
    a.vmovups(at(to), 0, zmm(0));
    a.addi(from, 4 * rest);
  }
  a.addi(row, pitchOf(k));
  a.dec(rbp);
  a.jnz(nextRow);
  a.ret();
}

export const packedBytes = (steps: number, n: number): number => Math.ceil(n / PANEL_COLUMNS) * steps * PANEL_ROW_BYTES;

/** Rounds `b`, of [k, n], into panels of `steps` rows of pairs, filled up with zeros (fresh memory is zero); yields after each. */
export function* packPairs(
  b: Float32Array,
  [k, n]: readonly [number, number],
  steps: number,
  to: NativeBuffer,
): Generator<void, void> {
  const bits = new Uint32Array(b.buffer, b.byteOffset, b.length);
  const pairs = new Uint16Array(to.view.buffer, to.view.byteOffset, to.bytes / 2);
  for (let column = 0, panel = 0; column < n; column += PANEL_COLUMNS, panel += steps * 2 * PANEL_COLUMNS) {
    const columns = Math.min(PANEL_COLUMNS, n - column);
    for (let row = 0; row < k; row++) {
      const write = panel + (row >> 1) * 2 * PANEL_COLUMNS + (row & 1);
      const read = row * n + column;
      for (let i = 0; i < columns; i++) pairs[write + 2 * i] = rounded(bits[read + i]!);
    }
    yield;
  }
}

/** The nearest bfloat16, ties to even; a NaN stays one. */
function rounded(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
