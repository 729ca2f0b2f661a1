/**
 * The code that copies what the filters see of an image: for a tile of neighbouring pixels one row for each channel and tap, with
 * zeros where a tap lies outside. Where taps lie is worked out once for all channels, as pieces of rows.
 */

import type { Convolution } from '@espalier/lowering';
import {
  type Address,
  type Assembler,
  at,
  cl,
  eax,
  edx,
  type Gpr,
  k1,
  k2,
  qword,
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
  rdx,
  rsi,
  type Vector,
  ZERO,
} from '@espalier/x64';
import { avx512, type Isa } from '../matmul/isa.ts';
import { args, argument, local, PIECE, SEGMENT, segmentWords, type Tile, tapWords, thread } from './frame.ts';

const segment = (name: (typeof segmentWords)[number]): number => 8 * segmentWords.indexOf(name);
const tap = (name: (typeof tapWords)[number]): number => 8 * tapWords.indexOf(name);
const TAP = 8 * tapWords.length;

export interface Gather {
  readonly isa: Isa;
  readonly tile: Tile;
  readonly conv: Convolution;
  /** Where its tables are in the thread's scratch memory, and the taps among the arguments. */
  readonly segments: number;
  readonly pieces: number;
  readonly taps: number;
}

/**
 * Copies the patches of tile rax, rcx pixels of it, for the unit's channels from local `channel` on, to r9. Changes all registers but
 * rdi, rbx.
 */
export function emitGather(a: Assembler, gather: Gather): void {
  if (gather.conv.isPointwise) emitCopy(a, gather);
  else {
    emitSegments(a, gather);
    emitPieces(a, gather);
    emitChannels(a, gather);
  }
}

/** Where the chunk begins in the image, and how many channels it has. */
function locateChunk(a: Assembler, from: Gpr, channels: Gpr): void {
  a.mov(from, thread, local('channel'));
  a.imul(from, args, argument('xChannel'));
  a.add(from, thread, local('x'));
  a.mov(channels, thread, local('channels'));
}

/** Rows of a panel fetched ahead: the next channels of the same pixels are far away. */
export const AHEAD = 8;

/** Of filters of one tap patches are the image itself. */
function emitCopy(a: Assembler, { isa, tile }: Gather): void {
  const [from, to, step, channels, count] = [r8, r9, r11, r10, rcx];
  a.imuli(rax, rax, 4 * tile.pixels);
  locateChunk(a, from, channels);
  a.add(from, rax);
  a.mov(step, args, argument('xChannel'));
  const done = a.label();
  const vectorBytes = 4 * isa.lanes;
  const vectors = tile.pitch / vectorBytes;
  const copy = (whole: number, isMasked: boolean): void => {
    const loop = a.here();
    const each = Array.from({ length: whole + (isMasked ? 1 : 0) }, (_, v) => isa.register(v));
    for (const [v, x] of each.entries()) isa.load(a, x, at(from), v * vectorBytes, v === whole);
    if (whole > 0) for (let line = 0; line < tile.pitch; line += 64) a.prefetcht0(at(from, step, AHEAD), line);
    for (const [v, x] of each.entries()) a.vmovups(at(to), v * vectorBytes, x);
    a.add(from, step);
    a.addi(to, tile.pitch);
    a.dec(channels);
    a.jnz(loop);
    a.jmp(done);
  };
  for (let whole = 0; whole < vectors; whole++) {
    const more = a.label();
    a.cmpi(count, isa.lanes);
    a.jae(more);
    const none = a.label();
    a.test(count, count);
    a.jz(none);
    isa.setMask(a);
    copy(whole, true);
    a.bind(none);
    if (whole > 0) copy(whole, false);
    a.bind(more);
    a.subi(count, isa.lanes);
  }
  if (tile.pixels >= vectors * isa.lanes) copy(vectors, false);
  a.bind(done);
}

