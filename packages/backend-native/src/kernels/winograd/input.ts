/**
 * The transform of the input: a channel at a time. What squares see at the same place is brought together in planes, one for each row of
 * a square but those that the next square begins with, and for each column; so neighbouring squares are neighbouring elements.
 */

import {
  Assembler,
  at,
  eax,
  type Gpr,
  k1,
  k2,
  k3,
  k4,
  k5,
  k6,
  r8,
  r9,
  r10,
  r12,
  r13,
  r14,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  type Vector,
  ZERO,
} from '@espalier/x64';
import type { Isa } from '../matmul/isa.ts';
import { type Plan, panelAt } from './plan.ts';
import { pointsOf } from './points.ts';
import { emitShare } from './share.ts';

/** The argument block. A unit is some channels of an image. */
export const inputWords = ['scratch', 'threadBytes', 'x', 'to', 'channelsPerUnit', 'unitsPerImage'] as const;
const args = at(rdi);
const argument = (name: (typeof inputWords)[number]): number => 8 * inputWords.indexOf(name);

const LINE = 64;
/** Bytes of a plane: a row more of squares, as their first rows are the last of those above; and room for a longer vector. */
const planeBytes = ({ across, down }: Plan): number => Math.ceil(((down + 1) * across * 4 + LINE) / LINE) * LINE;
export const inputScratch = (plan: Plan): number => LINE + plan.side * plan.span * planeBytes(plan);

export function emitInput(isa: Isa, plan: Plan): Uint8Array {
  const a = new Assembler();
  const { channels, height, width } = plan;
  const [x, to, left] = [r13, r14, r12];
  emitShare(a, argument, argument('channelsPerUnit'), channels, left);
  a.imuli(x, rax, channels);
  a.add(x, rdx);
  a.imuli(x, x, 4 * height * width);
  a.add(x, args, argument('x'));
  a.imuli(to, rax, plan.inputs);
  a.add(to, args, argument('to'));
  a.mov(at(rbx), 0, rdx);
  const next = a.here();
  emitPlanes(a, isa, plan, x);
  emitSquares(a, isa, plan, to);
  a.addi(x, 4 * height * width);
  a.mov(rax, at(rbx), 0);
  a.inc(rax);
  a.mov(at(rbx), 0, rax);
  a.dec(left);
  a.jnz(next);
  a.ret();
  return a.finish().slice();
}

/** Bits of the elements from `first` on that lie in a row. */
function insideMask(first: number, lanes: number, width: number): number {
  let bits = 0;
  for (let i = 0; i < lanes; i++) if (first + i >= 0 && first + i < width) bits |= 1 << i;
  return bits;
}

/** Copies the channel at `x` into planes. Changes rax, rcx, rdx, rsi, r8 to r11. */
function emitPlanes(a: Assembler, isa: Isa, plan: Plan, x: Gpr): void {
  const { side, span, across, down, height, width, top, left } = plan;
  const bytes = planeBytes(plan);
  const masks = [k1, k2, k3, k4];
  const loaded = Array.from({ length: side }, (_, i) => isa.register(i));
  const parts = Array.from({ length: side }, (_, i) => isa.register(8 + i));
  const [row, from, to, count] = [rcx, r8, r9, r10];
  // The columns behind those of the last square are read with them.
  const chunks = Math.ceil((across + 1) / isa.lanes);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const first = chunk * side * isa.lanes - left;
    for (const [i, mask] of masks.slice(0, side).entries()) {
      a.movi(eax, insideMask(first + i * isa.lanes, isa.lanes, width));
      a.kmovd(mask, eax);
    }
    // What a longer vector overwrites must come after it.
    const isLast = chunk === chunks - 1 && chunks > 1;
    for (const [mask, shift] of [
      [k5, 1],
      [k6, 0],
    ] as const) {
      a.movi(eax, insideMask(chunk * isa.lanes - shift, isa.lanes, isLast ? across : Number.POSITIVE_INFINITY));
      a.kmovd(mask, eax);
    }
    const order = emitOrder(a, isa, side);
    a.movi(row, -top);
    a.lea(from, at(x), 4 * (first - top * width));
    a.lea(to, at(rbx), LINE + chunk * 4 * isa.lanes);
    a.movi(count, down + 1);
    const loop = a.here();
    for (let r = 0; r < side; r++) {
      const [outside, store] = [a.label(), a.label()];
      a.cmpi(row, height);
      a.jae(outside);
      for (const [i, vector] of loaded.entries()) a.vmovups(vector, at(from), i * 4 * isa.lanes, masks[i]! | ZERO);
      order(loaded, parts);
      a.jmp(store);
      a.bind(outside);
      for (const part of parts) a.vxorps(part, part, part);
      a.bind(store);
      for (let j = 0; j < span; j++) {
        const place = (r * span + j) * bytes;
        if (j < side) a.vmovups(at(to), place, parts[j]!, isLast ? k6 : 0);
        else a.vmovups(at(to), place - 4, parts[j - side]!, k5);
      }
      a.inc(row);
      a.addi(from, 4 * width);
    }
    a.addi(to, 4 * across);
    a.dec(count);
    a.jnz(loop);
  }
}

