/**
 * Dense products in the shapes of MiniLM and BERT: GFLOP/s, and how much of what the processor multiplies and adds that is. Hot:
 * the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * Over the sources, bundled to where the addon is found:
 * `npx esbuild bench/matmul.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs`
 */

import { type Call, type Step, Tensor } from '@espalier/core';
import { createNativeBackend, type NativeBackend, type NativeFeature, type NativeProgram } from '../src/index.ts';

const ROWS = [1, 7, 16, 128];
const WEIGHTS = [
  [384, 384],
  [384, 1536],
  [1536, 384],
  [768, 768],
  [768, 3072],
  [3072, 768],
] as const;
/** More than a last-level cache. */
const COLD_BYTES = 80e6;
const SAMPLES = 15;
/** Multiply-adds of a list: milliseconds, so that starting it does not show. */
const LIST_MACS = 2e7;

const least = (values: number[]): number => Math.min(...values);

/** Seconds of one product: the least of several lists that take turns, as whatever else runs only adds. */
async function measure(
  backend: NativeBackend,
  m: number,
  k: number,
  n: number,
): Promise<{ hot: number; cold: number }> {
  const kernel = backend.kernels.find(
    ({ name, requires }) => name.startsWith('matmul_f32_dense') && requires!.every((f) => backend.features.has(f)),
  )!;
  const desc = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const call: Call = {
    ...{ node: 'product', op: 'MatMul', domain: '', attrs: {}, epilogue: [] },
    ...{ inputs: [desc(m, k), desc(k, n)], outputs: [desc(m, n)] },
  };
  const tensor = new Tensor('float32', new Float32Array(k * n).fill(1 / 3), [k, n]);
  const constants = [undefined, { tensor, structure: { elements: k * n, nonzeros: k * n } }];
  const programs: NativeProgram[] = [];
  for (let i = 0; i < Math.ceil(COLD_BYTES / (4 * k * n)); i++)
    programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
  const steps = Math.max(programs.length, Math.ceil(LIST_MACS / (m * k * n)));
  const list = (count: number) =>
    backend.record(
      Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
        return { call, kernel: kernel.name, program: programs[i % count]!, inputs: [0, undefined], outputs: [1] };
      }),
    );
  const lists = { hot: list(1), cold: list(programs.length) };
  const slots = [m * k, m * n].map((elements) => ({ buffer: backend.alloc(4 * elements), offset: 0 }));
  const times: { hot: number[]; cold: number[] } = { hot: [], cold: [] };
  for (let sample = 0; sample <= SAMPLES; sample++) {
    for (const kind of ['hot', 'cold'] as const) {
      const started = performance.now();
      await lists[kind].run(slots, {});
      // The first run binds the list.
      if (sample > 0) times[kind].push((performance.now() - started) / 1000 / steps);
    }
  }
  lists.hot.dispose();
  lists.cold.dispose();
  for (const program of programs) program.dispose!();
  for (const { buffer } of slots) backend.free(buffer);
  return { hot: least(times.hot), cold: least(times.cold) };
}

async function main(mask: readonly NativeFeature[], threads: number): Promise<void> {
  const backend = createNativeBackend({ mask, threads });
  if ('reason' in backend) throw new Error(backend.reason);
  const { fma } = await backend.calibrate();
  const limit = 2 * fma! * backend.limits.threads;
  console.log(
    `\n${mask.length > 0 ? 'AVX2' : 'best'}, ${backend.limits.threads} threads: ${(limit / 1e9).toFixed(0)} GFLOP/s at most`,
  );
  for (const m of ROWS) {
    for (const [k, n] of WEIGHTS) {
      const seconds = await measure(backend, m, k, n);
      const said = (['hot', 'cold'] as const).map((kind) => {
        const rate = (2 * m * k * n) / seconds[kind];
        const of = `${((100 * rate) / limit).toFixed(0)} %`.padStart(5);
        const bytes = ((4 * k * n) / seconds[kind] / 1e9).toFixed(0).padStart(4);
        return `${kind} ${(seconds[kind] * 1e6).toFixed(0).padStart(6)} us ${(rate / 1e9).toFixed(1).padStart(6)} ${of} ${bytes} GB/s`;
      });
      console.log(`${`${m} x ${k} x ${n}`.padStart(18)}  ${said.join('   ')}`);
    }
  }
  backend.dispose();
}

for (const mask of [[], ['avx512']] as const) for (const threads of [1, 2]) await main(mask, threads);
