/** Planes of bytes with channels last against the scalar backend, with guard pages. */

import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, onnxOps } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import { createNativeBackend, type NativeBackend } from '../src/index.ts';
import { interleaveInt8 } from '../src/kernels/conv_int8/interleave.ts';
import { bytes } from './bytes.ts';

const js = createEvaluator(createJsBackend(), onnxOps);
const started = createNativeBackend();
const reason = 'reason' in started ? started.reason : undefined;
if (!('reason' in started)) started.dispose();
if (reason) it.skip(`interleaves planes (${reason})`, () => {});

describe.skipIf(reason)('planes of bytes', () => {
  if (reason) return;
  const whole = createNativeBackend({ guard: true }) as NativeBackend;
  const names = new Set(interleaveInt8.map(({ name }) => name));
  const native = createEvaluator({ ...whole, kernels: whole.kernels.filter(({ name }) => names.has(name)) }, onnxOps);
  afterAll(() => whole.dispose());

  async function same(dims: readonly number[], perm: readonly number[]): Promise<void> {
    const x = bytes(dims[1]! % 2 ? 'uint8' : 'int8', dims, dims.length);
    const node = { name: 'turn', op: 'Transpose', domain: '', attrs: { perm }, inputs: ['x'], outputs: ['y'] };
    const [[wanted], [got]] = [await js(node, [x]), await native(node, [x])];
    expect(got!.dims).toEqual(wanted!.dims);
    expect(Buffer.compare(got!.bytes, wanted!.bytes), `[${dims}]`).toBe(0);
  }

  it('become pixels', async () => {
    for (const channels of [2, 3, 4]) {
      for (const pixels of [1, 15, 16, 17, 47, 65]) await same([2, channels, pixels], [0, 2, 1]);
      await same([1, channels, 131, 127], [0, 2, 3, 1]);
      await same([3, channels, 2, 3, 5], [0, 2, 3, 4, 1]);
    }
    await same([0, 3, 4], [0, 2, 1]);
    await same([2, 3, 0], [0, 2, 1]);
  });

  it('are left to others where there are many, or they go elsewhere', async () => {
    await expect(same([1, 5, 7], [0, 2, 1])).rejects.toThrow('5 channels');
    await expect(same([1, 3, 7, 2], [0, 3, 2, 1])).rejects.toThrow('behind pixels');
  });
});
