/**
 * Is the kernel that the laws choose the fastest one? For 60 shapes, 6 densities and float32, int8 and int8 in blocks: the time of the chosen one
 * over the least (regret) and over the dense kernel's; the break-even, which is the densest matrix that a sparse kernel is faster for; and for
 * each kernel how far its law is off.
 *
 * `npx esbuild bench/choice.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/choice.mjs && node dist/choice.mjs f32 1`
 */

import { createNativeBackend } from '../src/index.ts';
import { type Kind, kernelsOf, type Measured, measure, sparse } from './products.ts';

const ROWS = [1, 4, 16, 64, 128, 512];
const WEIGHTS = [
  ...[64, 256, 384, 768, 1024].map((size) => [size, size] as const),
  ...([
    [384, 1536],
    [1536, 384],
    [512, 2048],
    [768, 3072],
    [3072, 768],
  ] as const),
];
const DENSITIES = [0.7, 0.5, 0.3, 0.2, 0.1, 0.05];

const [kind = 'f32', threads = '1', show = ''] = process.argv.slice(2) as [Kind, string?, string?];
const backend = createNativeBackend({ threads: Number(threads) });
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
const kernels = kernelsOf(backend, kind);

const least = (found: readonly Measured[], by: 'hot' | 'predicted'): Measured =>
  found.reduce((best, each) => (each[by] < best[by] ? each : best));
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

const regrets: { regret: number; overDense: number; what: string }[] = [];
const lawErrors = new Map<string, number[]>();
for (const [k, n] of WEIGHTS)
  for (const m of ROWS) {
    let breakEven = 0;
    for (const density of DENSITIES) {
      const found = await measure(backend, kernels, kind, m, [sparse(kind, k, n, density)], rates);
      const [chosen, best] = [least(found, 'predicted'), least(found, 'hot')];
      const dense = least(
        found.filter(({ kernel }) => kernel.includes('_dense_')),
        'hot',
      );
      if (!best.kernel.includes('_dense_')) breakEven = Math.max(breakEven, density);
      for (const { kernel, hot, predicted } of found)
        lawErrors.set(kernel, [...(lawErrors.get(kernel) ?? []), hot / predicted]);
      const what = `${m} x ${k} x ${n}, ${((1 - density) * 100).toFixed(0)} % zeros: ${chosen.kernel} ${(chosen.hot * 1e6).toFixed(1)} us (law ${(chosen.predicted * 1e6).toFixed(1)}), ${best.kernel} ${(best.hot * 1e6).toFixed(1)} us (law ${(best.predicted * 1e6).toFixed(1)}), dense ${(dense.hot * 1e6).toFixed(1)} us`;
      regrets.push({ regret: chosen.hot / best.hot - 1, overDense: chosen.hot / dense.hot - 1, what });
      if (show === 'all') console.log(what);
    }
    console.log(`${m} x ${k} x ${n}: sparse is faster from ${((1 - breakEven) * 100).toFixed(0)} % zeros on`);
  }
const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
const worst = (by: 'regret' | 'overDense') => regrets.toSorted((a, b) => b[by] - a[by]).slice(0, 12);
console.log(`\nregret: ${percent(mean(regrets.map(({ regret }) => regret)))} in the mean of ${regrets.length}; worst:`);
for (const { regret, what } of worst('regret')) console.log(`  ${percent(regret)}  ${what}`);
const slower = regrets.filter(({ overDense }) => overDense > 0.02);
console.log(`slower than dense by more than 2 %: ${slower.length} of ${regrets.length}; worst:`);
for (const { overDense, what } of worst('overDense').slice(0, slower.length))
  console.log(`  ${percent(overDense)}  ${what}`);
console.log('measured over predicted, tenth, half and nine tenths of all:');
for (const [kernel, errors] of lawErrors) {
  const sorted = errors.toSorted((a, b) => a - b);
  const at = (part: number): string => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(2);
  console.log(`  ${kernel}: ${at(0.1)} ${at(0.5)} ${at(0.9)}`);
}
backend.dispose();
