/**
 * The code of windows that slide over planes, each plane by itself: convolutions of one channel, and pools. A band of a plane is copied
 * into scratch memory with its surroundings; then a few rows of the result at a time take what they share of its rows.
 */

import type { PlaneEpilogue } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  BROADCAST,
  eax,
  edx,
  type Gpr,
  k7,
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
  rdx,
  rsi,
  type Vector,
  xmm,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES } from '../activations.ts';
import { emitSteps } from '../epilogue.ts';
import { avx512, type Isa } from '../matmul/isa.ts';
import { type Band, emitBand, emitFill } from './band.ts';
import { type Argument, args, argument, type Local, local, partArgument, SPREAD_AT, thread } from './frame.ts';

/** What is made of what a window sees. */
export type Fold = 'product' | 'greatest' | 'mean';

export interface Shape {
  readonly isa: Isa;
  readonly fold: Fold;
  /** Rows and columns. */
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Planes of the result for each of the input. */
  readonly multiplier: number;
  readonly epilogue: PlaneEpilogue;
}

/** Multiply-adds of a vector of some rows, at most. */
const MOST_UNROLLED = 256;
/** Registers of elements, of temporaries, of operands that are kept, and of weights, with AVX-512 as many. */
const [ELEMENT, TEMPORARY, KEPT, WEIGHT] = [4, 5, 11, 14];
const WEIGHTS = 32 - WEIGHT;

/** Addresses of the epilogue's operands: for the plane, or as far as they are from the result. */
const operandsAt: readonly Gpr[] = [r12, r13, r14, rbp];
export const MOST_OPERANDS = operandsAt.length;
const [rowAt, resultRow, columnAt, resultAt, left] = [r8, r9, r10, r11, rcx];
const weightsAt = r15;
const ORDERED = 7;
const UNORDERED = 3;

/** Bytes of weights that are spread over vectors. */
export const spreadBytes = ({ isa, fold, kernel }: Pick<Shape, 'isa' | 'fold' | 'kernel'>): number =>
  fold === 'product' && isa !== avx512 ? kernel[0] * kernel[1] * 4 * isa.lanes : 0;

export function emitWindows(shape: Shape): Uint8Array {
  return new Emission(shape).emit();
}

class Emission {
  private readonly a = new Assembler();
  private readonly shape: Shape;
  private readonly isa: Isa;
  private readonly band: Band;
  private readonly taps: number;
  private readonly keepsWeights: boolean;
  /** By operand of the epilogue that is the same for a whole plane: the register that holds it. */
  private readonly kept = new Map<number, Vector>();

  constructor(shape: Shape) {
    this.shape = shape;
    this.isa = shape.isa;
    const fill = shape.fold === 'greatest' ? Number.NEGATIVE_INFINITY : 0;
    this.band = { isa: shape.isa, stride: shape.strides[1], fill };
    this.taps = shape.kernel[0] * shape.kernel[1];
    for (const [i, { per }] of shape.epilogue.operands.entries())
      if (per !== 'element' && KEPT + this.kept.size < WEIGHT)
        this.kept.set(i, shape.isa.register(KEPT + this.kept.size));
    this.keepsWeights = shape.isa === avx512 && this.taps <= WEIGHTS;
  }

  /** Entry: args in rdi, unit in rsi, thread in rdx. */
  emit(): Uint8Array {
    const { a, shape } = this;
    a.imul(rdx, args, argument('threadBytes'));
    a.mov(rbx, rdx);
    a.add(rbx, args, argument('scratch'));
    a.mov(rax, rsi);
    a.xor(edx, edx);
    a.div(qword(args), argument('bands'));
    a.mov(r8, rax);
    this.locateBand();
    a.imul(r8, args, argument('planesPerUnit'));
    a.mov(thread, local('plane'), r8);
    a.add(r8, args, argument('planesPerUnit'));
    a.mov(rax, args, argument('planes'));
    a.cmp(r8, rax);
    a.cmova(r8, rax);
    a.mov(thread, local('planeEnd'), r8);
    emitFill(a, this.band, () => this.bandRows(rcx, 'rows'));
    if (shape.fold === 'mean') {
      this.counts('rowCounts', 'rows', 'rowBegin', 'rowLimit', 0);
      this.counts('columnCounts', undefined, 'columnBegin', 'columnLimit', 1);
    }
    const nextPlane = a.here();
    a.mov(rax, thread, local('plane'));
    if (shape.multiplier > 1) {
      a.xor(edx, edx);
      a.movi(rcx, shape.multiplier);
      a.div(rcx);
    }
    a.mov(rsi, args, argument('xPlane'));
    a.imul(rsi, rax);
    a.add(rsi, args, argument('x'));
    emitBand(a, this.band);
    this.locatePlane();
    this.rows();
    a.mov(rax, thread, local('plane'));
    a.inc(rax);
    a.mov(thread, local('plane'), rax);
    a.cmp(rax, thread, local('planeEnd'));
    a.jb(nextPlane);
    a.ret();
    return a.finish().slice();
  }

