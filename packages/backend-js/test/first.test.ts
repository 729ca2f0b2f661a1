import { createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { createJsBackend } from '../src/index.ts';

it('evaluates an op on tensors', async () => {
  const evaluate = createEvaluator(createJsBackend(), onnxOps);
  const node = { name: 'n', op: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attrs: {} };
  const [y] = await evaluate(node, [new Tensor('float16', new Uint16Array([0x3c00, 0xbc00]), [2])]);
  expect([...(y!.data as Uint16Array)]).toEqual([0x3c00, 0]);
});
