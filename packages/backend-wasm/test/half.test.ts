/** Every half float there is, and floats at and beside the middles between them, against the scalar backend. */

import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';
import { run } from './run.ts';

const wasm = (await createWasmBackend({ threads: 1 })) as WasmBackend;
const js = createEvaluator(createJsBackend(), onnxOps);
const castTo = (to: number) => ({ name: 'c', op: 'Cast', domain: '', inputs: ['x'], outputs: ['y'], attrs: { to } });
const [FLOAT, HALF] = [castTo(1), castTo(10)];

const halves = new Tensor(
  'float16',
  Uint16Array.from({ length: 65536 }, (_, i) => i),
  [65536],
);
const [exact] = (await js(FLOAT, [halves])) as [Tensor];
const floats = exact.data as Float32Array;

it('become floats', async () => {
  const to = new Tensor('float32', new Float32Array(floats.length), [floats.length]);
  const { data } = await run(wasm, 'cast_f16_f32', FLOAT, [halves], to);
  const wrong = floats.findIndex((x, i) => !Object.is(x, data[i]));
  expect(wrong).toBe(-1);
});

it('are what floats round to, halves to even', async () => {
  const around = new Float32Array(3 * floats.length);
  const bits = new Int32Array(around.buffer);
  floats.forEach((x, i) => {
    around.fill((x + floats[(i + 1) % floats.length]!) / 2, 3 * i, 3 * i + 3);
    bits[3 * i]! -= 1;
    bits[3 * i + 2]! += 1;
  });
  for (const x of [exact, new Tensor('float32', around, [around.length])]) {
    const [wanted] = (await js(HALF, [x])) as [Tensor];
    const to = new Tensor('float16', new Uint16Array(x.size), x.dims);
    const { data } = await run(wasm, 'cast_f32_f16', HALF, [x], to);
    const isNone = (half: number): boolean => (half & 0x7fff) > 0x7c00;
    const wrong = Array.from(wanted.data as Uint16Array).findIndex((half, i) =>
      isNone(half) ? !isNone(Number(data[i])) : half !== data[i],
    );
    expect(wrong, `${x.data[wrong]} becomes ${data[wrong]} instead of ${wanted.data[wrong]}`).toBe(-1);
  }
});