  /** Rows of the input that so many of the result see, local `name` of them. */
  private bandRows(to: Gpr, name: Local): void {
    const { kernel, strides, dilations } = this.shape;
    const { a } = this;
    a.imuli(to, thread, local(name), strides[0]);
    a.addi(to, (kernel[0] - 1) * dilations[0] + 1 - strides[0]);
  }

  /** Band rdx of a plane: its rows of the result, and which rows of the input are copied where. Keeps r8. */
  private locateBand(): void {
    const { a, shape } = this;
    const [first, skipped] = [r9, r10];
    a.imul(rdx, args, argument('bandRows'));
    a.mov(thread, local('row'), rdx);
    a.mov(rax, args, argument('outHeight'));
    a.sub(rax, rdx);
    a.mov(rcx, args, argument('bandRows'));
    a.cmp(rax, rcx);
    a.cmova(rax, rcx);
    a.mov(thread, local('rows'), rax);
    // The row of the input that the band begins with may lie before it.
    a.imuli(first, rdx, shape.strides[0]);
    a.sub(first, args, argument('top'));
    a.xor(skipped, skipped);
    a.sub(skipped, first);
    a.xor(eax, eax);
    a.cmp(skipped, rax);
    a.cmovl(skipped, rax);
    this.bandRows(rcx, 'rows');
    a.mov(rax, args, argument('inHeight'));
    a.sub(rax, first);
    a.cmp(rcx, rax);
    a.cmovg(rcx, rax);
    a.sub(rcx, skipped);
    a.mov(thread, local('copied'), rcx);
    a.add(first, skipped);
    a.imul(first, args, argument('xRow'));
    a.mov(thread, local('from'), first);
    a.imul(skipped, args, argument('rowPitch'));
    a.add(skipped, args, argument('band'));
    a.add(skipped, rbx);
    a.mov(thread, local('to'), skipped);
  }

  /** How many taps of each window count, of rows (axis 0) from the band's first on or of all columns. */
  private counts(to: Argument, many: Local | undefined, begin: Argument, limit: Argument, axis: 0 | 1): void {
    const { a, shape } = this;
    const [target, start, end, position] = [rsi, r8, r9, rdx];
    const [kernel, stride, dilation] = [shape.kernel[axis], shape.strides[axis], shape.dilations[axis]];
    a.mov(target, args, argument(to));
    a.add(target, rbx);
    a.xor(start, start);
    if (many === undefined) a.mov(rcx, args, argument('outWidth'));
    else {
      a.mov(rcx, thread, local(many));
      a.imuli(start, thread, local('row'), stride);
    }
    a.sub(start, args, argument(begin));
    a.mov(end, args, argument(limit));
    const next = a.here();
    a.xor(eax, eax);
    a.mov(position, start);
    a.movi(r10, kernel);
    const tap = a.here();
    // Carry says that it lies before the end; what lies before the beginning is a huge number.
    a.cmp(position, end);
    a.adci(eax, 0);
    a.addi(position, dilation);
    a.dec(r10);
    a.jnz(tap);
    // Where none counts the sum is 0, whatever it is divided by.
    a.cmpi(eax, 1);
    a.adci(eax, 0);
    a.vmovd(xmm(0), eax);
    a.vcvtdq2ps(xmm(0), xmm(0));
    a.vmovss(at(target), 0, xmm(0));
    a.addi(start, stride);
    a.addi(target, 4);
    a.dec(rcx);
    a.jnz(next);
  }

