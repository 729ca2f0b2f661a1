import { createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { createJsBackend } from '../src/index.ts';
import { mersenneTwister } from '../src/mersenne.ts';

it('evaluates an op on tensors', async () => {
  const evaluate = createEvaluator(createJsBackend(), onnxOps);
  const node = { name: 'n', op: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attrs: {} };
  const [y] = await evaluate(node, [new Tensor('float16', new Uint16Array([0x3c00, 0xbc00]), [2])]);
  expect([...(y!.data as Uint16Array)]).toEqual([0x3c00, 0]);
});

it('draws the numbers that NumPy draws', () => {
  const next = mersenneTwister(0);
  const drawn = Array.from({ length: 700 }, next);
  expect(drawn.slice(0, 3)).toEqual([0.5488135039273248, 0.7151893663724195, 0.6027633760716439]);
  expect(drawn[699]).toBe(0.8427768626848423);
});