/** Splits neighbouring elements by their remainder by the side. Uses registers 16 to 21. */
function emitOrder(a: Assembler, isa: Isa, side: number): (from: readonly Vector[], to: readonly Vector[]) => void {
  const lanes = Array.from({ length: isa.lanes }, (_, i) => i);
  const [EVEN, ODD] = [0x88, 0xdd];
  if (side === 2) {
    const orders = [isa.register(16), isa.register(17)];
    for (const [p, order] of orders.entries()) a.vmovups(order, a.constant(Int32Array.from(lanes, (i) => 2 * i + p)));
    return ([x, y], to) => {
      for (const [p, order] of orders.entries()) {
        a.vmovaps(to[p]!, x!);
        a.vpermt2ps(to[p]!, order, y!);
      }
    };
  }
  const order = isa.register(16);
  const halves = [17, 18, 19, 20].map((i) => isa.register(i));
  // Two rounds of shuffles leave element 4 v + q at 4 q + v.
  a.vmovups(order, a.constant(Int32Array.from(lanes, (i) => 4 * (i % 4) + Math.floor(i / 4))));
  return ([w, x, y, z], to) => {
    a.vshufps(halves[0]!, w!, x!, EVEN);
    a.vshufps(halves[1]!, w!, x!, ODD);
    a.vshufps(halves[2]!, y!, z!, EVEN);
    a.vshufps(halves[3]!, y!, z!, ODD);
    for (const [p, part] of to.entries()) {
      const odd = p % 2;
      a.vshufps(part, halves[odd]!, halves[2 + odd]!, p < 2 ? EVEN : ODD);
      a.vpermps(part, order, part);
    }
  };
}

/** Transforms the squares in the planes, into channel [rbx] of the image at `to`. Changes rax, rcx, r8, r9. */
function emitSquares(a: Assembler, isa: Isa, plan: Plan, to: Gpr): void {
  const { side, span, across, vectors, inputStep } = plan;
  const bytes = planeBytes(plan);
  const vectorBytes = 4 * isa.lanes;
  const [from, target, count] = [r8, r9, rcx];
  const load = (dst: Vector, i: number, j: number): void =>
    a.vmovups(dst, at(from), ((i % side) * span + j) * bytes + Math.floor(i / side) * across * 4);
  const store = (i: number, j: number, x: Vector): void => a.vmovups(at(target), (i * span + j) * inputStep, x);
  const transform = side === 2 ? emitTwo(a, isa, load, store) : emitFour(a, isa, load, store);
  a.lea(from, at(rbx), LINE);
  const whole = Math.floor(vectors / 2);
  const locate = (pitch: number, panel: number): void => {
    a.mov(rax, at(rbx), 0);
    a.imuli(target, rax, pitch);
    a.add(target, to);
    a.addi(target, panelAt(plan, isa, panel));
  };
  if (whole > 0) {
    locate(2 * vectorBytes, 0);
    a.movi(count, whole);
    const loop = a.here();
    for (let v = 0; v < 2; v++) {
      transform();
      a.addi(from, vectorBytes);
      a.addi(target, vectorBytes);
    }
    a.addi(target, panelAt(plan, isa, 1) - 2 * vectorBytes);
    a.dec(count);
    a.jnz(loop);
  }
  if (vectors % 2 === 1) {
    locate(vectorBytes, whole);
    transform();
  }
}

type Load = (dst: Vector, i: number, j: number) => void;
type Store = (i: number, j: number, x: Vector) => void;

