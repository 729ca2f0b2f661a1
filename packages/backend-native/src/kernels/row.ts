/** Loops over rows of float32: whole vectors four at a time, then one at a time, then what is left under a mask. */

import {
  type Assembler,
  at,
  cl,
  eax,
  type Gpr,
  k1,
  r11,
  r12,
  r13,
  rax,
  rbp,
  rcx,
  rdi,
  rsi,
  type Vector,
  xmm,
  ymm,
  ZERO,
} from '@espalier/x64';
import type { NativeFeature } from '../cpu.ts';
import type { Vectors } from '../math/vectors.ts';

/** Registers of the instruction sets that kernels over rows are written for, by name. */
export const widths: readonly { name: string; isWide: boolean; lanes: number; requires: readonly NativeFeature[] }[] = [
  { name: 'avx512', isWide: true, lanes: 16, requires: ['avx512'] },
  { name: 'avx2', isWide: false, lanes: 8, requires: ['avx2', 'fma'] },
];

/** Vectors that a round of the main loop takes, each with an accumulator of its own where there is one. */
export const UNROLL = 4;
/** The register behind all others, which holds the mask where it is a vector. */
const MASK = 15;

/** A vector's worth of a row, at the same place in every operand. */
export interface Block {
  /** 0 to {@link UNROLL} - 1. */
  readonly index: number;
  /** Lanes beyond the row become zero. */
  load(dst: Vector, pointer: Gpr): void;
  /** Lanes beyond the row become those of `rest`. */
  loadOr(dst: Vector, pointer: Gpr, rest: Vector): void;
  store(pointer: Gpr, src: Vector): void;
  /** Makes lanes beyond the row zero. */
  clear(x: Vector): void;
}

/**
 * Runs `body` over as many elements as rcx says. Clobbers rax, rcx, r11, k1 or ymm15.
 * @param body gets blocks of the rows that the pointers in other registers begin at
 */
export function emitRow(v: Vectors, body: (block: Block) => void): void {
  const { a } = v;
  a.xor(r11, r11);
  for (const count of [UNROLL, 1]) {
    const [loop, done] = [a.label(), a.label()];
    a.subi(rcx, count * v.lanes);
    a.jb(done);
    a.bind(loop);
    for (let i = 0; i < count; i++) body(wholeBlock(v, i));
    a.addi(r11, count * v.bytes);
    a.subi(rcx, count * v.lanes);
    a.jae(loop);
    a.bind(done);
    a.addi(rcx, count * v.lanes);
  }
  const end = a.label();
  a.test(rcx, rcx);
  a.jz(end);
  setMask(v);
  body(tailBlock(v));
  a.bind(end);
}

function wholeBlock(v: Vectors, index: number): Block {
  const { a, bytes } = v;
  const load = (dst: Vector, pointer: Gpr): void => a.vmovups(dst, at(pointer, r11), index * bytes);
  return {
    index,
    load,
    loadOr: load,
    store: (pointer, src) => a.vmovups(at(pointer, r11), index * bytes, src),
    clear() {},
  };
}

function tailBlock(v: Vectors): Block {
  const { a } = v;
  if (v.isWide)
    return {
      index: 0,
      load: (dst, pointer) => a.vmovups(dst, at(pointer, r11), 0, k1 | ZERO),
      loadOr(dst, pointer, rest) {
        a.vmovaps(dst, rest);
        a.vmovups(dst, at(pointer, r11), 0, k1);
      },
      store: (pointer, src) => a.vmovups(at(pointer, r11), 0, src, k1),
      clear: (x) => a.vmovaps(x, x, k1 | ZERO),
    };
  const mask = v.register(MASK);
  const load = (dst: Vector, pointer: Gpr): void => a.vmaskmovps(dst, mask, at(pointer, r11), 0);
  return {
    index: 0,
    load,
    loadOr(dst, pointer, rest) {
      load(dst, pointer);
      a.vblendvps(dst, rest, dst, mask);
    },
    store: (pointer, src) => a.vmaskmovps(at(pointer, r11), 0, mask, src),
    clear: (x) => a.vandps(x, x, mask),
  };
}

/** As many lanes as rcx says, 1 to one less than all. */
function setMask(v: Vectors): void {
  const { a, lanes } = v;
  if (v.isWide) {
    a.movi(eax, 1);
    a.shl(eax, cl);
    a.dec(eax);
    a.kmovd(k1, eax);
    return;
  }
  // A window that slides over ones, then zeros.
  const window = Int32Array.from({ length: 2 * lanes }, (_, i) => (i < lanes ? -1 : 0));
  a.lea(rax, a.constant(window));
  a.shl(rcx, 2);
  a.sub(rax, rcx);
  a.vmovups(v.register(MASK), at(rax), v.bytes);
}

/** Where a unit's rows are in the argument block: rows, rows of a unit, elements of a row, then pointers. */
const POINTERS = 24;

/**
 * A whole kernel over rows, those of a unit one after the other: `body` computes one; r12 holds its elements, `moving` point to
 * it in each operand, `fixed` to what all rows share. Clobbers rax, rbp, rsi, r12, r13.
 */
export function emitRows(a: Assembler, moving: readonly Gpr[], fixed: readonly Gpr[], body: () => void): void {
  a.mov(rbp, at(rdi), 8);
  a.imul(rsi, rbp);
  a.mov(rax, at(rdi), 0);
  a.sub(rax, rsi);
  a.cmp(rbp, rax);
  a.cmova(rbp, rax);
  a.mov(r12, at(rdi), 16);
  a.mov(r13, r12);
  a.shl(r13, 2);
  a.imul(rsi, r13);
  for (const [i, pointer] of [...moving, ...fixed].entries()) a.mov(pointer, at(rdi), POINTERS + 8 * i);
  for (const pointer of moving) a.add(pointer, rsi);
  const loop = a.here();
  body();
  for (const pointer of moving) a.add(pointer, r13);
  a.dec(rbp);
  a.jnz(loop);
  a.ret();
}

/** One pass over the row of {@link emitRows}. */
export function emitPass(v: Vectors, body: (block: Block) => void): void {
  v.a.mov(rcx, r12);
  emitRow(v, body);
}

/** Folds {@link UNROLL} accumulators into every lane of the first. Clobbers the others. */
export function emitFold(v: Vectors, [sum, ...others]: readonly Vector[], op: 'vaddps' | 'vmaxps' | 'vminps'): void {
  const { a } = v;
  for (const other of others) a[op](sum!, sum!, other);
  const [s, t] = [sum! & 0xff, others[0]! & 0xff];
  if (v.isWide) {
    a.vextractf64x4(ymm(t), sum!, 1);
    a[op](ymm(s), ymm(s), ymm(t));
  }
  a.vextractf128(xmm(t), ymm(s), 1);
  a[op](xmm(s), xmm(s), xmm(t));
  for (const order of [SWAP_PAIRS, SWAP_NEIGHBOURS]) {
    a.vshufps(xmm(t), xmm(s), xmm(s), order);
    a[op](xmm(s), xmm(s), xmm(t));
  }
  a.vbroadcastss(sum!, xmm(s));
}

const SWAP_PAIRS = 0x4e;
const SWAP_NEIGHBOURS = 0xb1;
