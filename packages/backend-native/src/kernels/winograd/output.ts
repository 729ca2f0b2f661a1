/** The transform of the sums: a filter at a time into squares of pixels, which rows of pixels are then taken from through the epilogue. */

import type { PlaneEpilogue } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  eax,
  type Gpr,
  k1,
  r8,
  r9,
  r10,
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
  type Vector,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES } from '../activations.ts';
import { emitSteps } from '../epilogue.ts';
import type { Isa } from '../matmul/isa.ts';
import type { Plan } from './plan.ts';
import { pointsOf } from './points.ts';
import { emitShare } from './share.ts';

/** The argument block; behind it the addresses of the epilogue's operands. A unit is some filters of an image. */
export const outputWords = ['scratch', 'threadBytes', 'sums', 'y', 'filtersPerUnit', 'unitsPerImage'] as const;
const args = at(rdi);
const argument = (name: (typeof outputWords)[number]): number => 8 * outputWords.indexOf(name);
const operandArgument = (operand: number): number => 8 * (outputWords.length + operand);

/** Addresses of the epilogue's operands: for the filter, or as far as they are from the result. */
const operandsAt: readonly Gpr[] = [r12, r13, r14, r15];
export const MOST_OPERANDS = operandsAt.length;

const LINE = 64;
/** Bytes of one row of all squares. */
const rowBytes = ({ side, vectors }: Plan, isa: Isa): number => vectors * side * 4 * isa.lanes;
export const outputScratch = (isa: Isa, plan: Plan): number => LINE + plan.side * rowBytes(plan, isa) + LINE;

export function emitOutput(isa: Isa, plan: Plan, epilogue: PlaneEpilogue): Uint8Array {
  const a = new Assembler();
  const { filters, outHeight, outWidth } = plan;
  const { operands } = epilogue;
  const [sums, y, left] = [rsi, r10, rbp];
  emitShare(a, argument, argument('filtersPerUnit'), filters, left);
  a.imuli(sums, rax, plan.sums);
  a.imuli(rcx, rdx, plan.vectors * 4 * isa.lanes);
  a.add(sums, rcx);
  a.add(sums, args, argument('sums'));
  a.imuli(y, rax, filters);
  a.add(y, rdx);
  a.imuli(y, y, 4 * outHeight * outWidth);
  a.add(y, args, argument('y'));
  for (const [i, { per }] of operands.entries()) {
    const address = operandsAt[i]!;
    a.mov(address, args, operandArgument(i));
    if (per === 'channel') a.lea(address, at(address, rdx, 4));
    else if (per === 'element') a.sub(address, args, argument('y'));
  }
  if (outWidth % isa.lanes > 0) {
    a.movi(eax, (1 << (outWidth % isa.lanes)) - 1);
    a.kmovd(k1, eax);
  }
  const next = a.here();
  emitSquares(a, isa, plan, sums);
  emitRows(a, isa, plan, epilogue, y);
  a.addi(sums, plan.vectors * 4 * isa.lanes);
  a.addi(y, 4 * outHeight * outWidth);
  for (const [i, { per }] of operands.entries()) if (per === 'channel') a.addi(operandsAt[i]!, 4);
  a.dec(left);
  a.jnz(next);
  a.ret();
  return a.finish().slice();
}

/** Rows of squares into rows of pixels, through the epilogue. */
function emitRows(a: Assembler, isa: Isa, plan: Plan, { steps, operands }: PlaneEpilogue, y: Gpr): void {
  const { side, across, outHeight, outWidth } = plan;
  const math = new Vectors(a, true);
  const t = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => isa.register(1 + i));
  const x = isa.register(0);
  const [from, to, count] = [r8, r9, rcx];
  a.lea(from, at(rbx), LINE);
  a.mov(to, y);
  const row = (r: number): void => {
    for (let column = 0; column < outWidth; column += isa.lanes) {
      const masked = column + isa.lanes > outWidth;
      a.vmovups(x, at(from), r * rowBytes(plan, isa) + 4 * column);
      emitSteps(math, steps, x, t, (dst, input) => {
        const found = operands.findIndex((operand) => operand.input === input);
        if (found < 0) return false;
        const isEach = operands[found]!.per === 'element';
        const address: Address = isEach ? at(to, operandsAt[found]!) : at(operandsAt[found]!);
        if (isEach) isa.load(a, dst, address, 4 * column, masked);
        else a.vbroadcastss(dst, address);
        return true;
      });
      isa.store(a, at(to), 4 * column, x, masked);
    }
    a.addi(to, 4 * outWidth);
  };
  const whole = Math.floor(outHeight / side);
  if (whole > 0) {
    a.movi(count, whole);
    const loop = a.here();
    for (let r = 0; r < side; r++) row(r);
    a.addi(from, 4 * side * across);
    a.dec(count);
    a.jnz(loop);
  }
  for (let r = 0; r < outHeight - whole * side; r++) row(r);
}

