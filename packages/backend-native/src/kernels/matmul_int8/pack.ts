/**
 * Matrices of bytes packed for dot products. Panels of two vectors of columns, one behind the other; in each, steps along K with
 * `depth` elements of every column side by side, signed, zeros where there are none. Behind the panels, for every column (those that
 * fill up the last panel included): the sum of its elements, its scale, its zero point, each 32 bits.
 */

import type { Tensor } from '@espalier/core';
import {
  Assembler,
  al,
  at,
  byte,
  eax,
  ecx,
  edx,
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
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  xmm,
} from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import { type Engine, runOnce } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import { type DotIsa, lanesOf, panelColumns, register, stepBytes, weightBytes } from './isa.ts';

/** Where the parts of a packed matrix are, in bytes. */
export interface Packing {
  readonly steps: number;
  readonly panels: number;
  readonly panelBytes: number;
  /** Columns, those that fill up the last panel included. */
  readonly columns: number;
  readonly parameters: number;
  readonly bytes: number;
}

export function packing(isa: DotIsa, k: number, n: number): Packing {
  const { tileSteps = 1 } = isa;
  const steps = Math.ceil(k / isa.depth / tileSteps) * tileSteps;
  const panels = Math.ceil(n / panelColumns(isa));
  const panelBytes = steps * stepBytes(isa);
  const columns = panels * panelColumns(isa);
  const parameters = Math.ceil((panels * panelBytes) / 64) * 64;
  return { steps, panels, panelBytes, columns, parameters, bytes: parameters + Math.ceil((3 * 4 * columns) / 64) * 64 };
}

/** What is packed: scales and zero points are those of the whole or of each column. */
export interface Matrix {
  readonly b: Tensor;
  readonly scale: Tensor | undefined;
  readonly zeroPoint: Tensor | undefined;
}

/** Bytes that are unsigned are signed ones from this on. */
const OFFSET = 128;

/** A column's zero point, as of signed bytes. */
const zeroPointAt = ({ b, zeroPoint }: Matrix, column: number): number =>
  (zeroPoint ? Number(zeroPoint.data[zeroPoint.size === 1 ? 0 : column]) : 0) - (b.type === 'uint8' ? OFFSET : 0);

/** True where some column counts from another number than 0, signed. */
export function hasZeroPoints(matrix: Matrix): boolean {
  const { zeroPoint } = matrix;
  return Array.from({ length: Math.max(1, zeroPoint?.size ?? 1) }, (_, i) => zeroPointAt(matrix, i)).some(
    (x) => x !== 0,
  );
}

/** Packs a constant matrix of [k, n]. */
export async function packConstant(
  isa: DotIsa,
  { b, scale, zeroPoint }: Matrix,
  [k, n]: readonly [number, number],
  engine: Engine,
): Promise<NativeBuffer> {
  const { memory, addon } = engine;
  const parts = packing(isa, k, n);
  const to = memory.allocLasting(parts.bytes);
  const granularity = (tensor: Tensor | undefined): PackShape['scale'] =>
    tensor && (tensor.size === 1 ? 'one' : 'perColumn');
  const code = sharedCode(addon, emitPack, isa, {
    isSigned: b.type === 'int8',
    scale: granularity(scale),
    zeroPoint: granularity(zeroPoint),
  });
  const address = (tensor: Tensor | undefined): number => (tensor ? addon.addressOf(tensor.bytes) : 0);
  try {
    const args = packArgs(parts, {
      k,
      n,
      from: address(b),
      to: to.address,
      scale: address(scale),
      zero: address(zeroPoint),
    });
    await runOnce(engine, { code: code.addresses[0]!, units: parts.panels, args });
    return to;
  } catch (error) {
    memory.free(to);
    throw error;
  } finally {
    code.dispose();
  }
}

/** The argument block of {@link emitPack}. */
export const packWords = [
  'from',
  'to',
  'k',
  'n',
  'panels',
  'matrixBytes',
  'packedBytes',
  'panelBytes',
  'columns',
  'parameters',
  'scale',
  'zero',
] as const;

/** The arguments for matrices one behind the other. */
export function packArgs(
  { panels, bytes, panelBytes, columns, parameters }: Packing,
  matrix: Pick<Record<(typeof packWords)[number], number>, 'from' | 'to' | 'k' | 'n' | 'scale' | 'zero'>,
): number[] {
  const { k, n } = matrix;
  const words = { ...matrix, panels, matrixBytes: k * n, packedBytes: bytes, panelBytes, columns, parameters };
  return packWords.map((name) => words[name]);
}

