/** Quantisation against the scalar backend, at both widths and with guard pages. */

import { createJsBackend } from '@espalier/backend-js';
import { conformanceTests } from '@espalier/conformance';
import { type Attributes, createEvaluator, type Node, onnxOps, Tensor, UnsupportedError } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend, startEngine } from '../src/index.ts';
import { quantization } from '../src/kernels/quantize/index.ts';

const started = startEngine();
if ('reason' in started) it.skip(`quantises (${started.reason})`, () => {});
const hasAvx512 = !('reason' in started) && started.features.has('avx512');
if (!('reason' in started)) started.dispose();
if (!hasAvx512) it.skip('quantises at 512 bits (the processor has no AVX-512)', () => {});

const names = new Set(quantization.map(({ name }) => name));
const js = createEvaluator(createJsBackend(), onnxOps);

/** Floats from -scale to scale by a linear congruential generator, some of them halfway between two levels. */
function floats(dims: readonly number[], scale = 4, seed = 1): Tensor {
  let state = seed;
  const next = (_: unknown, i: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const x = (state / 2 ** 31 - 1) * scale;
    return i % 5 === 0 ? (Math.round(x * 4) + 0.5) / 4 : x;
  };
  return new Tensor('float32', Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, next), dims);
}

const positive = (dims: readonly number[], seed: number): Tensor =>
  new Tensor(
    'float32',
    (floats(dims, 1, seed).data as Float32Array).map((x) => Math.abs(x) / 16 + 1 / 64),
    dims,
  );

function levels(dtype: 'uint8' | 'int8', dims: readonly number[], seed: number): Tensor {
  const low = dtype === 'int8' ? -128 : 0;
  const data = Array.from(
    floats(dims, 1, seed).data as Float32Array,
    (x) => low + (Math.floor(Math.abs(x) * 1e4) % 256),
  );
  return new Tensor(dtype, data, dims);
}

const suites = [
  { isa: 'avx512', mask: [] },
  { isa: 'avx2', mask: ['avx512'] },
] as const;

for (const { isa, mask } of 'reason' in started ? [] : hasAvx512 ? suites : suites.slice(1)) {
  describe(`quantisation for ${isa}`, () => {
    const whole = createNativeBackend({ mask, guard: true }) as NativeBackend;
    const kernels = whole.kernels.filter(({ name }) => names.has(name) && name.endsWith(`__${isa}`));
    const backend = { ...whole, kernels };
    const native = createEvaluator(backend, onnxOps);
    afterAll(() => whole.dispose());

    it('has each of them in the table', () => expect(2 * kernels.length).toBe(names.size));

    for (const { name, run, skip } of conformanceTests(backend, { runs: 12 }))
      if (!name.startsWith('native:') && !name.endsWith(': abort')) it.skipIf(skip)(name, run);

    async function same(op: string, inputs: readonly (Tensor | undefined)[], attrs: Attributes = {}): Promise<void> {
      const node: Node = {
        ...{ name: op, op, domain: '', attrs, inputs: inputs.map((input, i) => (input ? `i${i}` : '')) },
        outputs: op === 'DynamicQuantizeLinear' ? ['y', 's', 'z'] : ['y'],
      };
      const [wanted, got] = [await js(node, inputs), await native(node, inputs)];
      for (const [i, tensor] of wanted.entries()) {
        const worst = Array.from(tensor.data as ArrayLike<number>).findIndex((x, k) => !Object.is(x, got[i]!.data[k]));
        expect(worst, `${op} of [${inputs[0]!.dims}] with ${JSON.stringify(attrs)}, output ${i}`).toBe(-1);
      }
    }

    it.each([
      ['one scale', [3, 5, 7], [], {}],
      ['many units', [3, 40_001], [], {}],
      ['the first axis', [5, 3, 37], [5], { axis: 0 }],
      ['an axis in between', [4, 3, 21], [3], { axis: 1 }],
      ['the last axis', [70, 333], [333], { axis: -1 }],
      ['a vector', [19], [19], {}],
      ['short runs', [9000, 3, 2], [3], { axis: 1 }],
      ['blocks along the last axis', [7, 96], [7, 3], { axis: 1, block_size: 32 }],
      ['blocks along another axis', [2, 10, 33], [2, 3, 33], { axis: 1, block_size: 4 }],
      ['no elements', [0, 7], [7], { axis: 1 }],
    ])('has a scale and a zero point for %s', async (_, dims, of, attrs) => {
      for (const dtype of ['uint8', 'int8'] as const) {
        const [scale, zero] = [positive(of, 3), levels(dtype, of, 5)];
        await same('QuantizeLinear', [floats(dims), scale, zero], attrs);
        await same('DequantizeLinear', [levels(dtype, dims, 7), scale, zero], attrs);
        await same('DequantizeLinear', [levels(dtype, dims, 7), scale], attrs);
      }
      await same('QuantizeLinear', [floats(dims), positive(of, 3)], attrs);
    });

    it('quantises as it comes, whatever comes', async () => {
      for (const dims of [[0], [1], [7], [3, 333], [5, 40_003]]) await same('DynamicQuantizeLinear', [floats(dims)]);
      for (const data of [
        [0, 0, 0],
        [5, 3, 4],
        [-5, -3, -4],
        [1e-40, -2e-41],
        [3e38, -3e38, 1],
        [-0, 0.5, 1.5],
      ])
        await same('DynamicQuantizeLinear', [new Tensor('float32', data, [data.length])]);
      // The greatest and the least in every lane and part of a unit.
      for (let at = 0; at < 100; at += 3) {
        const data = new Float32Array(100);
        data[at] = -3;
        data[99 - at] = 7;
        await same('DynamicQuantizeLinear', [new Tensor('float32', data, [100])]);
      }
    });

    it('saturates, also what is no integer', async () => {
      const x = new Tensor('float32', [1e30, -1e30, Infinity, -Infinity, 2 ** 31, -(2 ** 31), 0.5, 1.5, 2.5], [9]);
      const one = new Tensor('float32', [1], []);
      for (const dtype of ['uint8', 'int8'] as const) await same('QuantizeLinear', [x, one, levels(dtype, [], 9)]);
    });

    it('says why it leaves a call to another', async () => {
      const node = (inputs: readonly Tensor[], attrs: Attributes): [Node, readonly Tensor[]] => [
        { name: 'q', op: 'QuantizeLinear', domain: '', inputs: inputs.map((_, i) => `i${i}`), outputs: ['y'], attrs },
        inputs,
      ];
      const wide = native(...node([floats([4]), positive([], 1), new Tensor('int16', [1], [])], {}));
      await expect(wide).rejects.toBeInstanceOf(UnsupportedError);
      const part = native(...node([floats([2, 10]), positive([2, 3], 1)], { axis: 1, block_size: 4 }));
      await expect(part).rejects.toThrow('its last block is not known to be whole');
    });
  });
}