/** The sums of a filter into rows of squares. Changes rax, rcx, r8, r9. */
function emitSquares(a: Assembler, isa: Isa, plan: Plan, sums: Gpr): void {
  const { side, span, vectors, sumStep } = plan;
  const vectorBytes = 4 * isa.lanes;
  const [from, to, count] = [r8, r9, rcx];
  const load = (dst: Vector, i: number, j: number): void => a.vmovups(dst, at(from), (i * span + j) * sumStep);
  const interleave = emitInterleave(a, isa, side);
  const store = (i: number, x: readonly Vector[]): void => {
    for (const [v, each] of interleave(x).entries()) a.vmovups(at(to), i * rowBytes(plan, isa) + v * vectorBytes, each);
  };
  const transform = side === 2 ? emitTwo(a, isa, load, store) : emitFour(a, isa, load, store);
  a.mov(from, sums);
  a.lea(to, at(rbx), LINE);
  a.movi(count, vectors);
  const loop = a.here();
  transform();
  a.addi(from, vectorBytes);
  a.addi(to, side * vectorBytes);
  a.dec(count);
  a.jnz(loop);
}

type Load = (dst: Vector, i: number, j: number) => void;
type Store = (i: number, x: readonly Vector[]) => void;

/** Vectors that each hold a column of squares, into vectors of pixels that are neighbours. Uses registers 20 to 31, changes its operands. */
function emitInterleave(a: Assembler, isa: Isa, side: number): (x: readonly Vector[]) => readonly Vector[] {
  const lanes = Array.from({ length: isa.lanes }, (_, i) => i);
  const spare = [20, 21, 22, 23].map((i) => isa.register(i));
  if (side === 2) {
    const orders = [isa.register(30), isa.register(31)];
    for (const [half, order] of orders.entries())
      a.vmovups(
        order,
        a.constant(Int32Array.from(lanes, (i) => half * (isa.lanes / 2) + (i >> 1) + (i & 1) * isa.lanes)),
      );
    return (x) =>
      orders.map((order, half) => {
        a.vmovaps(spare[half]!, x[0]!);
        a.vpermt2ps(spare[half]!, order, x[1]!);
        return spare[half]!;
      });
  }
  const order = isa.register(31);
  // Square 4 v + q goes to 4 q + v: then squares of a quarter are those of the four vectors, which are turned within it.
  a.vmovups(order, a.constant(Int32Array.from(lanes, (i) => 4 * (i % 4) + Math.floor(i / 4))));
  return (x) => {
    for (const each of x) a.vpermps(each, order, each);
    a.vunpcklps(spare[0]!, x[0]!, x[1]!);
    a.vunpckhps(spare[1]!, x[0]!, x[1]!);
    a.vunpcklps(spare[2]!, x[2]!, x[3]!);
    a.vunpckhps(spare[3]!, x[2]!, x[3]!);
    a.vunpcklpd(x[0]!, spare[0]!, spare[2]!);
    a.vunpckhpd(x[1]!, spare[0]!, spare[2]!);
    a.vunpcklpd(x[2]!, spare[1]!, spare[3]!);
    a.vunpckhpd(x[3]!, spare[1]!, spare[3]!);
    return x;
  };
}

