/**
 * The two products, a register tile at a time. Columns are queries in both, so that keys and values are read where they are:
 * scores are keys times turned queries, the turned result is turned values times weights.
 */

import {
  type Address,
  at,
  type Gpr,
  type Label,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  rsi,
  type Vector,
} from '@espalier/x64';
import { emitRow } from '../row.ts';
import { type Frame, VECTORS } from './frame.ts';

/** Steps in a round of the loop. */
const UNROLL = 4;

const [step, step3, columnAt, sumsAt] = [r12, r13, r14, r15];
/** The first four rows of a tile are at r8 and one, two and three steps behind it, the next four at r9, and so on. */
const rowBases = [r8, r9, r10, r11];

const steps = (base: Gpr): readonly Address[] => [at(base), at(base, step), at(base, step, 2), at(base, step3)];

/** What the broadcast operand of a tile is, and how the loop goes on to the next of its columns. */
interface Rows {
  element(row: number, u: number): [Address, number];
  advance(steps: number): void;
}

/** The scores of the current keys. */
export function emitScores(f: Frame, vectors: number): void {
  const { a, v } = f;
  emitFirst(f, 'k');
  emitRowAt(f);
  a.lea(sumsAt, at(rbx), f.scoresAt);
  a.mov(rcx, ...f.local('count'));
  emitTiles(f, (rows) => {
    a.mov(rax, ...f.local('row'));
    a.mov(step, ...f.operand('k', 'row'));
    a.lea(step3, at(step, step, 2));
    const bases = rowBases.slice(0, Math.ceil(rows / 4));
    for (const [i, base] of bases.entries()) a.lea(base, i === 0 ? at(rax) : at(bases[i - 1]!, step, 4));
    a.lea(columnAt, at(rbx), f.queriesAt);
    a.mov(rcx, ...f.argument('sizeSteps'));
    for (let i = 0; i < rows * vectors; i++) a.vxorps(v.register(i), v.register(i), v.register(i));
    emitSums(f, rows, vectors, {
      element: (row, u) => [steps(bases[row >> 2]!)[row & 3]!, 4 * u],
      advance(count) {
        for (const base of bases) a.addi(base, 4 * count);
      },
    });
    a.imuli(step, step, rows);
    emitNext(f, step);
  });
}

/** Adds values, times the weights of the current keys, to the result, which decays before. */
export function emitValues(f: Frame, vectors: number): void {
  const { a, v } = f;
  emitFirst(f, 'v');
  if (!f.isRounded) emitCopy(f);
  emitRowAt(f);
  f.place(sumsAt, 'resultAt');
  a.mov(rcx, ...f.argument('valueSize'));
  emitTiles(f, (rows) => {
    const [base] = rowBases as [Gpr];
    a.mov(base, ...f.local('row'));
    a.mov(step, ...f.argument('valuePitch'));
    a.lea(step3, at(step, step, 2));
    a.lea(columnAt, at(rbx), f.scoresAt);
    a.mov(rcx, ...f.local('count'));
    if (f.isRounded) {
      a.inc(rcx);
      a.shr(rcx, 1);
    }
    for (let index = 0; index < vectors; index++) {
      const decay = columnOf(f, index);
      a.vmovups(decay, ...f.vector('decay', index));
      for (let row = 0; row < rows; row++)
        a.vmulps(v.register(row * vectors + index), decay, at(sumsAt), row * f.width + index * v.bytes);
    }
    emitSums(f, rows, vectors, {
      element: (row, u) => [steps(base)[u]!, 4 * row],
      advance: (count) => a.lea(base, count === 1 ? at(base, step) : at(base, step, 4)),
    });
    a.movi(step, 4 * rows);
    emitNext(f, step);
  });
}

/** Where the current keys begin in an operand, into rax. */
function emitFirst(f: Frame, operand: 'k' | 'v'): void {
  const { a } = f;
  a.mov(rax, ...f.local('key'));
  a.imul(rax, ...f.operand(operand, 'row'));
  a.add(rax, ...f.local(operand));
}

