/** The largest of bytes in windows over pixels, channels last, against the scalar backend, with guard pages. */

import { createJsBackend } from '@espalier/backend-js';
import { type Attributes, createEvaluator, onnxOps } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend } from '../src/index.ts';
import { poolInt8 } from '../src/kernels/conv_int8/pool.ts';
import { bytes } from './bytes.ts';

const js = createEvaluator(createJsBackend(), onnxOps);
const started = createNativeBackend();
const reason = 'reason' in started ? started.reason : undefined;
if (!('reason' in started)) started.dispose();
if (reason) it.skip(`pools bytes (${reason})`, () => {});

describe.skipIf(reason)('largest bytes of windows', () => {
  if (reason) return;
  for (const mask of [[], ['avx512']] as const) {
    const whole = createNativeBackend({ mask, guard: true }) as NativeBackend;
    const names = new Set(poolInt8.map(({ name }) => name));
    const kernels = whole.kernels.filter(({ name, requires }) => {
      return names.has(name) && requires!.every((feature) => whole.features.has(feature));
    });
    const native = createEvaluator({ ...whole, kernels }, onnxOps);
    afterAll(() => whole.dispose());

    async function same(dtype: 'uint8' | 'int8', dims: readonly number[], attrs: Attributes): Promise<void> {
      const x = bytes(dtype, dims, dims.length);
      const node = { name: 'pool', op: 'MaxPool', domain: '', attrs, inputs: ['x'], outputs: ['y'] };
      const [[wanted], [got]] = [await js(node, [x]), await native(node, [x])];
      expect([...got!.data], `${dtype}[${dims}] ${JSON.stringify(attrs)}`).toEqual([...wanted!.data]);
    }

    it(`are those of the scalar backend${mask.length > 0 ? `, without ${mask}` : ''}`, async () => {
      for (const [i, channels] of [1, 3, 31, 32, 33, 63, 64, 65, 200].entries()) {
        const pads = [i % 2, i % 3, 0, (i + 1) % 2, i % 2, 0];
        const attrs = { kernel_shape: [3, 2 + (i % 2), 1], pads, strides: [1 + (i % 2), 2, 1] };
        await same(i % 2 ? 'int8' : 'uint8', [1 + (i % 2), 1 + (i % 3), 7, 9, channels], attrs);
      }
      await same('int8', [2, 3, 9, 5], { kernel_shape: [4, 1], dilations: [2, 1], pads: [1, 0, 2, 0], ceil_mode: 1 });
      await same('uint8', [2, 1, 0, 5, 8], { kernel_shape: [1, 1, 1], pads: [1, 0, 0, 1, 0, 0] });
    });

    it(`but not across what lies last${mask.length > 0 ? `, without ${mask}` : ''}`, async () => {
      await expect(same('uint8', [1, 3, 8, 8], { kernel_shape: [3, 3] })).rejects.toThrow('its last axis');
    });
  }
});
