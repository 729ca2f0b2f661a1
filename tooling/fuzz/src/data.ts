/** Data of inputs and weights: ordinary numbers, with zeros where the patterns of sparse weights have them. */

import { encode } from '@espalier/conformance';
import { type DType, dim, sizeOf, Tensor } from '@espalier/core';
import type { Case } from './case.ts';
import { randomNumbers, type Source } from './choices.ts';

/** From -2 to 2. */
export function floats(dims: readonly number[], random: () => number): Tensor {
  return new Tensor(
    'float32',
    Float32Array.from({ length: sizeOf(dims) }, () => 4 * random() - 2),
    dims,
  );
}

/** From 0.1 to 2.1. */
export function positives(dims: readonly number[], random: () => number, scale = 1): Tensor {
  return new Tensor(
    'float32',
    Float32Array.from({ length: sizeOf(dims) }, () => scale * (2 * random() + 0.1)),
    dims,
  );
}

export const ints = (...values: number[]): Tensor => new Tensor('int64', values.map(BigInt));

/** Integers from `least` to `most`. */
export function wholes(
  dtype: DType,
  dims: readonly number[],
  random: () => number,
  least: number,
  most: number,
): Tensor {
  const elements = Array.from({ length: sizeOf(dims) }, () => least + Math.floor(random() * (most - least + 1)));
  return encode(dtype, dims, elements);
}

/** What a run gives to the inputs. */
export function feedsOf({ graph, bindings, seed, limits }: Case, run: number): ReadonlyMap<string, Tensor> {
  const random = randomNumbers(seed + run);
  return new Map(
    graph.inputs.map(({ name, dtype, shape }) => {
      const dims = shape.map((d) => dim.evaluate(d, bindings[run]!));
      const limit = limits.get(name);
      const tensor = limit === undefined ? floats(dims, random) : wholes(dtype, dims, random, -limit, limit - 1);
      return [name, tensor];
    }),
  );
}

/** True where a matrix's element is kept. */
type Pattern = (row: number, column: number) => boolean;

/** Zeros of weights, as those are found that make sparse formats worth their while, and some that do not; the first has none. */
export function drawPattern(source: Source, rows: number, columns: number, random: () => number): Pattern {
  const density = source.pick([0.5, 0.1, 0.25, 0.02]);
  /** Of whole blocks. */
  const blocks = (height: number, width: number): Pattern => {
    const across = Math.ceil(columns / width);
    const kept = Array.from({ length: Math.ceil(rows / height) * across }, () => random() < density);
    return (row, column) => kept[Math.floor(row / height) * across + Math.floor(column / width)]!;
  };
  /** `n` of every `m` that follow each other. */
  const some = (n: number, m: number, isDown: boolean): Pattern => {
    const starts = Array.from({ length: isDown ? columns : rows }, () => Math.floor(random() * m));
    return isDown ? (row, column) => (row + starts[column]!) % m < n : (row, column) => (column + starts[row]!) % m < n;
  };
  const patterns: readonly (() => Pattern)[] = [
    () => () => true,
    () => () => random() < density,
    // Runs of elements, and of zeros.
    () => {
      let kept = random() < density;
      return () => {
        if (random() < 0.2) kept = random() < density;
        return kept;
      };
    },
    () => (row, column) => Math.abs(row * columns - column * rows) <= density * rows * columns,
    () => some(2, 4, source.chance(2)),
    () => some(1, 4, source.chance(2)),
    () => some(1, 2, source.chance(2)),
    () => blocks(1, 4),
    () => blocks(4, 1),
    () => blocks(16, 4),
    () => blocks(4, 16),
    () => blocks(16, 16),
    // Whole rows or columns.
    () => blocks(1, columns),
    () => blocks(rows, 1),
    () => () => false,
    () => (row, column) => row === rows - 1 && column === columns - 1,
  ];
  return source.pick(patterns)();
}

/** Zero wherever the pattern drops an element of the last two axes. */
export function withPattern(tensor: Tensor, source: Source, random: () => number, zero = 0): Tensor {
  const [rows, columns] = [tensor.dims.at(-2) ?? 1, tensor.dims.at(-1) ?? 1];
  const keeps = drawPattern(source, rows, columns, random);
  const data = tensor.data as Float32Array | Int8Array | Uint8Array;
  for (let i = 0; i < data.length; i++) if (!keeps(Math.floor(i / columns) % rows, i % columns)) data[i] = zero;
  return tensor;
}
