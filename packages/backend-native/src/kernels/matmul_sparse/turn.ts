/** A turned: its rows become lanes. */

import {
  type Address,
  Assembler,
  at,
  edx,
  k1,
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
  rcx,
  rdi,
  rdx,
  rsi,
  ZERO,
  zmm,
} from '@espalier/x64';
import { LINE } from './frame.ts';
import { emitSquare, SIDE } from './square.ts';

/** The argument block: A, bytes of a row, rows, where tiles go, and scratch memory. */
export const turnWords = ['from', 'step', 'rows', 'to', 'scratch', 'threadBytes'] as const;
const argument = (name: (typeof turnWords)[number]): number => 8 * turnWords.indexOf(name);

/**
 * Rows of A into lines of 32 bits of each, a float or four bytes: a unit turns one tile. Arguments as {@link turnWords} has them.
 * @param k elements of 32 bits in a row @param signed bytes become unsigned, 128 more
 */
export function emitTurn(k: number, signed = false): Uint8Array {
  const a = new Assembler();
  const [from, step, rows, to] = [r8, r9, rcx, r10];
  const [step3, second, third, fourth, count] = [r11, r12, r13, r14, rax];
  a.mov(from, at(rdi), argument('from'));
  a.mov(step, at(rdi), argument('step'));
  a.mov(rows, at(rdi), argument('rows'));
  a.mov(to, at(rdi), argument('to'));
  a.imuli(rdx, rsi, SIDE);
  a.sub(rows, rdx);
  a.imul(rdx, step);
  a.add(from, rdx);
  a.imuli(rdx, rsi, k * LINE);
  a.add(to, rdx);
  a.lea(step3, at(step, step, 2));
  a.lea(second, at(from, step, 4));
  a.lea(third, at(second, step, 4));
  a.lea(fourth, at(third, step, 4));
  const bases = [from, second, third, fourth];
  const block = (columns: number): void => {
    const done = a.label();
    if (columns < SIDE) {
      a.movi(edx, (1 << columns) - 1);
      a.kmovd(k1, edx);
    }
    for (let row = 0; row < SIDE; row++) {
      if (row > 0) {
        a.cmpi(rows, row);
        a.jbe(done);
      }
      const base = bases[row >> 2]!;
      const address = [at(base), at(base, step), at(base, step, 2), at(base, step3)][row & 3]!;
      a.vmovups(zmm(row), address, 0, columns < SIDE ? k1 | ZERO : 0);
    }
    a.bind(done);
    emitSquare(a);
    if (signed) {
      a.vpbroadcastd(zmm(31), a.constant(Uint32Array.of(0x80808080)));
      for (let column = 0; column < columns; column++) a.vpxord(zmm(column), zmm(column), zmm(31));
    }
    for (let column = 0; column < columns; column++) a.vmovups(at(to), column * LINE, zmm(column));
  };
  const whole = Math.floor(k / SIDE);
  if (whole > 0) {
    a.movi(count, whole);
    const loop = a.here();
    block(SIDE);
    for (const base of bases) a.addi(base, LINE);
    a.addi(to, SIDE * LINE);
    a.dec(count);
    a.jnz(loop);
  }
  if (k % SIDE > 0) block(k % SIDE);
  a.ret();
  return a.finish().slice();
}

/** Tokens in a tile of bytes. */
export const BYTE_ROWS = 64;
/** Bytes of a tile of bytes: a line for each column, and for those that fill up the last 64. */
export const byteTile = (k: number): number => Math.ceil(k / LINE) * LINE * LINE;

/**
 * The same for bytes, in tiles of 64: line `c` has column `c` of token `16 d + 4 l + b` at its lane `l` of 128 bits, 32 bits `d`, byte `b`,
 * so that bytes interleaved twice are four columns of sixteen tokens in order. Those that are `signed` become unsigned, 128 more.
 */