/** The runs of the tile's pixels that stand in one row of the result, none longer than a vector. */
function emitSegments(a: Assembler, { isa, tile, conv, segments }: Gather): void {
  const [column, row, plane, lane, left, to, count] = [r12, r13, r14, r15, rcx, rsi, r8];
  a.imuli(rax, rax, tile.pixels);
  a.xor(edx, edx);
  a.div(qword(args), argument('outWidth'));
  a.mov(column, rdx);
  a.xor(edx, edx);
  a.div(qword(args), argument('outHeight'));
  a.mov(row, rdx);
  a.mov(plane, rax);
  a.xor(lane, lane);
  a.lea(to, thread, segments);
  const loop = a.here();
  const isInRow = a.label();
  a.mov(count, args, argument('outWidth'));
  a.sub(count, column);
  a.cmp(count, left);
  a.cmova(count, left);
  a.movi(rax, isa.lanes);
  a.cmp(count, rax);
  a.cmova(count, rax);
  const [inRow, inPlane] = [rdx, r10];
  a.imuli(inRow, row, conv.strides[1]!);
  a.imuli(inPlane, plane, conv.strides[0]!);
  a.mov(at(to), segment('column'), column);
  a.mov(at(to), segment('count'), count);
  a.mov(at(to), segment('lane'), lane);
  a.mov(at(to), segment('row'), inRow);
  a.mov(at(to), segment('plane'), inPlane);
  a.imul(inPlane, args, argument('inHeight'));
  a.add(inPlane, inRow);
  a.imul(inPlane, args, argument('inWidth'));
  a.imuli(rax, column, conv.strides[2]!);
  a.add(inPlane, rax);
  a.shl(inPlane, 2);
  a.mov(at(to), segment('base'), inPlane);
  a.addi(to, SEGMENT);
  a.lea(lane, at(lane, count, 4));
  a.add(column, count);
  a.sub(left, count);
  a.cmp(column, args, argument('outWidth'));
  a.jb(isInRow);
  a.xor(column, column);
  a.inc(row);
  a.cmp(row, args, argument('outHeight'));
  a.jb(isInRow);
  a.xor(row, row);
  a.inc(plane);
  a.bind(isInRow);
  a.test(left, left);
  a.jnz(loop);
}

/** For each tap and run: where its elements are, and which of them are inside. Keeps r9. */
function emitPieces(a: Assembler, { tile, conv, segments, pieces, taps }: Gather): void {
  const [run, runs, taken, tapsLeft, to, target] = [r8, rsi, r10, r11, r12, r13];
  const [begin, end] = [r14, r15];
  const isDouble = conv.strides[2] === 2;
  a.lea(taken, args, taps);
  a.movi(tapsLeft, conv.taps);
  a.lea(to, thread, pieces);
  a.xor(target, target);
  const nextTap = a.here();
  a.lea(run, thread, segments);
  const nextRun = a.here();
  const [outside, done] = [a.label(), a.label()];
  for (const [name, word, extent] of [
    ['plane', 'plane', 'inDepth'],
    ['row', 'row', 'inHeight'],
  ] as const) {
    a.mov(rax, at(run), segment(name));
    a.add(rax, at(taken), tap(word));
    a.cmp(rax, args, argument(extent));
    a.jae(outside);
  }
  // From the first pixel of the run.
  a.mov(begin, at(taken), tap('first'));
  a.sub(begin, at(run), segment('column'));
  a.xor(eax, eax);
  a.cmp(begin, rax);
  a.cmovl(begin, rax);
  a.mov(end, at(taken), tap('end'));
  a.sub(end, at(run), segment('column'));
  a.mov(rax, at(run), segment('count'));
  a.cmp(end, rax);
  a.cmovg(end, rax);
  a.cmp(end, begin);
  a.jle(outside);
  // Every second element of a double stride is read beside the others: it lies between them.
  if (isDouble) {
    a.add(begin, begin);
    a.lea(end, at(end, end), -1);
  }
  a.mov(rcx, end);
  a.movi(eax, 1);
  a.shl(rax, cl);
  a.mov(rcx, begin);
  a.movi(edx, 1);
  a.shl(rdx, cl);
  a.sub(rax, rdx);
  a.jmp(done);
  a.bind(outside);
  a.xor(eax, eax);
  a.bind(done);
  a.mov(at(to), 12, eax);
  a.mov(rax, at(run), segment('base'));
  a.add(rax, at(taken), tap('offset'));
  a.mov(at(to), 0, rax);
  a.mov(rax, at(run), segment('lane'));
  a.add(rax, target);
  a.mov(at(to), 8, eax);
  a.addi(to, PIECE);
  a.addi(run, SEGMENT);
  a.cmp(run, runs);
  a.jb(nextRun);
  a.addi(target, tile.pitch);
  a.addi(taken, TAP);
  a.dec(tapsLeft);
  a.jnz(nextTap);
  a.mov(thread, local('pieces'), to);
}

