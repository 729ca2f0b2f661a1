import { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { writeNormalizations } from '../src/passes/write-normalizations.ts';
import { graph, input, node, opsOf } from './graph.ts';
import { apply, expectRewrite, expectSameValues, expectUntouched, randomNumbers, randomTensor } from './passes.ts';

const random = randomNumbers(5);
const vector = (size: number): Tensor => randomTensor([size], random);
const positive = (size: number): Tensor =>
  new Tensor(
    'float32',
    Float32Array.from({ length: size }, () => random() + 0.1),
    [size],
  );

describe('write-normalizations', () => {
  it.each([[['batch', 5]], [['batch', 5, 'n']], [['batch', 5, 'n', 'm']], [[2, 5, 3, 2, 2]]])(
    'BatchNormalization of %j as arithmetic with its channels',
    async (shape) => {
      const model = graph([input('x', shape)], 'y', [node('BatchNormalization', 'x s b m v', 'y', { epsilon: 0.01 })], {
        ...{ s: vector(5), b: vector(5), m: vector(5), v: positive(5) },
      });
      await expectRewrite(model, [writeNormalizations], ['Sub', 'Mul', 'Add']);
    },
  );

  it('a mean that is large costs BatchNormalization no digits', async () => {
    const at = (value: number): Tensor => new Tensor('float32', [value], [1]);
    const model = graph([input('x', [1, 1, 4])], 'y', [node('BatchNormalization', 'x s b m v', 'y', { epsilon: 0 })], {
      ...{ s: at(3), b: at(0.5), m: at(123_456), v: at(0.25) },
    });
    const result = await apply(model, writeNormalizations);
    await expectSameValues(model, result, 1e-7);
  });

  it.each([
    ['InstanceNormalization', {}],
    ['GroupNormalization', { num_groups: 2 }],
    ['GroupNormalization', { num_groups: 6, epsilon: 0.5 }],
  ])('%s with %j as normalised rows', async (op, attrs) => {
    for (const shape of [
      ['batch', 6, 5],
      ['batch', 6, 3, 4],
      [1, 6, 1, 1],
    ]) {
      const ops = ['Reshape', 'LayerNormalization', 'Reshape', 'Reshape', 'Mul', 'Reshape', 'Add'];
      const known = graph([input('x', shape)], 'y', [node(op, 'x s b', 'y', attrs)], { s: vector(6), b: vector(6) });
      expect(opsOf(await expectRewrite(known, [writeNormalizations], ops, 4e-6)).length).toBe(ops.length);
    }
    const inputs = [input('x', [2, 6, 4]), input('s', [6]), input('b', [6])];
    const given = graph(inputs, 'y', [node(op, 'x s b', 'y', attrs)]);
    await expectSameValues(given, await apply(given, writeNormalizations), 4e-6);
  });

  it.each([1, 2, 3, 5])('LRN over %i channels as a mean of squares', async (size) => {
    for (const shape of [
      ['batch', 4, 'n', 'm'],
      ['batch', 7],
      [2, 2, 3],
    ])
      for (const attrs of [{ size }, { size, alpha: 0.7, beta: 0.5, bias: 2 }]) {
        const model = graph([input('x', shape)], 'y', [node('LRN', 'x', 'y', attrs)]);
        await expectSameValues(model, await apply(model, writeNormalizations), 2e-6);
      }
  });

  it('leaves what only a run knows, and training', async () => {
    const vectors = ['s', 'b', 'm', 'v'].map((name) => input(name, [5]));
    const variable = graph([input('x', [2, 5]), ...vectors], 'y', [node('BatchNormalization', 'x s b m v', 'y')]);
    await expectUntouched(variable, [writeNormalizations]);
    const open = graph([input('x', ['batch', 4, 'n'])], 'y', [node('InstanceNormalization', 'x s b', 'y')], {
      ...{ s: vector(4), b: vector(4) },
    });
    await expectUntouched(open, [writeNormalizations]);
  });
});