/** Values that are to lie closer together than they do: rax becomes where they do. Clobbers rcx, rbp, r8, r10 to r12. */
function emitCopy(f: Frame): void {
  const { a, v } = f;
  const [from, to, pitch, left] = [r8, r10, r12, rbp];
  const done = a.label();
  a.mov(pitch, ...f.argument('valuePitch'));
  a.cmp(pitch, ...f.operand('v', 'row'));
  a.je(done);
  a.mov(from, rax);
  f.place(to, 'valuesAt');
  a.mov(left, ...f.local('count'));
  const row = a.here();
  a.mov(rcx, ...f.argument('valueSize'));
  emitRow(v, (block) => {
    block.load(v.register(0), from);
    block.store(to, v.register(0));
  });
  a.add(from, ...f.operand('v', 'row'));
  a.add(to, pitch);
  a.dec(left);
  a.jnz(row);
  f.place(rax, 'valuesAt');
  a.bind(done);
}

function emitRowAt(f: Frame): void {
  const [address, offset] = f.local('row');
  f.a.mov(address, offset, rax);
}

/** `by` bytes further. */
function emitNext(f: Frame, by: Gpr): void {
  f.a.mov(rax, ...f.local('row'));
  f.a.add(rax, by);
  emitRowAt(f);
}

/** The register that a vector of a column is loaded to. */
const columnOf = (f: Frame, index: number): Vector => f.v.register(VECTORS * f.tileRows + index);

/** rcx rows in tiles of nearly equal height: `tile` is the code for one. Clobbers rax, rcx, rdx, rsi, rbp. */
function emitTiles(f: Frame, tile: (rows: number) => void): void {
  const { a, tileRows } = f;
  const [height, low, left] = [rsi, rbp, rdx];
  const done = a.label();
  // Tiles, rows of a low one, how many of these there are; the others come first and have a row more.
  a.lea(rax, at(rcx), tileRows - 1);
  a.xor(rdx, rdx);
  a.movi(rsi, tileRows);
  a.div(rsi);
  a.test(rax, rax);
  a.jz(done);
  a.mov(rbp, rax);
  a.mov(rax, rcx);
  a.xor(rdx, rdx);
  a.div(rbp);
  a.mov(height, rax);
  a.mov(rcx, rdx);
  a.mov(left, rbp);
  a.sub(low, rcx);
  const labels = Array.from({ length: tileRows }, () => a.label());
  const loop = a.here();
  a.mov(rcx, height);
  a.cmp(low, left);
  a.adci(rcx, 0);
  for (let rows = tileRows; rows > 1; rows--) {
    a.cmpi(rcx, rows);
    a.je(labels[rows - 1]!);
  }
  const next: Label = a.label();
  for (let rows = 1; rows <= tileRows; rows++) {
    a.bind(labels[rows - 1]!);
    tile(rows);
    if (rows < tileRows) a.jmp(next);
  }
  a.bind(next);
  a.dec(left);
  a.jnz(loop);
  a.bind(done);
}

/** Adds rcx products to the sums in the first registers, and stores them. Clobbers rax, rcx. */
function emitSums(f: Frame, rows: number, vectors: number, { element, advance }: Rows): void {
  const { a, v } = f;
  // What is behind the columns' vectors: one register at AVX2, two at AVX-512; the last one of AVX2 holds masks elsewhere.
  const broadcasts = v.isWide ? 2 : 1;
  const sum = (row: number, index: number): Vector => v.register(row * vectors + index);
  const round = (u: number): void => {
    for (let index = 0; index < vectors; index++)
      a.vmovups(columnOf(f, index), at(columnAt), u * f.width + index * v.bytes);
    for (let row = 0; row < rows; row++) {
      const broadcast = v.register(VECTORS * (f.tileRows + 1) + (row % broadcasts));
      a.vbroadcastss(broadcast, ...element(row, u));
      for (let index = 0; index < vectors; index++)
        a[f.isRounded ? 'vdpbf16ps' : 'vfmadd231ps'](sum(row, index), broadcast, columnOf(f, index));
    }
  };
  const [single, done] = [a.label(), a.label()];
  a.mov(rax, rcx);
  a.shr(rax, 2);
  a.jz(single);
  a.align(32);
  const loop = a.here();
  for (let u = 0; u < UNROLL; u++) round(u);
  advance(UNROLL);
  a.addi(columnAt, UNROLL * f.width);
  a.dec(rax);
  a.jnz(loop);
  a.bind(single);
  a.andi(rcx, UNROLL - 1);
  a.jz(done);
  const last = a.here();
  round(0);
  advance(1);
  a.addi(columnAt, f.width);
  a.dec(rcx);
  a.jnz(last);
  a.bind(done);
  for (let row = 0; row < rows; row++)
    for (let index = 0; index < vectors; index++)
      a.vmovups(at(sumsAt), row * f.width + index * v.bytes, sum(row, index));
  a.addi(sumsAt, rows * f.width);
}
