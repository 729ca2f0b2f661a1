/**
 * Dense products in the shapes of MiniLM and BERT: GFLOP/s, how much of what the processor multiplies and adds that is, and the time
 * over what the kernel's law predicts. Hot: the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * Over the sources, bundled to where the addon is found; kinds of weights, AVX2 and threads may be named:
 * `npx esbuild bench/matmul.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs f32 i8 i4 avx2 1`
 */

import { type Call, ESPALIER, type Rates, type Step, Tensor, type Work } from '@espalier/core';
import { createNativeBackend, type NativeBackend, type NativeFeature, type NativeProgram } from '../src/index.ts';

const ROWS = [1, 2, 4, 7, 14, 16, 128];
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

/** By name: op, prefix of the kernel, bytes of a weight, and the constants of a call. */
const kinds = {
  f32: { op: 'MatMul', prefix: 'matmul_f32_dense', bytes: 4, constants: (k: number, n: number) => [floats(k, n)] },
  i8: {
    ...{ op: 'DequantizeMatMul', prefix: 'matmul_f32i8_dense', bytes: 1 },
    constants: (k: number, n: number) => [new Tensor('int8', new Int8Array(k * n).fill(5), [k, n]), floats(n)],
  },
  i4: {
    ...{ op: 'DequantizeMatMul', prefix: 'matmul_f32i4_dense', bytes: 0.5 + 4 / 32 },
    constants: (k: number, n: number) => [
      new Tensor('int4', new Int8Array((k * n) / 2).fill(0x35), [k, n]),
      floats(k / 32, n),
    ],
  },
} as const;
type Kind = keyof typeof kinds;

function floats(...dims: number[]): Tensor {
  return new Tensor('float32', new Float32Array(dims.reduce((x, y) => x * y)).fill(1 / 3), dims);
}

/** Seconds of one product: the least of several lists that take turns, as whatever else runs only adds. */
async function measure(
  backend: NativeBackend,
  kind: Kind,
  [m, k, n]: readonly [number, number, number],
  rates: Rates,
): Promise<{ hot: number; cold: number; predicted: number }> {
  const { op, prefix, bytes } = kinds[kind];
  const kernel = backend.kernels.find(
    ({ name, requires }) => name.startsWith(prefix) && requires!.every((f) => backend.features.has(f)),
  )!;
  const weights = kinds[kind].constants(k, n);
  const desc = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const attrs = kind === 'i4' ? { axis: 0, block_size: 32 } : { axis: 1, block_size: 0 };
  const call: Call = {
    ...{ node: 'product', op, domain: op === 'MatMul' ? '' : ESPALIER, attrs, epilogue: [] },
    inputs: [desc(m, k), ...weights.map(({ type, dims }) => ({ dtype: type, shape: dims }))],
    outputs: [desc(m, n)],
  };
  const constants = [
    undefined,
    ...weights.map((tensor) => ({ tensor, structure: { elements: tensor.size, nonzeros: tensor.size } })),
  ];
  const predicted = kernel.law!(kernel.work(call, {}, constants) as Work, rates);
  const programs: NativeProgram[] = [];
  for (let i = 0; i < Math.ceil(COLD_BYTES / (bytes * k * n)); i++)
    programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
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
  return { hot: least(times.hot), cold: least(times.cold), predicted };
}

async function main(mask: readonly NativeFeature[], threads: number, kind: Kind): Promise<void> {
  const backend = createNativeBackend({ mask, threads });
  if ('reason' in backend) throw new Error(backend.reason);
  const rates = await backend.calibrate();
  const limit = 2 * rates['fma']! * backend.limits.threads;
  console.log(
    `\n${kind}, ${mask.length > 0 ? 'AVX2' : 'best'}, ${backend.limits.threads} threads: ${(limit / 1e9).toFixed(0)} GFLOP/s at most`,
  );
  for (const m of ROWS) {
    for (const [k, n] of WEIGHTS) {
      const seconds = await measure(backend, kind, [m, k, n], rates);
      const said = (['hot', 'cold'] as const).map((heat) => {
        const rate = (2 * m * k * n) / seconds[heat];
        const of = `${((100 * rate) / limit).toFixed(0)} %`.padStart(5);
        const bytes = ((kinds[kind].bytes * k * n) / seconds[heat] / 1e9).toFixed(0).padStart(4);
        return `${heat} ${(seconds[heat] * 1e6).toFixed(0).padStart(6)} us ${(rate / 1e9).toFixed(1).padStart(6)} ${of} ${bytes} GB/s`;
      });
      const law = (seconds.hot / seconds.predicted).toFixed(2);
      console.log(`${`${m} x ${k} x ${n}`.padStart(18)}  ${said.join('   ')}   law ${law}`);
    }
  }
  backend.dispose();
}

const wanted = process.argv.slice(2);
const named = (Object.keys(kinds) as Kind[]).filter((kind) => wanted.includes(kind));
const teams = [1, 2].filter((threads) => wanted.includes(`${threads}`));
for (const mask of wanted.includes('avx2') ? ([['avx512']] as const) : ([[], ['avx512']] as const))
  for (const threads of teams.length > 0 ? teams : [1, 2])
    for (const kind of named.length > 0 ? named : (Object.keys(kinds) as Kind[])) await main(mask, threads, kind);
