/** Einstein summation, and determinants. */

import {
  type Attributes,
  einsumExtents,
  type HostKernel,
  type Phase,
  parseEinsum,
  sizeOf,
  stridesOf,
} from '@espalier/core';
import { define, type Operands, units } from '../define.ts';
import { type Floats, floating } from '../float.ts';

/** Sums the products of one element of each operand, `count` times, advancing by `steps`. */
// biome-ignore lint/suspicious/noExplicitAny: floats, or bigints, which do not mix in one call.
type Contract = (operands: readonly any[], at: readonly number[], steps: readonly number[], count: number) => any;

const sumOfProducts: Contract = (operands: readonly Floats[], at, steps, count) => {
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
};

const bigSumOfProducts: Contract = (operands: readonly BigInt64Array[], at, steps, count) => {
  let sum = 0n;
  for (let i = 0; i < count; i++) {
    let product = 1n;
    for (let k = 0; k < operands.length; k++) product *= operands[k][at[k] + i * steps[k]];
    sum += product;
  }
  return sum;
};

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

/** How an equation falls into sums of products: one for each element of the output. */
function einsum({ inputs, outputs: [y], attrs }: Operands): Phase[] {
  const operands = inputs.map((x) => x!);
  const { labels, extents } = readEquation(
    attrs,
    operands.map(({ dims }) => dims),
  );
  const summed = [...extents.keys()].filter((label) => !labels.output.includes(label));
  // The last label is the innermost loop's.
  const inner = summed.length > 0 ? extents.get(summed.at(-1)!)! : 1;
  const outerExtents = summed.slice(0, -1).map((label) => extents.get(label)!);
  const outer = sizeOf(outerExtents);
  /** How far each operand advances with a label; 0 along axes that it broadcasts. */
  const stepsOf = (names: readonly string[]): number[][] =>
    operands.map(({ dims }, k) => {
      const strides = stridesOf(dims);
      const own = labels.inputs[k];
      return names.map((label) =>
        own.reduce((sum, name, axis) => sum + (name === label && dims[axis] > 1 ? strides[axis] : 0), 0),
      );
    });
  const [outputSteps, summedSteps] = [stepsOf(labels.output), stepsOf(summed)];
  const innerSteps = summedSteps.map((steps) => steps.at(-1) ?? 0);
  const advance = (at: number[], steps: number[][], dims: readonly number[], index: number): void => {
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const i = index % dims[axis];
      index = Math.floor(index / dims[axis]);
      for (let k = 0; k < at.length; k++) at[k] += i * steps[k][axis];
    }
  };
  const isBig = y!.data instanceof BigInt64Array || y!.data instanceof BigUint64Array;
  const floats = isBig ? [] : operands.map(floating);
  const data = isBig ? operands.map((x) => x.data) : floats.map((x) => x.data);
  const contract: Contract = isBig ? bigSumOfProducts : sumOfProducts;
  const element = (unit: number): void => {
    const base = operands.map(() => 0);
    advance(base, outputSteps, y!.dims, unit);
    let sum = contract(data, base, innerSteps, outer === 0 ? 0 : inner);
    for (let r = 1; r < outer; r++) {
      const at = [...base];
      advance(at, summedSteps, outerExtents, r);
      sum += contract(data, at, innerSteps, inner);
    }
    y!.data[unit] = sum;
  };
  return [...floats.flatMap(({ before }) => before), units(y!.size, element)];
}

function readEquation(attrs: Attributes, shapes: readonly (readonly number[])[]) {
  const labels = parseEinsum(
    attrs['equation'] as string,
    shapes.map((dims) => dims.length),
  );
  return { labels, extents: einsumExtents(labels, shapes) as Map<string, number> };
}

export const contraction: readonly HostKernel[] = [
  define({
    op: 'Einsum',
    macs: (inputs, _outputs, { attrs }) => {
      const { extents } = readEquation(
        attrs,
        inputs.map((dims) => dims!),
      );
      return sizeOf([...extents.values()]);
    },
    compute: einsum,
  }),
  define({
    op: 'Det',
    macs: ([x]) => (sizeOf(x!) * x!.at(-1)!) / 3,
    compute: ({ inputs: [x], outputs: [y] }) => {
      const n = x!.dims.at(-1)!;
      return units(y!.size, (i) => {
        y!.data[i] = determinant(x!.data, i * n * n, n);
      });
    },
  }),
];