/** Of four: x2 - x0, x2 + x1, x2 - x1, x3 - x1, of columns and then of rows. */
function emitTwo(a: Assembler, isa: Isa, load: Load, store: Store): () => void {
  const halves = (x: readonly Vector[], y: readonly Vector[]): void => {
    a.vsubps(y[0]!, x[2]!, x[0]!);
    a.vaddps(y[1]!, x[1]!, x[2]!);
    a.vsubps(y[2]!, x[2]!, x[1]!);
    a.vsubps(y[3]!, x[3]!, x[1]!);
  };
  const columns = Array.from({ length: 4 }, (_, j) => Array.from({ length: 4 }, (_, i) => isa.register(4 * j + i)));
  const spare = Array.from({ length: 4 }, (_, i) => isa.register(16 + i));
  return () => {
    for (const [j, column] of columns.entries()) {
      for (const [i, x] of spare.entries()) load(x, i, j);
      halves(spare, column);
    }
    for (let i = 0; i < 4; i++) {
      halves(
        columns.map((column) => column[i]!),
        spare,
      );
      for (const [j, x] of spare.entries()) store(i, j, x);
    }
  };
}

/** Of six: with c and d the points' squares, whose product is 1. */
function emitFour(a: Assembler, isa: Isa, load: Load, store: Store): () => void {
  const points = pointsOf(4);
  const squares = points.map((p) => p * p);
  const constant = (i: number, value: number): Vector => {
    a.vbroadcastss(isa.register(i), a.constant(Float32Array.of(value)));
    return isa.register(i);
  };
  const p = points.map((value, i) => constant(25 + i, value));
  const square = squares.map((value, i) => constant(27 + i, value));
  const both = constant(29, squares[0]! + squares[1]!);
  /** The first and the last: x0 - (c + d) x2 + x4 and x1 - (c + d) x3 + x5, in x0 and x1. */
  const ends = (x: readonly Vector[]): void => {
    for (const i of [0, 1]) {
      a.vaddps(x[i]!, x[i]!, x[i + 4]!);
      a.vfnmadd231ps(x[i]!, x[i + 2]!, both);
    }
  };
  /** Those of a point and its negative: x4 - s x2 more and less p (x3 - s x1), in `more` and `less`; clobbers x3. */
  const pair = (x: readonly Vector[], point: number, more: Vector, less: Vector): void => {
    const s = square[1 - point]!;
    a.vmovaps(less, x[4]!);
    a.vfnmadd231ps(less, x[2]!, s);
    a.vmovaps(more, less);
    a.vfnmadd231ps(x[3]!, x[1]!, s);
    a.vfmadd231ps(more, x[3]!, p[point]!);
    a.vfnmadd231ps(less, x[3]!, p[point]!);
  };
  const x = Array.from({ length: 6 }, (_, i) => isa.register(i));
  const rows = [0, 1].map((r) => Array.from({ length: 6 }, (_, j) => isa.register(6 + 6 * r + j)));
  const [more, less, spare] = [isa.register(18), isa.register(19), isa.register(20)];
  /** A row of the transform, from its columns. */
  const finish = (row: readonly Vector[], i: number): void => {
    for (const point of [0, 1]) {
      const own = [...row];
      a.vmovaps(spare, row[3]!);
      own[3] = spare;
      pair(own, point, more, less);
      store(i, 1 + 2 * point, more);
      store(i, 2 + 2 * point, less);
    }
    ends(row);
    store(i, 0, row[0]!);
    store(i, 5, row[1]!);
  };
  return () => {
    for (let j = 0; j < 6; j++) {
      for (const [i, each] of x.entries()) load(each, i, j);
      ends(x);
      a.vmovaps(rows[0]![j]!, x[0]!);
      a.vmovaps(rows[1]![j]!, x[1]!);
    }
    finish(rows[0]!, 0);
    finish(rows[1]!, 5);
    for (const point of [0, 1]) {
      for (let j = 0; j < 6; j++) {
        for (const i of [1, 2, 3, 4]) load(x[i]!, i, j);
        pair(x, point, rows[0]![j]!, rows[1]![j]!);
      }
      finish(rows[0]!, 1 + 2 * point);
      finish(rows[1]!, 2 + 2 * point);
    }
  };
}
