/**
 * Convolutions by sparse filters of float32 in the shapes of ResNet-50 against the fastest dense kernel: how many times as fast at each share
 * of zeros, the time over what the law predicts, and from which share of zeros on the sparse kernel is faster. Times are those of the
 * processor where they are shorter than the clock's: others may use the machine as well.
 *
 * `npx esbuild bench/conv-sparse.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs 1`
 */

import { type Call, isRejection, type Kernel, type Rates, type Step, Tensor } from '@espalier/core';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';

const DENSITIES = [0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05];
const SAMPLES = 15;
const LIST_MACS = 5e7;

interface Layer {
  readonly channels: number;
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  /** Of the input, which is a square. */
  readonly side: number;
  /** How many of it a ResNet-50 has. */
  readonly count: number;
}

const layer = (channels: number, filters: number, kernel: number, stride: number, side: number, count = 1): Layer => ({
  ...{ channels, filters, kernel, stride, side, count },
});
const layers = [
  layer(3, 64, 7, 2, 224),
  layer(64, 64, 1, 1, 56),
  layer(64, 64, 3, 1, 56, 3),
  layer(64, 256, 1, 1, 56, 4),
  layer(256, 64, 1, 1, 56, 2),
  layer(256, 128, 1, 1, 56),
  layer(128, 128, 3, 2, 56),
  layer(256, 512, 1, 2, 56),
  layer(128, 512, 1, 1, 28, 4),
  layer(512, 128, 1, 1, 28, 3),
  layer(128, 128, 3, 1, 28, 3),
  layer(512, 256, 1, 1, 28),
  layer(256, 256, 3, 2, 28),
  layer(512, 1024, 1, 2, 28),
  layer(256, 1024, 1, 1, 14, 6),
  layer(1024, 256, 1, 1, 14, 5),
  layer(256, 256, 3, 1, 14, 5),
  layer(1024, 512, 1, 1, 14),
  layer(512, 512, 3, 2, 14),
  layer(1024, 2048, 1, 2, 14),
  layer(512, 2048, 1, 1, 7, 3),
  layer(2048, 512, 1, 1, 7, 2),
  layer(512, 512, 3, 1, 7, 2),
];

function weightsOf({ filters, channels, kernel }: Layer, density: number): Tensor {
  const size = filters * channels * kernel ** 2;
  const data = Float32Array.from({ length: size }, () => (Math.random() < density ? Math.random() - 0.5 : 0));
  return new Tensor('float32', data, [filters, channels, kernel, kernel]);
}

function callOf({ channels, filters, kernel, stride, side }: Layer): Call {
  const pad = (kernel - 1) / 2;
  const out = Math.floor((side + 2 * pad - kernel) / stride) + 1;
  return {
    ...{ node: 'convolution', op: 'Conv', domain: '', epilogue: [{ op: 'Relu', attrs: {}, inputs: [], position: 0 }] },
    attrs: {
      ...{ auto_pad: 'NOTSET', group: 1, strides: [stride, stride], dilations: [1, 1] },
      ...{ pads: [pad, pad, pad, pad], kernel_shape: [kernel, kernel] },
    },
    inputs: [[1, channels, side, side], [filters, channels, kernel, kernel], [filters]].map((shape) => ({
      ...{ dtype: 'float32', shape },
    })),
    outputs: [{ dtype: 'float32', shape: [1, filters, out, out] }],
  };
}

interface Timed {
  readonly name: string;
  readonly seconds: number;
  readonly predicted: number;
}