/** Of four sums: m0 + m1 + m2 and m1 - m2 + m3. */
function emitTwo(a: Assembler, isa: Isa, load: Load, store: Store): () => void {
  const fold = ([m0, m1, m2, m3]: readonly Vector[], [y0, y1]: readonly Vector[]): void => {
    a.vaddps(y0!, m1!, m2!);
    a.vaddps(y0!, y0!, m0!);
    a.vsubps(y1!, m1!, m2!);
    a.vaddps(y1!, y1!, m3!);
  };
  const loaded = Array.from({ length: 4 }, (_, i) => isa.register(i));
  const columns = Array.from({ length: 4 }, (_, j) => [isa.register(4 + 2 * j), isa.register(5 + 2 * j)]);
  const row = [isa.register(12), isa.register(13)];
  return () => {
    for (const [j, column] of columns.entries()) {
      for (const [i, x] of loaded.entries()) load(x, i, j);
      fold(loaded, column);
    }
    for (let i = 0; i < 2; i++) {
      fold(
        columns.map((column) => column[i]!),
        row,
      );
      store(i, row);
    }
  };
}

/** Of six, by powers of the points: pixels 0 and 2 from sums of what belongs to a point and its negative, 1 and 3 from differences. */
function emitFour(a: Assembler, isa: Isa, load: Load, store: Store): () => void {
  const points = pointsOf(4);
  const constant = (i: number, value: number): Vector => {
    a.vbroadcastss(isa.register(i), a.constant(Float32Array.of(value)));
    return isa.register(i);
  };
  const powers = [1, 2, 3].map((power) => points.map((p, i) => constant(24 + 2 * (power - 1) + i, p ** power)));
  const [p, square, cube] = powers as [Vector[], Vector[], Vector[]];
  /** m1 + m2 and m3 + m4 stand in m1 and m3. */
  const even = ([m0, m1, , m3]: readonly Vector[], y0: Vector, y2: Vector): void => {
    a.vaddps(y0, m0!, m1!);
    a.vaddps(y0, y0, m3!);
    a.vmulps(y2, m1!, square[0]!);
    a.vfmadd231ps(y2, m3!, square[1]!);
  };
  /** m1 - m2 and m3 - m4 stand in m2 and m4. */
  const odd = ([, , m2, , m4, m5]: readonly Vector[], y1: Vector, y3: Vector): void => {
    a.vmulps(y1, m2!, p[0]!);
    a.vfmadd231ps(y1, m4!, p[1]!);
    a.vmovaps(y3, m5!);
    a.vfmadd231ps(y3, m2!, cube[0]!);
    a.vfmadd231ps(y3, m4!, cube[1]!);
  };
  const m = Array.from({ length: 6 }, (_, i) => isa.register(i));
  const rows = [0, 1].map((r) => Array.from({ length: 6 }, (_, j) => isa.register(6 + 6 * r + j)));
  const difference = isa.register(18);
  /** Columns of a row, from its sums. */
  const finish = (row: readonly Vector[], i: number): void => {
    const [m0, m1, m2, m3, m4, m5] = row as [Vector, Vector, Vector, Vector, Vector, Vector];
    for (const [x, y] of [
      [m1, m2],
      [m3, m4],
    ] as const) {
      a.vsubps(difference, x, y);
      a.vaddps(x, x, y);
      a.vmovaps(y, difference);
    }
    const pixels = [0, 1, 2, 3].map((c) => isa.register(c));
    even([m0, m1, m2, m3, m4, m5], pixels[0]!, pixels[2]!);
    odd([m0, m1, m2, m3, m4, m5], pixels[1]!, pixels[3]!);
    store(i, pixels);
  };
  return () => {
    for (let j = 0; j < 6; j++) {
      for (const i of [0, 1, 2, 3, 4]) load(m[i]!, i, j);
      a.vaddps(m[1]!, m[1]!, m[2]!);
      a.vaddps(m[3]!, m[3]!, m[4]!);
      even(m, rows[0]![j]!, rows[1]![j]!);
    }
    finish(rows[0]!, 0);
    finish(rows[1]!, 2);
    for (let j = 0; j < 6; j++) {
      for (const i of [1, 2, 3, 4, 5]) load(m[i]!, i, j);
      a.vsubps(m[2]!, m[1]!, m[2]!);
      a.vsubps(m[4]!, m[3]!, m[4]!);
      odd(m, rows[0]![j]!, rows[1]![j]!);
    }
    finish(rows[0]!, 1);
    finish(rows[1]!, 3);
  };
}
