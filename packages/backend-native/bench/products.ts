/** What benches of products by constant matrices share: matrices with zeros, calls, and how long kernels take for one. */

import { type Call, ESPALIER, type Kernel, type Rates, type Step, Tensor, type Work } from '@espalier/core';
import type { NativeBackend, NativeProgram } from '../src/index.ts';

const one = new Tensor('float32', Float32Array.of(1), []);
const f32 = {
  ...{ op: 'MatMul', domain: '', bytes: 4, weights: 1, rate: 'fma', block: 1 },
  inputs: (m: number, weights: Tensor) => [
    new Tensor('float32', new Float32Array(m * weights.dims[0]!), [m, weights.dims[0]!]),
    weights,
  ],
  weightsOf: (values: Float32Array, dims: number[]) => new Tensor('float32', values, dims),
};
const i8 = {
  ...{ op: 'QuantizedMatMul', domain: ESPALIER, bytes: 1, weights: 3, rate: 'dot', block: 1 },
  inputs: (m: number, weights: Tensor) => [
    ...[
      new Tensor('uint8', new Uint8Array(m * weights.dims[0]!), [m, weights.dims[0]!]),
      one,
      new Tensor('uint8', [3], []),
    ],
    ...[weights, one, new Tensor('int8', [0], [])],
  ],
  weightsOf: (values: Float32Array, dims: number[]) =>
    new Tensor(
      'int8',
      Int8Array.from(values, (x) => x && (x > 0 ? 1 : -1) + x * 252),
      dims,
    ),
};
/** Unstructured zeros in float32 and int8, and in int8 blocks of four along a column. */
export const kinds = { f32, i8, i8b: { ...i8, block: 4 } } as const;
export type Kind = keyof typeof kinds;

/** Random weights, of which a share of `density` is not zero. */
export function sparse(kind: Kind, k: number, n: number, density: number): Tensor {
  const { block, weightsOf } = kinds[kind];
  const kept = Uint8Array.from({ length: Math.ceil(k / block) * n }, () => Number(Math.random() < density));
  const values = Float32Array.from({ length: k * n }, (_, i) => {
    return kept[Math.floor(i / n / block) * n + (i % n)] ? Math.random() - 0.5 : 0;
  });
  return weightsOf(values, [k, n]);
}

export interface Measured {
  readonly kernel: string;
  /** Seconds of a product, by the kernel's law and at least: with the same weights in every step, and with others. */
  readonly predicted: number;
  readonly hot: number;
  readonly cold: number;
  /** Milliseconds. */
  readonly preparing: number;
}

const SAMPLES = 7;
const LIST_MACS = 1e7;

/** Of the kernels those that do products of `m` rows by each of `weights`, measured by turns. */
export async function measure(
  backend: NativeBackend,
  kernels: readonly Kernel[],
  kind: Kind,
  m: number,
  weights: readonly Tensor[],
  rates: Rates,
): Promise<Measured[]> {
  const { op, domain, inputs, weights: at } = kinds[kind];
  const [k, n] = weights[0]!.dims as [number, number];
  const operands = inputs(m, weights[0]!);
  const call: Call = {
    ...{ node: 'product', op, domain, attrs: {}, epilogue: [] },
    inputs: operands.map(({ type, dims: shape }) => ({ dtype: type, shape })),
    outputs: [{ dtype: 'float32', shape: [m, n] }],
  };
  const packed = weights.map((tensor) =>
    inputs(m, tensor).map((operand, i) => {
      if (i < at) return undefined;
      const nonzeros = (operand.data as Float32Array).reduce((sum, x) => sum + Number(x !== 0), 0);
      return { tensor: operand, structure: { elements: operand.size, nonzeros } };
    }),
  );
  const sizes = [...operands.map(({ bytes }) => bytes.byteLength), 4 * m * n];
  const slots = sizes.map((size) => ({ buffer: backend.alloc(size), offset: 0 }));
  for (const [i, { bytes }] of operands.entries()) backend.write(slots[i]!.buffer, 0, bytes);
  const steps = Math.max(weights.length, Math.ceil(LIST_MACS / (m * k * n)));
  const runners = [];
  for (const kernel of kernels) {
    const work = kernel.work(call, {}, packed[0]!);
    if ('reason' in work) continue;
    const started = performance.now();
    const programs: NativeProgram[] = [];
    for (const constants of packed)
      programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
    const preparing = (performance.now() - started) / weights.length;
    const list = (count: number) =>
      backend.record(
        Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
          const program = programs[i % count]!;
          const inputs = operands.map((_, index) => (program.packed!.includes(index) ? undefined : index));
          return { call, kernel: kernel.name, program, inputs, outputs: [operands.length] };
        }),
      );
    const predicted = kernel.law!(work as Work, rates);
    const lists = weights.length > 1 ? { hot: list(1), cold: list(programs.length) } : { hot: list(1) };
    runners.push({ kernel: kernel.name, programs, preparing, predicted, lists, hot: Infinity, cold: Infinity });
  }
  for (let sample = 0; sample <= SAMPLES; sample++)
    for (const heat of ['hot', 'cold'] as const)
      for (const runner of runners) {
        const list = runner.lists[heat as 'hot'];
        if (!list) continue;
        const began = performance.now();
        await list.run(slots, {});
        const seconds = (performance.now() - began) / 1000 / steps;
        if (sample > 0) runner[heat] = Math.min(runner[heat], seconds);
      }
  for (const { lists, programs } of runners) {
    for (const each of Object.values(lists)) each.dispose();
    for (const program of programs) program.dispose!();
  }
  for (const { buffer } of slots) backend.free(buffer);
  return runners.map(({ kernel, predicted, hot, cold, preparing }) => ({ kernel, predicted, hot, cold, preparing }));
}

/** Kernels for the products of a kind that this machine runs, best first. */
export const kernelsOf = ({ kernels, features }: NativeBackend, kind: Kind): Kernel[] =>
  kernels.filter(
    ({ op, domain, requires }) =>
      op === kinds[kind].op && (domain ?? '') === kinds[kind].domain && (requires ?? []).every((f) => features.has(f)),
  );