/** What is known of the matrices when their code is emitted. */
export interface PackShape {
  readonly isSigned: boolean;
  /** Undefined where there are none. */
  readonly scale: 'one' | 'perColumn' | undefined;
  readonly zeroPoint: 'one' | 'perColumn' | undefined;
}

/** Bytes that are interleaved at a time. */
const STRIP = 16;

/** Packs one panel of one of several matrices. Entry: args in rdi, unit in rsi. */
export function emitPack(isa: DotIsa, { isSigned, scale, zeroPoint }: PackShape): Uint8Array {
  const a = new Assembler();
  const args = at(rdi);
  const argument = (name: (typeof packWords)[number]): number => 8 * packWords.indexOf(name);
  const { depth } = isa;
  const width = panelColumns(isa);
  // r8: from, r9: to, r10: n, r11: columns of the panel, r12: rows of K left, rbp: the panel's first column, rbx: the packed matrix.
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(args), argument('panels'));
  a.imuli(rbp, rdx, width);
  a.mov(r8, args, argument('matrixBytes'));
  a.imul(r8, rax);
  a.add(r8, args, argument('from'));
  a.add(r8, rbp);
  a.mov(rbx, args, argument('packedBytes'));
  a.imul(rbx, rax);
  a.add(rbx, args, argument('to'));
  a.mov(r9, args, argument('panelBytes'));
  a.imul(r9, rdx);
  a.add(r9, rbx);
  a.mov(rsi, r9);
  a.mov(r10, args, argument('n'));
  a.mov(r11, r10);
  a.sub(r11, rbp);
  a.movi(eax, width);
  a.cmp(r11, rax);
  a.cmova(r11, rax);
  a.mov(r12, args, argument('k'));
  a.vpbroadcastd(xmm(5), a.constant(Uint32Array.of(0x80808080)));

  const [step, slow, packed] = [a.label(), a.label(), a.label()];
  a.bind(step);
  a.test(r12, r12);
  a.jz(packed);
  a.cmpi(r12, depth);
  a.jb(slow);
  a.cmpi(r11, width);
  a.jb(slow);
  a.lea(rcx, at(r10, r10, 2));
  const rows = [at(r8), at(r8, r10), at(r8, r10, 2), at(r8, rcx)];
  for (let strip = 0; strip < width; strip += STRIP) {
    for (let i = 0; i < depth; i++) {
      a.vmovups(xmm(i), rows[i]!, strip);
      if (!isSigned) a.vpxor(xmm(i), xmm(i), xmm(5));
    }
    emitInterleave(a, depth);
    for (let i = 0; i < depth; i++) a.vmovups(at(r9), strip * depth + STRIP * i, xmm(i));
  }
  a.addi(r9, width * depth);
  a.lea(r8, depth === 4 ? at(r8, r10, 4) : at(r8, r10, 2));
  a.subi(r12, depth);
  a.jmp(step);
  // The last columns and the last rows, byte by byte.
  a.bind(slow);
  a.xor(ecx, ecx);
  const column = a.here();
  a.lea(r13, at(r8, rcx));
  for (let i = 0; i < depth; i++) {
    const none = a.label();
    a.xor(eax, eax);
    a.cmpi(r12, i);
    a.jbe(none);
    a.cmp(rcx, r11);
    a.jae(none);
    a.movzx(eax, byte(r13));
    if (!isSigned) a.xori(eax, 0x80);
    a.add(r13, r10);
    a.bind(none);
    a.mov(byte(r9), i, al);
  }
  a.addi(r9, depth);
  a.inc(rcx);
  a.cmpi(rcx, width);
  a.jb(column);
  a.lea(r8, depth === 4 ? at(r8, r10, 4) : at(r8, r10, 2));
  a.subi(r12, depth);
  a.ja(step);
  a.bind(packed);
  if (isa.tileSteps !== undefined) emitClearRest(a, isa);

  // rbx: the parameters of the panel's columns; r12: bytes from one kind to the next.
  a.add(rbx, args, argument('parameters'));
  a.lea(rbx, at(rbx, rbp, 4));
  a.mov(r12, args, argument('columns'));
  a.shl(r12, 2);
  emitColumnSums(a, isa);
  a.add(rbx, r12);
  if (scale) {
    a.mov(r14, args, argument('scale'));
    if (scale === 'perColumn') a.lea(r14, at(r14, rbp, 4));
  }
  if (zeroPoint) {
    a.mov(r15, args, argument('zero'));
    if (zeroPoint === 'perColumn') a.add(r15, rbp);
  }
  a.xor(ecx, ecx);
  const parameter = a.here();
  if (scale) a.mov(edx, scale === 'one' ? at(r14) : at(r14, rcx, 4));
  else a.movi(edx, ONE);
  a.mov(at(rbx, rcx, 4), 0, edx);
  if (!zeroPoint) a.movi(eax, 0);
  else if (isSigned) a.movsx(eax, byte(zeroPoint === 'one' ? at(r15) : at(r15, rcx)));
  else a.movzx(eax, byte(zeroPoint === 'one' ? at(r15) : at(r15, rcx)));
  if (!isSigned) a.subi(eax, OFFSET);
  a.lea(r13, at(rbx, r12));
  a.mov(at(r13, rcx, 4), 0, eax);
  a.inc(rcx);
  a.cmp(rcx, r11);
  a.jb(parameter);
  a.ret();
  return a.finish().slice();
}