  /** The plane's place in the result, in the weights and in the operands. */
  private locatePlane(): void {
    const { a, isa, shape, taps } = this;
    const { operands } = shape.epilogue;
    a.mov(rax, thread, local('plane'));
    a.xor(edx, edx);
    a.div(qword(args), argument('channels'));
    a.mov(resultRow, thread, local('plane'));
    a.imul(resultRow, args, argument('yPlane'));
    a.mov(rax, thread, local('row'));
    a.imul(rax, args, argument('yRow'));
    a.add(resultRow, rax);
    a.add(resultRow, args, argument('y'));
    for (const [i, { per }] of operands.entries()) {
      const address = operandsAt[i]!;
      a.mov(address, args, partArgument(shape.strides[1] + i));
      if (per === 'channel') a.lea(address, at(address, rdx, 4));
      else if (per === 'element') a.sub(address, args, argument('y'));
    }
    for (const [i, register] of this.kept) a.vbroadcastss(register, at(operandsAt[i]!));
    a.mov(rowAt, args, argument('band'));
    a.add(rowAt, rbx);
    if (shape.fold !== 'product') return;
    a.imuli(weightsAt, rdx, 4 * taps);
    a.add(weightsAt, args, argument('weights'));
    if (this.keepsWeights)
      for (let tap = 0; tap < taps; tap++) a.vbroadcastss(isa.register(WEIGHT + tap), at(weightsAt), 4 * tap);
    else if (isa !== avx512)
      for (let tap = 0; tap < taps; tap++) {
        a.vbroadcastss(isa.register(0), at(weightsAt), 4 * tap);
        a.vmovups(thread, SPREAD_AT + tap * 4 * isa.lanes, isa.register(0));
      }
  }

  /** All rows of the band, a few at a time. */
  private rows(): void {
    const { a, shape } = this;
    a.mov(rax, args, argument('rowCounts'));
    a.add(rax, rbx);
    a.mov(thread, local('count'), rax);
    a.mov(rax, thread, local('rows'));
    a.mov(thread, local('left'), rax);
    for (const rows of [4, 2, 1].filter((each) => each === 1 || each * this.taps <= MOST_UNROLLED)) {
      const [loop, done] = [a.label(), a.label()];
      a.mov(rax, thread, local('left'));
      a.subi(rax, rows);
      a.jl(done);
      a.bind(loop);
      a.mov(thread, local('left'), rax);
      this.columns(rows);
      this.step(rowAt, 'rowPitch', rows * shape.strides[0]);
      this.step(resultRow, 'yRow', rows);
      if (shape.fold === 'mean') {
        a.mov(rax, thread, local('count'));
        a.addi(rax, 4 * rows);
        a.mov(thread, local('count'), rax);
      }
      a.mov(rax, thread, local('left'));
      a.subi(rax, rows);
      a.jge(loop);
      a.bind(done);
    }
  }

  /** Moves a pointer on. Changes rax where it is far. */
  private step(pointer: Gpr, by: Argument, times: number): void {
    const { a } = this;
    if (times <= 2) for (let i = 0; i < times; i++) a.add(pointer, args, argument(by));
    else {
      a.imuli(rax, args, argument(by), times);
      a.add(pointer, rax);
    }
  }

  private columns(rows: number): void {
    const { a, isa } = this;
    a.mov(columnAt, rowAt);
    a.mov(resultAt, resultRow);
    a.mov(left, args, argument('outWidth'));
    const [loop, tail, end] = [a.label(), a.label(), a.label()];
    a.subi(left, isa.lanes);
    a.jb(tail);
    a.bind(loop);
    this.block(rows, false);
    a.addi(columnAt, 4 * isa.lanes);
    a.addi(resultAt, 4 * isa.lanes);
    a.subi(left, isa.lanes);
    a.jae(loop);
    a.bind(tail);
    a.addi(left, isa.lanes);
    a.jz(end);
    isa.setMask(a);
    this.block(rows, true);
    a.bind(end);
  }

