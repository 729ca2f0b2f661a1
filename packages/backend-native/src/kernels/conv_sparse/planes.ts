/**
 * Pictures of bytes with channels last as a plane for each channel, its pixels in a row as {@link Flat} has them, padding between them:
 * what a tap of a channel sees of 64 pixels is a line at some distance.
 */

import type { Convolution, Windows } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  eax,
  edx,
  k1,
  qword,
  r8,
  r10,
  r12,
  r13,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  xmm,
  ZERO,
  zmm,
} from '@espalier/x64';
import { emitZeroPoint, type ZeroPoint } from '../matmul_int8/zero-point.ts';
import { LINE } from '../matmul_sparse/frame.ts';
import type { QuadLines } from '../matmul_sparse/quads.ts';
import { type Flat, piecesOf } from './flat.ts';

/** Channels that are turned together. */
export const CHANNELS = 16;

/** Bytes of the planes: of a phase, a channel (an odd number of lines, so that channels do not share sets of the caches), an image. */
export interface PlaneLayout {
  readonly tiles: number;
  readonly phase: number;
  readonly channel: number;
  readonly image: number;
}

export function planesOf({ channels }: Convolution, { positions, halo, phases }: Flat): PlaneLayout {
  const tiles = Math.ceil(positions / LINE);
  // What is stored last may go a line beyond.
  const phase = (tiles + Math.ceil(halo / LINE) + 1) * LINE;
  const lines = (phases.length * phase) / LINE;
  const channel = (lines + 1 - (lines % 2)) * LINE;
  return { tiles, phase, channel, image: Math.ceil(channels / CHANNELS) * CHANNELS * channel };
}

/** Where the line of each channel and tap lies. */
export const planeLines = ({ taps }: Flat, { channel, phase }: PlaneLayout): QuadLines => ({
  of(row) {
    const tap = taps[row % taps.length]!;
    return Math.floor(row / taps.length) * channel + tap.phase * phase + tap.ahead;
  },
  ...{ offsetBytes: 4, scale: 1 },
});

/** The argument block; behind it for each piece: bytes from the image's first, bytes from the channel's, how many pixels. */
export const planeWords = [
  'x',
  'aZero',
  'to',
  'scratch',
  'threadBytes',
  'xImage',
  'chunks',
  'image',
  'pieces',
] as const;
const argument = (name: (typeof planeWords)[number]): number => 8 * planeWords.indexOf(name);
const PIECE_WORDS = 3;

/** The table of pieces. */
export function pieceTable(conv: Convolution, windows: Windows, flat: Flat, { tiles, phase }: PlaneLayout): number[] {
  const end = tiles * LINE + flat.halo;
  return flat.phases.flatMap((_, i) =>
    piecesOf(flat, windows, conv.strides, i, [0, end], LINE).flatMap(({ from, to, count }) => [
      ...[from * conv.channels, i * phase + to, count],
    ]),
  );
}

/** How many times pixels are turned for an image. */
export const turnsOf = ({ channels }: Convolution, pieces: number): number => Math.ceil(channels / CHANNELS) * pieces;

/** Pixel `p` of a piece lies in memory so that vector `i` has pixels i, i + 16, i + 32 and i + 48. */
const placeOf = (pixel: number): number => (pixel % CHANNELS) * LINE + Math.floor(pixel / CHANNELS) * CHANNELS;
const FILL_AT = CHANNELS * LINE;
/** Bytes of memory that a thread needs. */
export const PLANE_SCRATCH = FILL_AT + LINE;

/** A unit turns sixteen channels of an image. Args in rdi, unit in rsi, thread in rdx. */
export function emitPlanes({ channels, strides }: Convolution, { channel }: PlaneLayout, zero: ZeroPoint): Uint8Array {
  const a = new Assembler();
  const args = at(rdi);
  const [from, to, piece, left] = [r12, r13, rsi, rcx];
  const thread = at(rbx);
  const step = channels * strides[2]!;
  a.imul(rdx, args, argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  emitZeroPoint(a, zero, args, argument('aZero'));
  a.vmovd(xmm(0), eax);
  a.vpbroadcastb(zmm(0), xmm(0));
  a.vmovups(thread, FILL_AT, zmm(0));
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(args), argument('chunks'));
  a.mov(from, rax);
  a.imul(from, args, argument('xImage'));
  a.add(from, args, argument('x'));
  a.imul(rax, args, argument('image'));
  a.add(rax, args, argument('to'));
  a.imuli(to, rdx, CHANNELS * channel);
  a.add(to, rax);
  const some = channels % CHANNELS;
  if (some > 0) {
    const isWhole = a.label();
    a.movi(eax, 0xffff);
    a.inc(rdx);
    a.cmp(rdx, args, argument('chunks'));
    a.jb(isWhole);
    a.movi(eax, (1 << some) - 1);
    a.bind(isWhole);
    a.kmovd(k1, eax);
    a.dec(rdx);
  }
  a.shl(rdx, Math.log2(CHANNELS));
  a.add(from, rdx);
  a.lea(piece, args, 8 * planeWords.length);
  a.mov(r10, args, argument('pieces'));
  const nextPiece = a.here();
  const gathered = a.label();
  a.vmovups(zmm(0), thread, FILL_AT);
  for (let i = 0; i < CHANNELS; i++) a.vmovups(thread, i * LINE, zmm(0));
  a.mov(r8, at(piece), 0);
  a.add(r8, from);
  a.mov(left, at(piece), 16);
  a.test(left, left);
  a.jz(gathered);
  const pixel: Address = at(r8);
  for (let i = 0; i < LINE; i++) {
    if (some > 0) a.vmovdqu8(xmm(0), pixel, 0, k1 | ZERO);
    else a.vmovups(xmm(0), pixel);
    if (zero.signed) a.vpxor(xmm(0), xmm(0), a.constant(new Uint8Array(CHANNELS).fill(0x80)));
    a.vmovups(thread, placeOf(i), xmm(0));
    if (i + 1 === LINE) break;
    a.dec(left);
    a.jz(gathered);
    a.addi(r8, step);
  }
  a.bind(gathered);
  for (let i = 0; i < CHANNELS; i++) a.vmovups(zmm(i), thread, i * LINE);
  emitTurnLanes(a);
  a.mov(r8, at(piece), 8);
  a.add(r8, to);
  for (let i = 0; i < CHANNELS; i++) a.vmovups(at(r8), i * channel, zmm(i));
  a.addi(piece, 8 * PIECE_WORDS);
  a.dec(r10);
  a.jnz(nextPiece);
  a.ret();
  return a.finish().slice();
}

/** In each lane of 128 bits byte `j` of register `i` becomes byte `i` of register `j`, 0 to 15; the other sixteen are clobbered. */
function emitTurnLanes(a: Assembler): void {
  // Each round moves the highest bit of a byte's place to the lowest of the register's, and that one's highest to the byte's lowest.
  for (let round = 0; round < Math.log2(CHANNELS); round++) {
    const [source, target] = round % 2 === 0 ? [0, CHANNELS] : [CHANNELS, 0];
    for (let i = 0; i < CHANNELS / 2; i++) {
      const [low, high] = [zmm(source + i), zmm(source + i + CHANNELS / 2)];
      a.vpunpcklbw(zmm(target + 2 * i), low, high);
      a.vpunpckhbw(zmm(target + 2 * i + 1), low, high);
    }
  }
}
