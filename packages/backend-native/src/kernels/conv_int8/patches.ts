/**
 * What the pixels of a convolution's result see, gathered into rows in scratch memory: for each tap of the kernel all channels of a
 * group, and for taps outside the input the zero point. Channels are last in the input, so that taps side by side are one piece.
 */

import {
  type Assembler,
  at,
  eax,
  edx,
  qword,
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
  rdi,
  rdx,
  type Vector,
  xmm,
} from '@espalier/x64';
import { type DotIsa, elementBytes, lanesOf, register } from '../matmul_int8/isa.ts';
import { emitLaneSum } from '../matmul_int8/rows.ts';
import { from, Pieces, to } from './pieces.ts';

/** Dims of a picture with channels last as ONNX has them: channels before all spatial axes. */
export const channelsFirst = ([batch, ...rest]: readonly number[]): number[] => [
  ...[batch!, rest.at(-1)!, ...rest.slice(0, -1)],
];

/** What is known of the patches when their code is emitted; a bound call's sizes come in {@link patchWords}. */
export interface Patches {
  /** Channels of a group, and of a pixel. */
  readonly channels: number;
  readonly pixel: number;
  /** Along three axes. */
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** `inside`: at how many positions from 0 on a row of the kernel is wholly inside; `patchTerms`, `patchRows`: offsets in scratch memory. */
export const patchWords = [
  'x',
  'xImage',
  'patchTerms',
  'patchRows',
  'inDepth',
  'inHeight',
  'inWidth',
  'inside',
  'outDepth',
  'outHeight',
  'outWidth',
  'padDepth',
  'padHeight',
  'padWidth',
] as const;

/** Words of the thread's memory that gathering needs. */
export const patchLocals = ['image', 'term', 'planes'] as const;

/** Sizes of a call along three axes, and padding before them. */
export interface PatchSizes {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly begin: readonly number[];
}

/** The words that sizes tell. */
export function patchWordsOf({ pixel, kernel, dilations }: Patches, { input, output, begin }: PatchSizes) {
  const extent = (kernel[2]! - 1) * dilations[2]! + 1;
  return {
    ...{ xImage: pixel * input.reduce((a, b) => a * b, 1), inside: Math.max(0, input[2]! - extent + 1) },
    ...{ inDepth: input[0]!, inHeight: input[1]!, inWidth: input[2]! },
    ...{ outDepth: output[0]!, outHeight: output[1]!, outWidth: output[2]! },
    ...{ padDepth: begin[0]!, padHeight: begin[1]!, padWidth: begin[2]! },
  };
}

/** Where words are: of the argument block from rdi on, of the thread's memory from rbx on. */
export interface Places {
  argument(name: (typeof patchWords)[number] | 'aRow'): number;
  local(name: (typeof patchLocals)[number]): number;
}

/** Elements of a row. */
export const rowElements = ({ channels, kernel }: Patches): number => kernel.reduce((a, b) => a * b, channels);

const args = at(rdi);
const thread = at(rbx);
const [column, line, plane, rowsLeft, y, z, x, lines] = [r9, r10, r11, r12, r13, r14, r15, rcx];
const LINE = 64;

/**
 * Gathers as many rows as r12 says to r8 on, from row r14 of all images on, of channels from rbp bytes into a pixel on; the zero point of
 * unsigned elements is in eax. Changes all registers but rdi and rbx.
 * @param signed elements in memory are
 * @param hasTerms stores for each row the sum of its elements less their zero points, from the address in rsi on
 */
export function emitPatches(
  a: Assembler,
  isa: DotIsa,
  patches: Patches,
  { signed, hasTerms }: { readonly signed: boolean; readonly hasTerms: boolean },
  places: Places,
): void {
  const { kernel, strides, dilations } = patches;
  const bytes = rowElements(patches) * elementBytes(isa);
  const pieces = new Pieces(a, isa, signed);
  if (hasTerms) a.mov(thread, places.local('term'), from);
  pieces.begin();
  emitLocate(a, places);
  const row = a.here();
  const begin = (of: typeof x, index: typeof x, axis: number, pad: 'padDepth' | 'padHeight' | 'padWidth'): void => {
    a.imuli(of, index, strides[axis]!);
    a.sub(of, args, places.argument(pad));
  };
  begin(x, column, 2, 'padWidth');
  begin(z, plane, 0, 'padDepth');
  a.movi(rax, kernel[0]!);
  a.mov(thread, places.local('planes'), rax);
  const nextPlane = a.here();
  begin(y, line, 1, 'padHeight');
  a.movi(lines, kernel[1]!);
  const nextLine = a.here();
  emitLine(a, isa, patches, pieces, places);
  a.addi(y, dilations[1]!);
  a.dec(lines);
  a.jnz(nextLine);
  if (kernel[0]! > 1) {
    a.addi(z, dilations[0]!);
    a.dec(qword(thread), places.local('planes'));
    a.jnz(nextPlane);
  }
  if (hasTerms) emitTerm(a, isa, pieces, bytes, places);
  a.subi(to, bytes);
  a.add(to, args, places.argument('aRow'));
  emitAdvance(a, places);
  a.dec(rowsLeft);
  a.jnz(row);
}

/** Where row r14 is in the result, and its image in the input. */
function emitLocate(a: Assembler, places: Places): void {
  a.mov(rax, r14);
  for (const [index, extent] of [
    [column, 'outWidth'],
    [line, 'outHeight'],
    [plane, 'outDepth'],
  ] as const) {
    a.xor(edx, edx);
    a.div(qword(args), places.argument(extent));
    a.mov(index, rdx);
  }
  a.imul(rax, args, places.argument('xImage'));
  a.add(rax, args, places.argument('x'));
  a.add(rax, rbp);
  a.mov(thread, places.local('image'), rax);
}

/** On to the next pixel of the result. */
function emitAdvance(a: Assembler, places: Places): void {
  const same = a.label();
  for (const [index, extent] of [
    [column, 'outWidth'],
    [line, 'outHeight'],
    [plane, 'outDepth'],
  ] as const) {
    a.inc(index);
    a.cmp(index, args, places.argument(extent));
    a.jb(same);
    a.xor(index, index);
  }
  a.mov(rax, args, places.argument('xImage'));
  a.add(rax, thread, places.local('image'));
  a.mov(thread, places.local('image'), rax);
  a.bind(same);
}

/** What one line of the kernel sees, from pixel x of line y of plane z on. */
function emitLine(
  a: Assembler,
  isa: DotIsa,
  { channels, pixel, kernel, dilations }: Patches,
  pieces: Pieces,
  places: Places,
): void {
  const width = kernel[2]!;
  const run = width * channels;
  const [outside, taps, done] = [a.label(), a.label(), a.label()];
  for (const [position, extent] of [
    [z, 'inDepth'],
    [y, 'inHeight'],
  ] as const) {
    // What is before the first is far behind the last, as a number without a sign.
    a.cmp(position, args, places.argument(extent));
    a.jae(outside);
  }
  a.mov(from, z);
  a.imul(from, args, places.argument('inHeight'));
  a.add(from, y);
  a.imul(from, args, places.argument('inWidth'));
  a.add(from, x);
  a.imuli(from, from, pixel);
  a.add(from, thread, places.local('image'));
  if (width === 1 || (dilations[2] === 1 && channels === pixel)) {
    a.cmp(x, args, places.argument('inside'));
    a.jae(width === 1 ? outside : taps);
    pieces.copy(run);
    a.addi(to, run * elementBytes(isa));
    a.jmp(done);
  }
  if (width > 1) {
    const [left, position] = [rbp, rdx];
    const [none, next] = [a.label(), a.label()];
    a.bind(taps);
    a.mov(position, x);
    a.movi(left, width);
    const tap = a.here();
    a.cmp(position, args, places.argument('inWidth'));
    a.jae(none);
    pieces.copy(channels);
    a.jmp(next);
    a.bind(none);
    pieces.level(channels);
    a.bind(next);
    a.addi(to, channels * elementBytes(isa));
    a.addi(from, dilations[2]! * pixel);
    a.addi(position, dilations[2]!);
    a.dec(left);
    a.jnz(tap);
    a.jmp(done);
  }
  a.bind(outside);
  pieces.level(run);
  a.addi(to, run * elementBytes(isa));
  a.bind(done);
}

/** The term of the row that ends at r8: whole lines are added up, filled with the zero point, which counts as 0. */
function emitTerm(a: Assembler, isa: DotIsa, pieces: Pieces, bytes: number, places: Places): void {
  const whole = Math.ceil(bytes / LINE) * LINE;
  const isWidened = elementBytes(isa) === 2;
  const [sum, element, ones, t] = [0, 1, 2, 3].map((i) => register(isa, i)) as [Vector, Vector, Vector, Vector];
  if (whole > bytes) pieces.level((whole - bytes) / elementBytes(isa));
  a.vpbroadcastd(ones, a.constant(Uint32Array.of(isWidened ? 0x00010001 : 0x01010101)));
  a.vpxor(xmm(0), xmm(0), xmm(0));
  a.lea(from, at(to), -bytes);
  a.movi(rax, whole / LINE);
  const loop = a.here();
  for (let offset = 0; offset < LINE; offset += 4 * lanesOf(isa)) {
    a.vmovups(element, at(from), offset);
    if (isWidened) {
      a.vpmaddwd(t, element, ones);
      a.vpaddd(sum, sum, t);
    } else isa.dot(a, sum, element, ones, t);
  }
  a.addi(from, LINE);
  a.dec(rax);
  a.jnz(loop);
  emitLaneSum(a, isa);
  pieces.loadLevel(edx);
  a.imuli(edx, edx, whole / elementBytes(isa));
  a.sub(eax, edx);
  a.mov(rdx, thread, places.local('term'));
  a.mov(at(rdx), 0, eax);
  a.addi(rdx, 4);
  a.mov(thread, places.local('term'), rdx);
}
