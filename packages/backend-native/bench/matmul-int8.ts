/**
 * Products of bytes in the shapes of BERT, with a bias: GOP/s, how much of what the processor's dot products do that is, and what
 * the law says. Hot: the same weights in every step. Cold: in each step other weights, more than any cache holds.
 *
 * Over the sources, bundled to where the addon is found:
 * `npx esbuild bench/matmul-int8.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs [threads]`
 */

import { type Call, type Step, Tensor } from '@espalier/core';
import { calibrate } from '../src/calibrate.ts';
import { startEngine } from '../src/engine.ts';
import { kernelsFor } from '../src/kernels/matmul_int8/index.ts';
import { avx2widened, avx512vnni, type DotIsa, vnni256 } from '../src/kernels/matmul_int8/isa.ts';
import { recordList } from '../src/list.ts';
import type { NativeProgram } from '../src/program.ts';

const ROWS = [1, 7, 32, 128];
const WEIGHTS = [
  [768, 768],
  [768, 3072],
  [3072, 768],
] as const;
/** More than a last-level cache. */
const COLD_BYTES = 80e6;
const SAMPLES = 40;
/** Multiply-adds of a list: half a millisecond and more, so that starting it does not show. */
const LIST_MACS = 1e8;

const started = startEngine({ threads: Number(process.argv[2] ?? 1) });
if ('reason' in started) throw new Error(started.reason);
const engine = started;
const rates = await calibrate(engine);
const limit = 2 * (rates['dot'] ?? rates['fma']!) * engine.team;
console.log(`${engine.team} threads: ${(limit / 1e9).toFixed(0)} GOP/s at most`);

/** Seconds of one product: the least of several lists that take turns, as whatever else runs only adds. */
async function measure(isa: DotIsa, m: number, k: number, n: number) {
  const kernel = kernelsFor(isa).find(({ name }) => name.startsWith('quantizedmatmul_i8_dense'))!;
  const desc = (dtype: 'float32' | 'uint8' | 'int8', ...shape: number[]) => ({ dtype, shape });
  const call: Call = {
    ...{ node: 'product', op: 'QuantizedMatMul', domain: 'espalier', attrs: {} },
    inputs: [
      ...[desc('uint8', m, k), desc('float32'), desc('uint8'), desc('int8', k, n), desc('float32', n), undefined],
      desc('float32', n),
    ],
    outputs: [desc('float32', m, n)],
    epilogue: [{ op: 'Add', attrs: {}, inputs: [6], position: 0 }],
  };
  const constant = (tensor: Tensor) => ({ tensor, structure: { elements: tensor.size, nonzeros: tensor.size } });
  const constants = [
    ...[undefined, undefined, undefined],
    constant(new Tensor('int8', new Int8Array(k * n).fill(3), [k, n])),
    constant(new Tensor('float32', new Float32Array(n).fill(1 / 64), [n])),
  ];
  const programs: NativeProgram[] = [];
  for (let i = 0; i < Math.ceil(COLD_BYTES / (k * n)); i++)
    programs.push(await kernel.prepare(call, constants, engine));
  const list = (count: number, steps: number) =>
    recordList(
      engine,
      Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
        const inputs = [0, 1, 2, undefined, undefined, undefined, 3];
        return { call, kernel: kernel.name, program: programs[i % count]!, inputs, outputs: [4] };
      }),
    );
  const steps = { hot: Math.ceil(LIST_MACS / (m * k * n)), cold: programs.length };
  const lists = { hot: list(1, steps.hot), cold: list(programs.length, steps.cold) };
  const slots = [m * k, 4, 1, 4 * n, 4 * m * n].map((bytes) => ({ buffer: engine.memory.alloc(bytes), offset: 0 }));
  const least = { hot: Number.POSITIVE_INFINITY, cold: Number.POSITIVE_INFINITY };
  for (let sample = 0; sample <= SAMPLES; sample++) {
    for (const kind of ['hot', 'cold'] as const) {
      const start = performance.now();
      await lists[kind].run(slots, {});
      // The first run binds the list.
      if (sample > 0) least[kind] = Math.min(least[kind], (performance.now() - start) / 1000 / steps[kind]);
    }
  }
  lists.hot.dispose();
  lists.cold.dispose();
  for (const program of programs) program.dispose!();
  for (const { buffer } of slots) engine.memory.free(buffer);
  const work = kernel.work(call, {}, constants);
  if ('reason' in work) throw new Error(`${work.reason}`);
  return { ...least, law: kernel.law!(work, rates) };
}

for (const isa of [avx512vnni, vnni256(!engine.features.has('avx-vnni')), avx2widened]) {
  if (!isa.requires.every((feature) => engine.features.has(feature))) continue;
  console.log(isa.name);
  for (const m of ROWS) {
    for (const [k, n] of WEIGHTS) {
      const found = await measure(isa, m, k, n);
      const said = (['hot', 'cold'] as const).map((kind) => {
        const rate = (2 * m * k * n) / found[kind];
        const of = `${((100 * rate) / limit).toFixed(0)} %`.padStart(5);
        const bytes = ((k * n) / found[kind] / 1e9).toFixed(0).padStart(4);
        const law = (found[kind] / found.law).toFixed(2);
        return `${kind} ${(found[kind] * 1e6).toFixed(0).padStart(6)} us ${(rate / 1e9).toFixed(0).padStart(4)} ${of} ${bytes} GB/s, ${law} of the law`;
      });
      console.log(`${`${m} x ${k} x ${n}`.padStart(18)}  ${said.join('   ')}`);
    }
  }
}