/** Zeros from r9 on to the end of the panel at rsi: whatever rows of A hold there, tiles add nothing. Changes rax. */
function emitClearRest(a: Assembler, isa: DotIsa): void {
  const [loop, done] = [a.label(), a.label()];
  const zero = register(isa, 0);
  a.mov(rax, at(rdi), 8 * packWords.indexOf('panelBytes'));
  a.add(rax, rsi);
  a.vxorps(zero, zero, zero);
  a.bind(loop);
  a.cmp(r9, rax);
  a.jae(done);
  for (let i = 0; i < stepBytes(isa); i += weightBytes(isa)) a.vmovups(at(r9), i, zero);
  a.addi(r9, stepBytes(isa));
  a.jmp(loop);
  a.bind(done);
}

/** 1 as a float32. */
const ONE = 0x3f800000;

/** Bytes of `depth` rows become those of columns, side by side. Rows are in registers from 0 on, and so is the result, in order. */
export function emitInterleave(a: Assembler, depth: 2 | 4): void {
  const [r0, r1, r2, r3, t, u] = [0, 1, 2, 3, 4, 6].map((i) => xmm(i)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (depth === 2) {
    a.vpunpckhbw(t, r0, r1);
    a.vpunpcklbw(r0, r0, r1);
    a.vmovaps(r1, t);
    return;
  }
  a.vpunpcklbw(t, r0, r1);
  a.vpunpckhbw(u, r0, r1);
  a.vpunpcklbw(r1, r2, r3);
  a.vpunpckhbw(r3, r2, r3);
  a.vpunpcklwd(r0, t, r1);
  a.vpunpckhwd(r1, t, r1);
  a.vpunpcklwd(r2, u, r3);
  a.vpunpckhwd(r3, u, r3);
}

/** The sums of the columns of a packed panel at rsi, to rbx. Changes rax and rcx. */
function emitColumnSums(a: Assembler, isa: DotIsa): void {
  const [w, ones, t] = [2, 3, 4].map((i) => register(isa, i)) as [number, number, number];
  const sums = [register(isa, 0), register(isa, 1)];
  a.vpbroadcastd(ones, a.constant(Uint32Array.of(isa.depth === 4 ? 0x01010101 : 0x00010001)));
  for (const each of sums) a.vxorps(each, each, each);
  a.mov(rcx, at(rdi), 8 * packWords.indexOf('panelBytes'));
  const done = a.label();
  a.add(rcx, rsi);
  const loop = a.here();
  a.cmp(rsi, rcx);
  a.jae(done);
  for (const [i, sum] of sums.entries()) {
    isa.loadWeights(a, w, at(rsi), i * weightBytes(isa));
    isa.dot(a, sum, ones, w, t);
  }
  a.addi(rsi, stepBytes(isa));
  a.jmp(loop);
  a.bind(done);
  for (const [i, sum] of sums.entries()) a.vmovups(at(rbx), 4 * lanesOf(isa) * i, sum);
}
