/** Matrix products. */

import { broadcastStrides, dtypes, type HostKernel, integerRange, type Phase, sizeOf, stridesOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { broadcast } from '../broadcast.ts';
import { define, each, type Operand } from '../define.ts';
import { roundHalfEven } from '../numeric.ts';
import { type Matrix, product } from '../product.ts';

/** How a product by numpy's rules falls into products of matrices. */
export interface Layout {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  /** Where the matrices of A and B begin. */
  begin(batch: number): readonly [a: number, b: number];
}

export function layout(a: readonly number[], b: readonly number[], y: readonly number[]): Layout {
  const k = a.at(-1)!;
  const n = b.length > 1 ? b.at(-1)! : 1;
  agree(b.at(b.length > 1 ? -2 : -1)!, k, 'the inner sizes of a matrix product');
  // Rows of all of A against one B are one product.
  if (b.length <= 2) return { m: sizeOf(a.slice(0, -1)), n, k, batch: 1, begin: () => [0, 0] };
  const m = a.length > 1 ? a.at(-2)! : 1;
  const lead = y.slice(0, y.length - (a.length > 1 ? 2 : 1));
  const strides = [a, b].map((dims) => broadcastStrides(dims.slice(0, -2), lead));
  const sizes = [m * k, k * n];
  const steps = stridesOf(lead);
  const begin = (batch: number): readonly [number, number] => {
    const offsets: [number, number] = [0, 0];
    lead.forEach((extent, axis) => {
      const index = Math.floor(batch / steps[axis]) % extent;
      offsets[0] += index * strides[0][axis] * sizes[0];
      offsets[1] += index * strides[1][axis] * sizes[1];
    });
    return offsets;
  };
  return { m, n, k, batch: sizeOf(lead), begin };
}

/** The product of row-major operands, into `to`. */
// biome-ignore lint/suspicious/noExplicitAny: arrays of one element type or another.
export function matmulPhase(at: Layout, a: any, b: any, to: any): Phase {
  const matrix = (data: Matrix['data'], row: number): Matrix => ({ data, row, column: 1 });
  const { m, n, k } = at;
  return product({ m, n, k, a: matrix(a, k), b: matrix(b, n), c: matrix(to, n) }, at.batch, (i) => [
    ...at.begin(i),
    i * m * n,
  ]);
}

/** Multiply-adds of a product whose first operand has `inner` as its last axis. */
const macsOf = (a: readonly number[], y: readonly number[]): number => sizeOf(y) * (a.at(-1) ?? 1);

/** The shape with which a parameter of a matrix, one or one for each column, broadcasts over it. */
export const perColumn = (parameter: Operand): readonly number[] => (parameter.size === 1 ? [] : parameter.dims);
/** The same for one or one for each row. */
const perRow = (parameter: Operand): readonly number[] =>
  parameter.size !== 1 && parameter.dims.length === 1 ? [parameter.dims[0], 1] : perColumn(parameter);

/** `x - zero` as float32, in which every difference of bytes is exact; `zero` broadcasts as if it were of `dims`. */
export function centred(
  x: Operand,
  zero: Operand | undefined,
  dims: (zero: Operand) => readonly number[],
): [Float32Array, Phase] {
  const to = new Float32Array(x.size);
  const zeros = zero?.data ?? [0];
  const walk = broadcast(x.dims, zero ? dims(zero) : []);
  const run = (from: number, end: number): void =>
    walk.rows(from, end, (at, count, [offset]) => {
      for (let i = 0; i < count; i++) to[at + i] = x.data[at + i] - zeros[offset + i * walk.steps[0]];
    });
  return [to, each(x.size, run)];
}

/** Stores `sum * scale + zero` in the integers of `y`: in float32, to nearest even, saturated. */
export function requantize(y: Operand, zero: Operand): (at: number, sum: number, scale: number) => void {
  const [least, greatest] = integerRange(y.dtype);
  return (at, sum, scale) => {
    const value = roundHalfEven(Math.fround(Math.fround(sum) * Math.fround(scale))) + zero.data[0];
    y.data[at] = Math.min(greatest, Math.max(least, value));
  };
}

/** y = alpha * y + beta * c */
function scaleAndAdd(y: Operand, alpha: number, c: Operand | undefined, beta: number): Phase {
  const scalar: (x: number) => number = typeof y.data[0] === 'bigint' ? (BigInt as unknown as typeof Number) : Number;
  const [scaleY, scaleC] = [scalar(alpha), scalar(beta)];
  const walk = broadcast(y.dims, c?.dims ?? []);
  return each(y.size, (from, end) =>
    walk.rows(from, end, (at, count, [offset]) => {
      for (let i = at; i < at + count; i++) {
        y.data[i] *= scaleY;
        if (c) y.data[i] += scaleC * c.data[offset + (i - at) * walk.steps[0]];
      }
    }),
  );
}

export const matmul: readonly HostKernel[] = [
  define({
    op: 'MatMul',
    macs: ([a], [y]) => macsOf(a!, y!),
    compute: ({ inputs: [a, b], outputs: [y] }) =>
      matmulPhase(layout(a!.dims, b!.dims, y!.dims), a!.data, b!.data, y!.data),
  }),
  define({
    op: 'Gemm',
    reject: ({ inputs: [a], attrs: { alpha, beta } }) =>
      dtypes[a!.dtype].kind === 'float' || (Number.isInteger(alpha) && Number.isInteger(beta))
        ? undefined
        : `scales ${a!.dtype} by ${alpha} and ${beta}, which are not integers`,
    macs: ([a], [y], call) => sizeOf(y!) * a![call.attrs['transA'] ? 0 : 1],
    compute: ({ inputs: [a, b, c], outputs: [y], attrs }) => {
      const [m, n] = y!.dims;
      const matrix = (x: Operand, isTurned: boolean): Matrix =>
        isTurned ? { data: x.data, row: 1, column: x.dims[1] } : { data: x.data, row: x.dims[1], column: 1 };
      const [transA, transB] = [attrs['transA'] !== 0, attrs['transB'] !== 0];
      const k = a!.dims[transA ? 0 : 1];
      agree(b!.dims[transB ? 1 : 0], k, 'the inner sizes of a matrix product');
      const phases = [
        product({ m, n, k, a: matrix(a!, transA), b: matrix(b!, transB), c: matrix(y!, false) }, 1, () => [0, 0, 0]),
      ];
      const [alpha, beta] = [attrs['alpha'] as number, attrs['beta'] as number];
      const addend = beta === 0 ? undefined : c;
      if (alpha !== 1 || addend) phases.push(scaleAndAdd(y!, alpha, addend, beta));
      return phases;
    },
  }),
  define({
    op: 'MatMulInteger',
    macs: ([a], [y]) => macsOf(a!, y!),
    compute: ({ inputs: [a, b, aZero, bZero], outputs: [y] }) => {
      const [left, centreA] = centred(a!, aZero, perRow);
      const [right, centreB] = centred(b!, bZero, perColumn);
      return [centreA, centreB, matmulPhase(layout(a!.dims, b!.dims, y!.dims), left, right, y!.data)];
    },
  }),
  define({
    op: 'QLinearMatMul',
    macs: ([a], [y]) => macsOf(a!, y!),
    compute: ({ inputs: [a, aScale, aZero, b, bScale, bZero, yScale, yZero], outputs: [y] }) => {
      const [left, centreA] = centred(a!, aZero, perRow);
      const [right, centreB] = centred(b!, bZero, perColumn);
      const sums = new Int32Array(y!.size);
      const store = requantize(y!, yZero!);
      // Of a vector the result has no axis, and so the scales of the other operand have none for it either.
      const scales = [
        b!.dims.length > 1 ? perRow(aScale!) : perColumn(aScale!).slice(0, Math.max(1, aScale!.dims.length - 1)),
        a!.dims.length > 1 ? perColumn(bScale!) : perColumn(bScale!).filter((_, i, dims) => i !== dims.length - 2),
      ];
      const walk = broadcast(y!.dims, ...scales);
      const run = (from: number, end: number): void =>
        walk.rows(from, end, (at, count, [p, q]) => {
          for (let i = 0; i < count; i++) {
            const scales = Math.fround(aScale!.data[p + i * walk.steps[0]] * bScale!.data[q + i * walk.steps[1]]);
            store(at + i, sums[at + i], scales / yScale!.data[0]);
          }
        });
      return [centreA, centreB, matmulPhase(layout(a!.dims, b!.dims, y!.dims), left, right, sums), each(y!.size, run)];
    },
  }),
];
