/**
 * Products by sparse weights in the shapes of BERT against the dense kernel: how many times as fast, GFLOP/s on nonzeros, and the time
 * over what the law predicts. Hot: the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * `npx esbuild bench/sparse.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs 1`
 */

import { type Call, type Kernel, type Rates, type Step, Tensor, type Work } from '@espalier/core';
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

function sparse(k: number, n: number, density: number): Tensor {
  const data = Float32Array.from({ length: k * n }, () => (Math.random() < density ? Math.random() - 0.5 : 0));
  return new Tensor('float32', data, [k, n]);
}

async function measure(backend: NativeBackend, kernel: Kernel, m: number, weights: readonly Tensor[], rates: Rates) {
  const [k, n] = weights[0]!.dims as [number, number];
  const desc = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const call: Call = {
    ...{ node: 'product', op: 'MatMul', domain: '', attrs: {}, epilogue: [] },
    ...{ inputs: [desc(m, k), desc(k, n)], outputs: [desc(m, n)] },
  };
  const programs: NativeProgram[] = [];
  let predicted = 0;
  const started = performance.now();
  for (const tensor of weights) {
    const nonzeros = (tensor.data as Float32Array).reduce((sum, x) => sum + Number(x !== 0), 0);
    const constants = [undefined, { tensor, structure: { elements: tensor.size, nonzeros } }];
    predicted = kernel.law!(kernel.work(call, {}, constants) as Work, rates);
    programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
  }
  const preparing = (performance.now() - started) / weights.length;
  const steps = Math.max(programs.length, Math.ceil(LIST_MACS / (m * k * n)));
  const list = (count: number) =>
    backend.record(
      Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
        return { call, kernel: kernel.name, program: programs[i % count]!, inputs: [0], outputs: [1] };
      }),
    );
  const lists = { hot: list(1), cold: list(programs.length) };
  const slots = [m * k, m * n].map((elements) => ({ buffer: backend.alloc(4 * elements), offset: 0 }));
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

const [threads = '1', only] = process.argv.slice(2);
const backend = createNativeBackend({ threads: Number(threads) });
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
const limit = 2 * rates['fma']! * backend.limits.threads;
console.log(`${backend.limits.threads} threads, ${(limit / 1e9).toFixed(0)} GFLOP/s at most`);
const find = (part: string): Kernel => backend.kernels.find(({ name }) => name.startsWith(part))!;
for (const m of ROWS.filter((rows) => !only || rows === Number(only))) {
  for (const [k, n] of WEIGHTS) {
    const copies = Math.ceil(COLD_BYTES / (4 * k * n));
    const full = Array.from({ length: copies }, () => sparse(k, n, 1));
    const dense = await measure(backend, find('matmul_f32_dense'), m, full, rates);
    console.log(
      `${m} x ${k} x ${n} dense: hot ${(dense.hot * 1e6).toFixed(0)} us, cold ${(dense.cold * 1e6).toFixed(0)} us, law ${(dense.hot / dense.predicted).toFixed(2)}`,
    );
    for (const density of DENSITIES) {
      const count = Math.min(copies, Math.ceil(COLD_BYTES / (14 * k * n * density)));
      const weights = Array.from({ length: count }, () => sparse(k, n, density));
      const found = await measure(backend, find('matmul_f32_stream'), m, weights, rates);
      const said = (['hot', 'cold'] as const).map((heat) => {
        const rate = (2 * m * k * n * density) / found[heat] / 1e9;
        return `${heat} ${(found[heat] * 1e6).toFixed(0).padStart(5)} us ${rate.toFixed(0).padStart(4)} GFLOP/s ${(dense[heat] / found[heat]).toFixed(2).padStart(5)}x`;
      });
      console.log(
        `   ${((1 - density) * 100).toFixed(0)} %: ${said.join('  ')}  law ${(found.hot / found.predicted).toFixed(2)}  prepared in ${found.preparing.toFixed(0)} ms`,
      );
    }
  }
}
backend.dispose();