async function measure(backend: NativeBackend, kernel: Kernel, call: Call, weights: Tensor, rates: Rates) {
  const nonzeros = (weights.data as Float32Array).reduce((sum, x) => sum + Number(x !== 0), 0);
  const constants = [undefined, { tensor: weights, structure: { elements: weights.size, nonzeros } }];
  const work = kernel.work(call, {}, constants);
  if (isRejection(work)) return undefined;
  const program = (await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram;
  const shapes = [...call.inputs, ...call.outputs].map((desc) => desc!.shape as number[]);
  const sizes = shapes.map((shape) => 4 * shape.reduce((x, y) => x * y, 1));
  const slots = sizes.map((size) => ({ buffer: backend.alloc(size), offset: 0 }));
  for (const { buffer } of slots) buffer.view.fill(0);
  const steps = Math.max(1, Math.round(LIST_MACS / (nonzeros * shapes.at(-1)![2]! ** 2)));
  const step: Step<NativeProgram> = { call, kernel: kernel.name, program, inputs: [0, undefined, 2], outputs: [3] };
  const list = backend.record(new Array(steps).fill(step));
  let seconds = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample <= SAMPLES; sample++) {
    const [began, used] = [performance.now(), process.cpuUsage()];
    await list.run(slots, {});
    const elapsed = (performance.now() - began) / 1e3;
    const { user, system } = process.cpuUsage(used);
    if (sample > 0)
      seconds = Math.min(seconds, Math.min(elapsed, (user + system) / backend.limits.threads / 1e6) / steps);
  }
  list.dispose();
  program.dispose!();
  for (const { buffer } of slots) backend.free(buffer);
  return { name: kernel.name, seconds, predicted: kernel.law!(work, rates) };
}

const [threads = '1', mask = '', only = ''] = process.argv.slice(2);
const backend = createNativeBackend({ threads: Number(threads), mask: mask ? mask.split(',') : [] } as object);
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
const kernels = backend.kernels.filter(
  ({ op, requires }) => op === 'Conv' && requires!.every((f) => backend.features.has(f)),
);
const ours = kernels.find(({ name }) => name.includes('_stream_'))!;
const leastBy = (all: readonly Timed[], key: 'seconds' | 'predicted'): Timed =>
  all.reduce((best, each) => (each[key] < best[key] ? each : best));
const regrets: number[] = [];
const total: Record<string, number> = { dense: 0 };
for (const each of layers) {
  const call = callOf(each);
  const title = `${each.channels} -> ${each.filters} ${each.kernel}x${each.kernel}/${each.stride} ${each.side}`;
  if (only && !title.includes(only)) continue;
  const full = weightsOf(each, 1);
  const others: Timed[] = [];
  for (const kernel of kernels) {
    const found = await measure(backend, kernel, call, full, rates);
    if (found) others.push(found);
  }
  const dense = leastBy(others, 'seconds');
  total.dense += each.count * dense.seconds;
  console.log(
    `${title}: dense ${(dense.seconds * 1e6).toFixed(0)} us (${dense.name}, law ${(dense.seconds / dense.predicted).toFixed(2)})`,
  );
  const said: string[] = [];
  for (const density of DENSITIES) {
    const found = (await measure(backend, ours, call, weightsOf(each, density), rates))!;
    const chosen = leastBy([...others, found], 'predicted');
    regrets.push(chosen.seconds / Math.min(found.seconds, dense.seconds) - 1);
    const percent = `${((1 - density) * 100).toFixed(0)} %`;
    total[percent] = (total[percent] ?? 0) + each.count * Math.min(found.seconds, dense.seconds);
    const pixels = (call.outputs[0]!.shape[2] as number) ** 2;
    const rate = (2 * pixels * full.size * density) / found.seconds / 1e9;
    said.push(
      `${percent} ${(found.seconds * 1e6).toFixed(0)} us ${rate.toFixed(0)} G/s ${(dense.seconds / found.seconds).toFixed(2)}x law ${(found.seconds / found.predicted).toFixed(2)}${chosen === found ? '' : ', dense is chosen'}`,
    );
  }
  console.log(`   ${said.join('\n   ')}`);
}
for (const [name, seconds] of Object.entries(total)) console.log(`all, ${name}: ${(seconds * 1e3).toFixed(2)} ms`);
const mean = regrets.reduce((sum, x) => sum + x, 0) / regrets.length;
console.log(
  `what the laws choose takes ${(100 * mean).toFixed(1)} % longer than the best, ${(100 * Math.max(...regrets)).toFixed(0)} % at most`,
);
backend.dispose();