  /** A vector of each of so many rows. Keeps rcx unless it is the last. */
  private block(rows: number, masked: boolean): void {
    const { a, isa, shape } = this;
    const { kernel, strides, dilations } = shape;
    const sum = (r: number): Vector => isa.register(r);
    const element = isa.register(ELEMENT);
    if (shape.fold === 'greatest')
      for (let r = 0; r < rows; r++) a.vbroadcastss(sum(r), a.constant(Float32Array.of(Number.NEGATIVE_INFINITY)));
    else for (let r = 0; r < rows; r++) a.vxorps(sum(r), sum(r), sum(r));
    /** By row of the band: which rows of the result see it, with which row of the kernel. */
    const seen = new Map<number, [r: number, ky: number][]>();
    for (let r = 0; r < rows; r++)
      for (let ky = 0; ky < kernel[0]; ky++) {
        const row = r * strides[0] + ky * dilations[0];
        seen.set(row, [...(seen.get(row) ?? []), [r, ky]]);
      }
    const columns = Array.from({ length: kernel[1] }, (_, kx) => ({
      kx,
      part: (kx * dilations[1]) % strides[1],
      index: Math.floor((kx * dilations[1]) / strides[1]),
    })).sort((p, q) => p.part - q.part);
    a.mov(rsi, columnAt);
    let current = 0;
    for (const row of [...seen.keys()].sort((p, q) => p - q)) {
      this.step(rsi, 'rowPitch', row - current);
      current = row;
      a.mov(rdx, rsi);
      let partAt = 0;
      for (const { kx, part, index } of columns) {
        this.step(rdx, 'partPitch', part - partAt);
        partAt = part;
        a.vmovups(element, at(rdx), 4 * index);
        for (const [r, ky] of seen.get(row)!) this.fold(sum(r), element, ky * kernel[1] + kx);
      }
    }
    if (shape.fold === 'mean') this.divide(rows);
    this.finish(rows, masked);
  }

  private fold(sum: Vector, element: Vector, tap: number): void {
    const { a, isa, shape } = this;
    const spare = isa.register(TEMPORARY);
    if (shape.fold === 'mean') a.vaddps(sum, sum, element);
    else if (shape.fold === 'product') {
      if (this.keepsWeights) a.vfmadd231ps(sum, element, isa.register(WEIGHT + tap));
      else if (isa === avx512) a.vfmadd231ps(sum, element, at(weightsAt), 4 * tap, BROADCAST);
      else a.vfmadd231ps(sum, element, thread, SPREAD_AT + tap * 4 * isa.lanes);
    } else if (isa === avx512) {
      // A maximum is its second operand where one is NaN; a sum that is NaN stays.
      a.vcmpps(k7, sum, sum, ORDERED);
      a.vmaxps(sum, sum, element, k7);
    } else {
      const most = isa.register(TEMPORARY + 1);
      a.vcmpps(spare, sum, sum, UNORDERED);
      a.vmaxps(most, sum, element);
      a.vblendvps(sum, most, sum, spare);
    }
  }

  /** Sums by how many elements are in them. */
  private divide(rows: number): void {
    const { a, isa } = this;
    const [columns, both] = [isa.register(TEMPORARY), isa.register(TEMPORARY + 1)];
    a.mov(rax, args, argument('columnCounts'));
    a.add(rax, rbx);
    a.add(rax, columnAt);
    a.sub(rax, rowAt);
    a.vmovups(columns, at(rax));
    a.mov(rax, thread, local('count'));
    for (let r = 0; r < rows; r++) {
      a.vbroadcastss(both, at(rax), 4 * r);
      a.vmulps(both, both, columns);
      a.vdivps(isa.register(r), isa.register(r), both);
    }
  }

  private finish(rows: number, masked: boolean): void {
    const { a, isa, shape } = this;
    const { steps, operands } = shape.epilogue;
    const math = new Vectors(a, isa === avx512);
    const t = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => isa.register(TEMPORARY + i));
    const to = rdx;
    a.mov(to, resultAt);
    for (let r = 0; r < rows; r++) {
      if (r > 0) a.add(to, args, argument('yRow'));
      emitSteps(math, steps, isa.register(r), t, (dst, input) => {
        const found = operands.findIndex((operand) => operand.input === input);
        if (found < 0) return false;
        const register = this.kept.get(found);
        const isEach = operands[found]!.per === 'element';
        const address: Address = isEach ? at(to, operandsAt[found]!) : at(operandsAt[found]!);
        if (register !== undefined) a.vmovaps(dst, register);
        else if (isEach) isa.load(a, dst, address, 0, masked);
        else a.vbroadcastss(dst, address);
        return true;
      });
      isa.store(a, at(to), 0, isa.register(r), masked);
    }
  }
}
