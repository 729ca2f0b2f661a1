/**
 * Attention in the shapes of MiniLM, BERT and longer texts: how much of what the processor multiplies and adds is multiply-adds of its
 * products, and the measured time over what the kernel's law says.
 *
 * Over the sources, bundled to where the addon is found:
 * `npx esbuild bench/attention.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/bench.mjs && node dist/bench.mjs`
 */

import type { Call, Step, TensorDesc } from '@espalier/core';
import { createNativeBackend, type NativeBackend, type NativeFeature, type NativeProgram } from '../src/index.ts';

interface Shape {
  readonly batch?: number;
  readonly heads: number;
  readonly groups?: number;
  readonly queries: number;
  readonly keys?: number;
  readonly size: number;
  readonly isCausal?: boolean;
  /** Dims of an additive mask. */
  readonly mask?: readonly number[];
}

const shapes: Readonly<Record<string, Shape>> = {
  'BERT 128': { heads: 12, queries: 128, size: 64 },
  'BERT 128, masked': { heads: 12, queries: 128, size: 64, mask: [1, 1, 1, 128] },
  'BERT 128, own masks': { heads: 12, queries: 128, size: 64, mask: [128, 128] },
  'BERT large 128': { heads: 16, queries: 128, size: 64 },
  'MiniLM 8': { heads: 12, queries: 8, size: 32 },
  'MiniLM 128': { heads: 12, queries: 128, size: 32 },
  'MiniLM 32': { heads: 12, queries: 32, size: 32 },
  'MiniLM 32 x 32': { batch: 32, heads: 12, queries: 32, size: 32, mask: [32, 1, 1, 32] },
  'MiniLM 32 x 128': { batch: 32, heads: 12, queries: 128, size: 32, mask: [32, 1, 1, 128] },
  '512': { heads: 12, queries: 512, size: 64 },
  '2048 causal': { heads: 12, queries: 2048, size: 64, isCausal: true },
  'decoding at 2048': { heads: 32, groups: 4, queries: 1, keys: 2048, size: 64 },
};
const SAMPLES = 15;
/** Multiply-adds of a list: milliseconds, so that starting it does not show. */
const LIST_MACS = 1e8;

/** Seconds of a call: the least of several lists, as whatever else runs only adds. */
async function measure(backend: NativeBackend, call: Call, kernel: NativeBackend['kernels'][number]): Promise<number> {
  const program = (await kernel.prepare!(call, [], { features: backend.features })) as NativeProgram;
  const descs = [...call.inputs, ...call.outputs] as TensorDesc[];
  const buffers = descs.map(({ shape }) => backend.alloc(4 * (shape as number[]).reduce((a, b) => a * b, 1)));
  for (const { view } of buffers) {
    const data = new Float32Array(view.buffer);
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
  }
  const inputs = call.inputs.map((_, i) => i);
  const steps = Math.ceil(LIST_MACS / macsOf(kernel, call));
  const step: Step<NativeProgram> = { call, kernel: kernel.name, program, inputs, outputs: [inputs.length] };
  const list = backend.record(new Array<typeof step>(steps).fill(step));
  const slots = buffers.map((buffer) => ({ buffer, offset: 0 }));
  let least = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample <= SAMPLES; sample++) {
    const started = performance.now();
    await list.run(slots, {});
    // The first run binds the list.
    if (sample > 0) least = Math.min(least, (performance.now() - started) / 1000 / steps);
  }
  list.dispose();
  program.dispose!();
  for (const buffer of buffers) backend.free(buffer);
  return least;
}

const macsOf = (kernel: NativeBackend['kernels'][number], call: Call): number =>
  (kernel.work(call, {}, []) as { macs: number }).macs;

function callOf({ batch = 1, heads, groups = heads, queries, keys = queries, size, isCausal, mask }: Shape): Call {
  const desc = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  return {
    ...{ node: 'attention', op: 'Attention', domain: 'espalier', epilogue: [] },
    attrs: { layout: 'BSHD', is_causal: isCausal ? 1 : 0, nan_to_zero: 0 },
    inputs: [
      desc(batch, queries, heads, size),
      desc(batch, keys, groups, size),
      desc(batch, keys, groups, size),
      ...(mask ? [desc(...mask)] : []),
    ],
    outputs: [desc(batch, queries, heads, size)],
  };
}

async function main(mask: readonly NativeFeature[], threads: number): Promise<void> {
  const backend = createNativeBackend({ mask, threads, precision: 'bfloat16' });
  if ('reason' in backend) throw new Error(backend.reason);
  const rates = await backend.calibrate();
  const isBest = ({ name, requires }: NativeBackend['kernels'][number]): boolean =>
    name.startsWith('attention') &&
    requires!.every((f) => backend.features.has(f)) &&
    requires!.includes('avx512') === backend.features.has('avx512');
  for (const kernel of backend.kernels.filter(isBest)) {
    const limit = rates[kernel.name.includes('bf16') ? 'bf16' : 'fma']! * backend.limits.threads;
    console.log(
      `\n${kernel.name}, ${backend.limits.threads} threads: ${(limit / 1e9).toFixed(0)} G multiply-adds/s at most`,
    );
    for (const [name, shape] of Object.entries(shapes)) {
      const call = callOf(shape);
      const seconds = await measure(backend, call, kernel);
      const work = kernel.work(call, {}, []) as Parameters<NonNullable<typeof kernel.law>>[0];
      const share = ((100 * work.macs) / seconds / limit).toFixed(0);
      const law = (seconds / kernel.law!(work, rates)).toFixed(2);
      console.log(
        `${name.padStart(20)} ${(seconds * 1e6).toFixed(1).padStart(9)} us ${share.padStart(4)} %   law x ${law}`,
      );
    }
  }
  backend.dispose();
}

for (const mask of [[], ['avx512']] as const) for (const threads of [1, 2]) await main(mask, threads);