export function emitTurnBytes(k: number, signed: boolean): Uint8Array {
  const a = new Assembler();
  const [from, step, rows, to, square] = [r8, r9, rcx, r10, rbp];
  const [step3, second, third, fourth, count] = [r11, r12, r13, r14, rax];
  a.imul(rdx, at(rdi), argument('threadBytes'));
  a.mov(square, at(rdi), argument('scratch'));
  a.add(square, rdx);
  a.mov(from, at(rdi), argument('from'));
  a.mov(step, at(rdi), argument('step'));
  a.mov(rows, at(rdi), argument('rows'));
  a.mov(to, at(rdi), argument('to'));
  a.imuli(rdx, rsi, BYTE_ROWS);
  a.sub(rows, rdx);
  a.imul(rdx, step);
  a.add(from, rdx);
  a.imuli(rdx, rsi, byteTile(k));
  a.add(to, rdx);
  a.lea(step3, at(step, step, 2));
  const bases = [r15, second, third, fourth];
  const rowAt = (row: number): Address => {
    const base = bases[row >> 2]!;
    return [at(base), at(base, step), at(base, step, 2), at(base, step3)][row & 3]!;
  };
  const block = (columns: number): void => {
    a.mov(r15, from);
    for (let part = 0; part < BYTE_ROWS / SIDE; part++) {
      const done = a.label();
      a.lea(second, at(r15, step, 4));
      a.lea(third, at(second, step, 4));
      a.lea(fourth, at(third, step, 4));
      for (let row = 0; row < SIDE; row++) {
        if (part + row > 0) {
          a.cmpi(rows, part * SIDE + row);
          a.jbe(done);
        }
        if (columns < LINE) a.vmovdqu8(zmm(row), rowAt(row), 0, k1 | ZERO);
        else a.vmovups(zmm(row), rowAt(row));
      }
      a.bind(done);
      emitSquare(a);
      for (let i = 0; i < SIDE; i++) a.vmovups(at(square), (part * SIDE + i) * LINE, zmm(i));
      a.lea(r15, at(fourth, step, 4));
    }
    a.vbroadcasti32x4(zmm(30), a.constant(Uint8Array.of(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
    if (signed) a.vpbroadcastd(zmm(31), a.constant(Uint32Array.of(0x80808080)));
    for (let quad = 0; quad < Math.ceil(columns / 4); quad++) {
      for (let part = 0; part < 4; part++) {
        a.vmovups(zmm(part), at(square), (part * SIDE + quad) * LINE);
        if (signed) a.vpxord(zmm(part), zmm(part), zmm(31));
        a.vpshufb(zmm(part), zmm(part), zmm(30));
      }
      a.vunpcklps(zmm(4), zmm(0), zmm(1));
      a.vunpckhps(zmm(5), zmm(0), zmm(1));
      a.vunpcklps(zmm(6), zmm(2), zmm(3));
      a.vunpckhps(zmm(7), zmm(2), zmm(3));
      a.vunpcklpd(zmm(0), zmm(4), zmm(6));
      a.vunpckhpd(zmm(1), zmm(4), zmm(6));
      a.vunpcklpd(zmm(2), zmm(5), zmm(7));
      a.vunpckhpd(zmm(3), zmm(5), zmm(7));
      for (let i = 0; i < 4; i++) a.vmovups(at(to), (4 * quad + i) * LINE, zmm(i));
    }
  };
  const whole = Math.floor(k / LINE);
  if (whole > 0) {
    a.movi(count, whole);
    const loop = a.here();
    block(LINE);
    a.addi(from, LINE);
    a.addi(to, LINE * LINE);
    a.dec(count);
    a.jnz(loop);
  }
  if (k % LINE > 0) {
    a.movi(rdx, 1);
    a.shl(rdx, k % LINE);
    a.dec(rdx);
    a.kmovq(k1, rdx);
    block(k % LINE);
  }
  a.ret();
  return a.finish().slice();
}
