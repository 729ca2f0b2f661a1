/** Einstein summation, and determinants. */

import { einsumExtents, type HostKernel, parseEinsum, sizeOf, stridesOf } from '@espalier/core';
import { define, each } from '../define.ts';
import { type Floats, floating } from '../float.ts';

/** Sums the products of one element of each operand, `count` times, advancing by `steps`. */
function sumOfProducts(operands: readonly Floats[], at: readonly number[], steps: readonly number[], count: number) {
  let sum = 0;
  if (operands.length === 2) {
    const [a, b] = operands;
    for (let i = 0, p = at[0], q = at[1]; i < count; i++, p += steps[0], q += steps[1]) sum += a[p] * b[q];
    return sum;
  }
  for (let i = 0; i < count; i++) {
    let product = 1;
    for (let k = 0; k < operands.length; k++) product *= operands[k][at[k] + i * steps[k]];
    sum += product;
  }
  return sum;
}

/** The same for integers of 64 bits. */
function bigSumOfProducts(
  operands: readonly BigInt64Array[],
  at: readonly number[],
  steps: readonly number[],
  count: number,
) {
  let sum = 0n;
  for (let i = 0; i < count; i++) {
    let product = 1n;
    for (let k = 0; k < operands.length; k++) product *= operands[k][at[k] + i * steps[k]];
    sum += product;
  }
  return sum;
}

/** The determinant of the `n` x `n` matrix at `at`, by elimination with the largest pivot of each column. */
function determinant(data: Floats, at: number, n: number): number {
  const m = Float64Array.from(data.subarray(at, at + n * n));
  let result = 1;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(m[i * n + k]) > Math.abs(m[pivot * n + k])) pivot = i;
    if (pivot !== k) {
      result = -result;
      for (let j = k; j < n; j++) [m[k * n + j], m[pivot * n + j]] = [m[pivot * n + j], m[k * n + j]];
    }
    const head = m[k * n + k];
    result *= head;
    if (head === 0) return result;
    for (let i = k + 1; i < n; i++) {
      const factor = m[i * n + k] / head;
      for (let j = k; j < n; j++) m[i * n + j] -= factor * m[k * n + j];
    }
  }
  return result;
}

export const contraction: readonly HostKernel[] = [
  define({
    op: 'Einsum',
    macs: (inputs, _outputs, call) => {
      const shapes = inputs.map((dims) => dims!);
      const labels = parseEinsum(
        call.attrs['equation'] as string,
        shapes.map((dims) => dims.length),
      );
      return sizeOf([...einsumExtents(labels, shapes).values()] as number[]);
    },
    compute: ({ inputs, outputs: [y], attrs }) => {
      const operands = inputs.map((x) => x!);
      const shapes = operands.map(({ dims }) => dims);
      const labels = parseEinsum(
        attrs['equation'] as string,
        shapes.map((dims) => dims.length),
      );
      const extents = einsumExtents(labels, shapes) as Map<string, number>;
      const summed = [...extents.keys()].filter((label) => !labels.output.includes(label));
      /** How far each operand advances with a label. */
      const steps = operands.map(({ dims }, k) => {
        const strides = stridesOf(dims);
        const step = (label: string): number =>
          labels.inputs[k].reduce((sum, own, axis) => sum + (own === label && dims[axis] > 1 ? strides[axis] : 0), 0);
        return { output: labels.output.map(step), summed: summed.map(step) };
      });
      const isBig = y!.data instanceof BigInt64Array || y!.data instanceof BigUint64Array;
      const floats = isBig ? [] : operands.map(floating);
      const last = summed.length - 1;
      const inner = last < 0 ? 1 : extents.get(summed[last])!;
      const outerExtents = summed.slice(0, -1).map((label) => extents.get(label)!);
      const outer = sizeOf(outerExtents);
      const innerSteps = steps.map((s) => (last < 0 ? 0 : s.summed[last]));
      const advance = (at: number[], which: 'output' | 'summed', dims: readonly number[], index: number): void => {
        for (let axis = dims.length - 1; axis >= 0; axis--) {
          const i = index % dims[axis];
          index = Math.floor(index / dims[axis]);
          for (let k = 0; k < at.length; k++) at[k] += i * steps[k][which][axis];
        }
      };
      const data = isBig ? operands.map((x) => x.data as BigInt64Array) : floats.map((x) => x.data);
      const contract = (isBig ? bigSumOfProducts : sumOfProducts) as (
        d: typeof data,
        ...rest: [number[], number[], number]
      ) => number;
      const run = (from: number, to: number): void => {
        for (let element = from; element < to; element++) {
          const base = operands.map(() => 0);
          advance(base, 'output', y!.dims, element);
          let sum: number = isBig ? (0n as unknown as number) : 0;
          for (let r = 0; r < outer; r++) {
            const at = [...base];
            advance(at, 'summed', outerExtents, r);
            sum += contract(data, at, innerSteps, inner);
          }
          y!.data[element] = sum;
        }
      };
      return [...floats.flatMap(({ before }) => before), each(y!.size, run)];
    },
  }),
  define({
    op: 'Det',
    macs: ([x]) => (sizeOf(x!) * x!.at(-1)!) / 3,
    compute: ({ inputs: [x], outputs: [y] }) => {
      const n = x!.dims.at(-1)!;
      return each(y!.size, (from, to) => {
        for (let i = from; i < to; i++) y!.data[i] = determinant(x!.data, i * n * n, n);
      });
    },
  }),
];
