/**
 * Products by sparse weights (f32; i8 unstructured; i8b in blocks of 1x4) in the shapes of BERT against the dense kernel: how many times as fast, operations a second on
 * nonzeros, and the time over what the law predicts. Hot: the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * `npx esbuild bench/sparse.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs f32 1 128`
 */

import { type Call, ESPALIER, type Kernel, type Rates, type Step, Tensor, type Work } from '@espalier/core';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';

const ROWS = [1, 16, 128];
const WEIGHTS = [
  [768, 768],
  [768, 3072],
  [3072, 768],
] as const;
const DENSITIES = [0.5, 0.2, 0.1, 0.05, 0.03];
/** More than a last-level cache. */
const COLD_BYTES = 80e6;
const SAMPLES = 7;
const LIST_MACS = 1e7;

const least = (values: number[]): number => Math.min(...values);

const one = new Tensor('float32', Float32Array.of(1), []);
const i8 = {
  ...{
    op: 'QuantizedMatMul',
    domain: ESPALIER,
    dense: 'quantizedmatmul_i8_dense',
    sparse: 'quantizedmatmul_i8_quads',
  },
  ...{ bytes: 1, weights: 3, rate: 'dot' },
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
} as const;
const kinds = {
  f32: {
    ...{
      op: 'MatMul',
      domain: '',
      dense: 'matmul_f32_dense',
      sparse: 'matmul_f32_stream',
      bytes: 4,
      weights: 1,
      rate: 'fma',
    },
    inputs: (m: number, weights: Tensor) => [
      new Tensor('float32', new Float32Array(m * weights.dims[0]!), [m, weights.dims[0]!]),
      weights,
    ],
    weightsOf: (values: Float32Array, dims: number[]) => new Tensor('float32', values, dims),
  },
  i8,
  i8b: { ...i8, sparse: 'quantizedmatmul_i8_blocks1x4' },
} as const;
const [kind = 'f32', threads = '1', only] = process.argv.slice(2) as [keyof typeof kinds, string?, string?];
const { op, domain, inputs, weightsOf, weights: at, bytes, rate, ...names } = kinds[kind];

function sparse(k: number, n: number, density: number): Tensor {
  const block = kind === 'i8b' ? 4 : 1;
  const kept = Uint8Array.from({ length: Math.ceil(k / block) * n }, () => Number(Math.random() < density));
  const values = Float32Array.from({ length: k * n }, (_, i) => {
    return kept[Math.floor(i / n / block) * n + (i % n)] ? Math.random() - 0.5 : 0;
  });
  return weightsOf(values, [k, n]);
}

async function measure(backend: NativeBackend, kernel: Kernel, m: number, weights: readonly Tensor[], rates: Rates) {
  const [k, n] = weights[0]!.dims as [number, number];
  const operands = inputs(m, weights[0]!);
  const call: Call = {
    ...{ node: 'product', op, domain, attrs: {}, epilogue: [] },
    inputs: operands.map(({ type, dims: shape }) => ({ dtype: type, shape })),
    outputs: [{ dtype: 'float32', shape: [m, n] }],
  };
  const programs: NativeProgram[] = [];
  let predicted = 0;
  const started = performance.now();
  for (const tensor of weights) {
    const constants = inputs(m, tensor).map((operand, i) => {
      if (i < at) return undefined;
      const nonzeros = (operand.data as Float32Array).reduce((sum, x) => sum + Number(x !== 0), 0);
      return { tensor: operand, structure: { elements: operand.size, nonzeros } };
    });
    predicted = kernel.law!(kernel.work(call, {}, constants) as Work, rates);
    programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
  }
  const preparing = (performance.now() - started) / weights.length;
  const steps = Math.max(programs.length, Math.ceil(LIST_MACS / (m * k * n)));
  const list = (count: number) =>
    backend.record(
      Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
        const program = programs[i % count]!;
        const slots = operands.map((_, index) => (program.packed!.includes(index) ? undefined : index));
        return { call, kernel: kernel.name, program, inputs: slots, outputs: [operands.length] };
      }),
    );
  const lists = { hot: list(1), cold: list(programs.length) };
  const sizes = [...operands.map(({ bytes }) => bytes.byteLength), 4 * m * n];
  const slots = sizes.map((size) => ({ buffer: backend.alloc(size), offset: 0 }));
  for (const [i, { bytes }] of operands.entries()) backend.write(slots[i]!.buffer, 0, bytes);
  const times: { hot: number[]; cold: number[] } = { hot: [], cold: [] };
  for (let sample = 0; sample <= SAMPLES; sample++) {
    for (const kind of ['hot', 'cold'] as const) {
      const began = performance.now();
      await lists[kind].run(slots, {});
      if (sample > 0) times[kind].push((performance.now() - began) / 1000 / steps);
    }
  }
  for (const each of Object.values(lists)) each.dispose();
  for (const program of programs) program.dispose!();
  for (const { buffer } of slots) backend.free(buffer);
  return { hot: least(times.hot), cold: least(times.cold), predicted, preparing };
}

const backend = createNativeBackend({ threads: Number(threads) });
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
const limit = 2 * rates[rate]! * backend.limits.threads;
console.log(`${backend.limits.threads} threads, ${(limit / 1e9).toFixed(0)} G operations/s at most`);
const find = (part: string): Kernel =>
  backend.kernels.find(
    ({ name, requires }) => name.startsWith(part) && requires!.every((f) => backend.features.has(f)),
  )!;
for (const m of ROWS.filter((rows) => !only || rows === Number(only))) {
  for (const [k, n] of WEIGHTS) {
    const copies = Math.ceil(COLD_BYTES / (bytes * k * n));
    const full = Array.from({ length: copies }, () => sparse(k, n, 1));
    const dense = await measure(backend, find(names.dense), m, full, rates);
    console.log(
      `${m} x ${k} x ${n} dense: hot ${(dense.hot * 1e6).toFixed(0)} us, cold ${(dense.cold * 1e6).toFixed(0)} us, law ${(dense.hot / dense.predicted).toFixed(2)}`,
    );
    for (const density of DENSITIES) {
      const count = Math.min(copies, Math.ceil(COLD_BYTES / ((kind === 'f32' ? 14 : 6) * k * n * density)));
      const weights = Array.from({ length: count }, () => sparse(k, n, density));
      const found = await measure(backend, find(names.sparse), m, weights, rates);
      const said = (['hot', 'cold'] as const).map((heat) => {
        const rate = (2 * m * k * n * density) / found[heat] / 1e9;
        return `${heat} ${(found[heat] * 1e6).toFixed(0).padStart(5)} us ${rate.toFixed(0).padStart(4)} G/s ${(dense[heat] / found[heat]).toFixed(2).padStart(5)}x`;
      });
      console.log(
        `   ${((1 - density) * 100).toFixed(0)} %: ${said.join('  ')}  law ${(found.hot / found.predicted).toFixed(2)}  prepared in ${found.preparing.toFixed(0)} ms`,
      );
    }
  }
}
backend.dispose();
