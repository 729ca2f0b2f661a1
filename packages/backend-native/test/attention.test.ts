/** Attention against the scalar backend, at both widths, in bfloat16, and with guard pages. */

import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import { type Attributes, createEvaluator, type Node, onnxOps, Tensor } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, startEngine } from '../src/index.ts';
import { attention, attentionBf16 } from '../src/kernels/attention/index.ts';

const started = startEngine();
if ('reason' in started) it.skip(`attention (${started.reason})`, () => {});
const features: ReadonlySet<string> = 'reason' in started ? new Set() : started.features;
if (!('reason' in started)) started.dispose();

const names = new Set([...attention, ...attentionBf16].map(({ name }) => name));
const js = createEvaluator(createJsBackend(), onnxOps);

/** Floats from -scale to scale by a linear congruential generator. */
function floats(dims: readonly number[], scale = 1): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let state = 4711 + data.length;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state / 2 ** 31 - 1) * scale;
  }
  return new Tensor('float32', data, dims);
}

/**
 * How far rounding to bfloat16 may move each result. A score moves by `d`, the sum of the rounding of its terms' two factors, so weights
 * and their sum by a factor within e^d each; weights and values are rounded once more. Results are within their magnitudes' own
 * attention times what these factors come to, by the greatest `d` of all scores.
 */
async function roundingOf(node: Node, inputs: readonly Tensor[]): Promise<Float32Array> {
  const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
  const unit = 2 ** -9;
  const largest = (rows: Tensor): number => {
    const data = rows.data as Float32Array;
    const size = rows.dims.at(-1)!;
    let norm = 0;
    for (let at = 0; at < data.length; at += size) norm = Math.max(norm, Math.hypot(...data.subarray(at, at + size)));
    return norm;
  };
  const scale = Math.abs((node.attrs['scale'] as number | undefined) ?? 1 / Math.sqrt(q.dims.at(-1)!));
  const d = (2 * unit + unit * unit) * scale * largest(q) * largest(k);
  const magnitudes = Float32Array.from(v.data as Float32Array, Math.abs);
  const [sums] = await js(node, [q, k, new Tensor('float32', magnitudes, v.dims), ...inputs.slice(3)]);
  const factor = Math.exp(2 * d) * (1 + unit) ** 2 - 1;
  return Float32Array.from(sums!.data as Float32Array, (sum) => factor * sum);
}

/** A mask of `dims`, by what it says of each element. */
const maskOf = (type: 'float32' | 'bool', dims: readonly number[], at: (i: number) => number): Tensor =>
  new Tensor(
    type,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
    dims,
  );

const suites = [
  { isa: 'avx512', mask: [], needs: 'avx512' },
  { isa: 'avx512bf16', mask: [], needs: 'avx512-bf16' },
  { isa: 'avx2', mask: ['avx512'], needs: 'avx2' },
] as const;