/** All pieces of one channel after the other. A vector that is longer than its piece is overwritten by the next. */
function emitChannels(a: Assembler, gather: Gather): void {
  const { isa, tile, conv, pieces } = gather;
  const [from, to, channels, step, piece, end] = [r8, r9, r10, r11, rsi, rbp];
  locateChunk(a, from, channels);
  a.mov(step, args, argument('xChannel'));
  a.mov(end, thread, local('pieces'));
  const reader = emitReader(a, isa, conv.strides[2]!);
  const nextChannel = a.here();
  a.lea(piece, thread, pieces);
  const nextPiece = a.here();
  a.mov(rax, at(piece), 0);
  a.mov(edx, at(piece), 8);
  a.add(rax, from);
  reader.mask(at(piece), 12);
  reader.read(isa.register(0));
  a.vmovups(at(to, rdx), 0, isa.register(0));
  a.addi(piece, PIECE);
  a.cmp(piece, end);
  a.jb(nextPiece);
  a.add(from, step);
  a.addi(to, conv.taps * tile.pitch);
  a.dec(channels);
  a.jnz(nextChannel);
}

/** Reads elements of a row that are a stride apart. */
export interface Reader {
  /** Has `read` take as many vectors as wished of only those elements that the bits at an address tell, counted from the first. */
  mask(bits: Address, offset: number): void;
  /** Elements from rax on; zeros for others. */
  read(to: Vector): void;
}

/** Uses registers from 8 on where the stride is more than 1; masks are k1 and k2, or registers as well. */
export function emitReader(a: Assembler, isa: Isa, stride: number): Reader {
  const lanes = Array.from({ length: isa.lanes }, (_, i) => i);
  const [second, indices, bits, highBits, low, high] = [8, 9, 10, 11, 12, 13].map((i) => isa.register(i)) as [
    Vector,
    Vector,
    Vector,
    Vector,
    Vector,
    Vector,
  ];
  const isWide = isa === avx512;
  if (stride > 2 || (isWide && stride === 2)) a.vmovups(indices, a.constant(Int32Array.from(lanes, (i) => stride * i)));
  if (isWide)
    return {
      mask(address, offset) {
        a.kmovd(k1, address, offset);
        if (stride === 2) a.kshiftrd(k2, k1, 16);
      },
      read(to) {
        if (stride === 1) a.vmovups(to, at(rax), 0, k1 | ZERO);
        else if (stride === 2) {
          a.vmovups(to, at(rax), 0, k1 | ZERO);
          a.vmovups(second, at(rax), 64, k2 | ZERO);
          a.vpermt2ps(to, indices, second);
        } else {
          a.kmovd(k2, k1);
          a.vxorps(to, to, to);
          a.vgatherdps(to, at(rax, indices, 4), 0, k2);
        }
      },
    };
  a.vmovups(bits, a.constant(Int32Array.from(lanes, (i) => 1 << i)));
  if (stride === 2) a.vmovups(highBits, a.constant(Int32Array.from(lanes, (i) => 1 << (i + 8))));
  const EVEN = 0x88;
  const QUARTERS = 0xd8;
  return {
    mask(address, offset) {
      for (const [mask, which] of [[low, bits] as const, ...(stride === 2 ? [[high, highBits] as const] : [])]) {
        a.vpbroadcastd(mask, address, offset);
        a.vpand(mask, mask, which);
        a.vpcmpeqd(mask, mask, which);
      }
    },
    read(to) {
      if (stride === 1) a.vmaskmovps(to, low, at(rax), 0);
      else if (stride === 2) {
        a.vmaskmovps(to, low, at(rax), 0);
        a.vmaskmovps(second, high, at(rax), 32);
        a.vshufps(to, to, second, EVEN);
        a.vpermqi(to, to, QUARTERS);
      } else {
        a.vmovaps(high, low);
        a.vxorps(to, to, to);
        a.vgatherdps(to, at(rax, indices, 4), 0, high);
      }
    },
  };
}
