/**
 * Products by sparse weights (f32; i8 unstructured; i8b in blocks of 1x4) in the shapes of BERT against the dense kernel: how many times as fast, operations a second on
 * nonzeros, and the time over what the law predicts. Hot: the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * `npx esbuild bench/sparse.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs f32 1 128`
 */

import { createNativeBackend } from '../src/index.ts';
import { type Kind, kernelsOf, kinds, measure, sparse } from './products.ts';

const ROWS = [1, 16, 128];
const WEIGHTS = [
  [768, 768],
  [768, 3072],
  [3072, 768],
] as const;
const DENSITIES = [0.5, 0.2, 0.1, 0.05, 0.03];
/** More than a last-level cache. */
const COLD_BYTES = 80e6;

const [kind = 'f32', threads = '1', only] = process.argv.slice(2) as [Kind, string?, string?];
const { bytes, rate } = kinds[kind];
const sparseName = { f32: 'matmul_f32_stream', i8: 'quantizedmatmul_i8_quads', i8b: 'quantizedmatmul_i8_blocks1x4' }[
  kind
];

const backend = createNativeBackend({ threads: Number(threads) });
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
const limit = 2 * rates[rate]! * backend.limits.threads;
console.log(`${backend.limits.threads} threads, ${(limit / 1e9).toFixed(0)} G operations/s at most`);
const find = (part: string) => [kernelsOf(backend, kind).find(({ name }) => name.startsWith(part))!];
for (const m of ROWS.filter((rows) => !only || rows === Number(only))) {
  for (const [k, n] of WEIGHTS) {
    const copies = Math.ceil(COLD_BYTES / (bytes * k * n));
    const full = Array.from({ length: copies }, () => sparse(kind, k, n, 1));
    const denseKernel = find(kind === 'f32' ? 'matmul_f32_dense' : 'quantizedmatmul_i8_dense');
    const [dense] = await measure(backend, denseKernel, kind, m, full, rates);
    const { hot, cold, predicted } = dense!;
    console.log(
      `${m} x ${k} x ${n} dense: hot ${(hot * 1e6).toFixed(0)} us, cold ${(cold * 1e6).toFixed(0)} us, law ${(hot / predicted).toFixed(2)}`,
    );
    for (const density of DENSITIES) {
      const count = Math.min(copies, Math.ceil(COLD_BYTES / ((kind === 'f32' ? 14 : 6) * k * n * density)));
      const weights = Array.from({ length: count }, () => sparse(kind, k, n, density));
      const [found] = await measure(backend, find(sparseName), kind, m, weights, rates);
      const said = (['hot', 'cold'] as const).map((heat) => {
        const rate = (2 * m * k * n * density) / found![heat] / 1e9;
        return `${heat} ${(found![heat] * 1e6).toFixed(0).padStart(5)} us ${rate.toFixed(0).padStart(4)} G/s ${(dense![heat] / found![heat]).toFixed(2).padStart(5)}x`;
      });
      console.log(
        `   ${((1 - density) * 100).toFixed(0)} %: ${said.join('  ')}  law ${(found!.hot / found!.predicted).toFixed(2)}  prepared in ${found!.preparing.toFixed(0)} ms`,
      );
    }
  }
}
backend.dispose();