for (const { isa, mask, needs } of suites) {
  const isRounded = isa === 'avx512bf16';
  if (!features.has(needs)) {
    it.skip(`attention for ${isa} (the processor has no ${needs})`, () => {});
    continue;
  }
  describe(`attention for ${isa}`, () => {
    const precision = isRounded ? 'bfloat16' : 'float32';
    const whole = createNativeBackend({ mask, guard: true, precision }) as NativeBackend;
    const kernels = whole.kernels.filter(({ name }) => names.has(name) && name.endsWith(`__${isa}`));
    const backend = { ...whole, kernels };
    const native = createEvaluator(backend, onnxOps);
    afterAll(() => whole.dispose());

    it('is in the table', () => expect(kernels).toHaveLength(1));

    for (const { name, run, skip } of conformanceTests(backend, { runs: 8 })) {
      // It records 10^5 steps, which to bind takes longer than it allows; test/engine.test.ts aborts a list of this backend.
      if (!isRounded && !name.startsWith('native:') && !name.endsWith(': abort')) it.skipIf(skip)(name, run);
    }

    async function same(inputs: readonly Tensor[], attrs: Attributes = {}): Promise<void> {
      const node: Node = {
        ...{ name: 'attention', op: 'Attention', domain: 'espalier', attrs },
        inputs: inputs.map((_, i) => `i${i}`),
        outputs: ['y'],
      };
      const [[wanted], [got]] = [await js(node, inputs), await native(node, inputs)];
      expect(got!.dims).toEqual(wanted!.dims);
      const [w, g] = [wanted!.data as Float32Array, got!.data as Float32Array];
      const bound = isRounded ? await roundingOf(node, inputs) : undefined;
      const far = w.findIndex((x, i) => !Object.is(x, g[i]) && !(Math.abs(x - g[i]!) <= 2e-6 + (bound?.[i] ?? 0)));
      expect(far < 0 ? 'near' : `${g[far]} at ${far}, not ${w[far]}`).toBe('near');
    }

    const qkv = (batch: number, heads: number, queries: number, keys: number, size: number, groups = heads) => [
      floats([batch, heads, queries, size]),
      floats([batch, groups, keys, size], 3),
      floats([batch, groups, keys, size]),
    ];

    it.each([
      ['BERT', [1, 3, 128, 128, 64]],
      ['more keys than are kept', [1, 2, 40, 700, 32]],
      ['one query', [3, 4, 1, 300, 80]],
      ['one query of many heads for each key', [1, 32, 1, 77, 64, 4]],
      ['heads in turn', [2, 6, 19, 33, 16, 2]],
      ['many small ones', [70, 3, 9, 9, 8]],
      ['odd sizes', [1, 1, 65, 129, 7]],
      ['no keys', [1, 2, 3, 0, 5]],
      ['no queries', [1, 2, 0, 3, 5]],
    ])('does %s', async (_, [batch, heads, queries, keys, size, groups]) => {
      const inputs = qkv(batch!, heads!, queries!, keys!, size!, groups);
      await same(inputs);
      await same(inputs, { is_causal: 1 });
      const key = maskOf('float32', [batch!, 1, 1, keys!], (i) => (i % 5 === 3 ? -1e4 : i % 3));
      await same([...inputs, key]);
      const seen = maskOf('bool', [batch!, 1, queries!, keys!], (i) => Number(i % 7 !== 3));
      await same([...inputs, seen], { nan_to_zero: 1, scale: 0.3 });
    });

    it.each([[[]], [[1]], [[5, 1]], [[1, 37]], [[3, 1, 37]], [[6, 5, 37]], [[2, 1, 5, 1]], [[2, 6, 5, 37]]])(
      'broadcasts a mask of %j',
      async (dims) => {
        const inputs = qkv(2, 6, 5, 37, 12, 3).map((t, i) => (i === 0 ? t : floats(t.dims)));
        const shape = dims[0] === 3 ? [2, 1, 1, 37] : dims;
        await same([...inputs, floats(shape, 2)]);
        const some = maskOf('bool', shape, (i) => (i % 4 === 1 ? 0 : (i % 3) + 1));
        await same([...inputs, some], { nan_to_zero: 1, is_causal: 1 });
      },
    );

    it('takes queries that see nothing, and values that are no numbers, as the definition does', async () => {
      const inputs = qkv(1, 2, 18, 20, 8);
      const none = maskOf('bool', [18, 20], (i) => Number(i % 3 === 0 && Math.floor(i / 20) % 4 !== 2));
      const least = maskOf('float32', [18, 20], (i) => (Math.floor(i / 20) % 4 !== 2 ? 0 : -3.4028234663852886e38));
      for (const nan_to_zero of [0, 1]) {
        await same([...inputs, none], { nan_to_zero });
        await same([...inputs, least], { nan_to_zero });
        for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const scores = maskOf('float32', [18, 20], (i) => (i % 37 === 5 ? odd : 0));
          await same([...inputs, scores], { nan_to_zero });
        }
      }
    });

    it('reads heads behind positions', async () => {
      const inputs = [floats([2, 50, 6, 20]), floats([2, 61, 3, 20], 3), floats([2, 61, 3, 13])];
      await same(inputs, { layout: 'BSHD' });
      await same([...inputs, floats([2, 1, 1, 61])], { layout: 'BSHD', is_causal: 1 });
      // Rows that would evict each other from the cache.
      for (const dims of [
        [8, 64],
        [32, 16],
      ])
        await same(
          [33, 150, 150].map((positions) => floats([1, positions, ...dims])),
          { layout: 'BSHD' },
        );
    });
  });
}
