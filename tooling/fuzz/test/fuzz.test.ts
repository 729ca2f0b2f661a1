import { startEngine } from '@espalier/backend-native';
import { type AnyBackend, type Graph, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { type Choices, randomChoices, randomNumbers, Source, shrink } from '../src/choices.ts';
import { floats } from '../src/data.ts';
import { growCase } from '../src/grow.ts';
import { describe as inWords, judge, usedOf } from '../src/judge.ts';
import { expectedOf, type Precision } from '../src/reference.ts';

const started = startEngine();
const withNative = 'reason' in started ? it.skip : it;
const why = 'reason' in started ? ` (${started.reason})` : '';

describe('choices', () => {
  it('that are used up are the simplest ones', () => {
    const source = new Source([7, 5]);
    expect([source.below(4), source.chance(6), source.below(9), source.pick(['a', 'b'])]).toEqual([3, true, 0, 'a']);
  });

  it('shrink to the smallest that fail', async () => {
    const fails = async (choices: Choices): Promise<boolean> =>
      choices.some((c) => c >= 100) && choices.some((c) => c % 2);
    expect(await shrink(randomChoices(1), fails)).toEqual([101]);
    // No more than there is time for.
    expect(await shrink(randomChoices(1), fails, 0)).toEqual(randomChoices(1));
  });
});

it('grows graphs of all kinds, the same ones again from the same choices', () => {
  const grown = Array.from({ length: 300 }, (_, seed) => growCase(new Source(randomChoices(seed))));
  const ops = new Set(grown.flatMap(({ graph }) => graph.nodes.map(({ op }) => op)));
  for (const op of ['MatMul', 'Softmax', 'LSTM', 'MatMulInteger', 'Gather', 'Conv', 'TopK', 'Where', 'Concat'])
    expect(ops, op).toContain(op);
  expect(grown.some(({ bindings }) => bindings.some((at) => Object.values(at).includes(0)))).toBe(true);
  expect(grown.some(({ graph }) => graph.nodes.length > 10)).toBe(true);
  expect(growCase(new Source(randomChoices(7)))).toEqual(grown[7]);
});

describe('bounds', () => {
  const random = randomNumbers(1);
  const graph: Graph = {
    name: 'bounds',
    inputs: [{ name: 'x', dtype: 'float32', shape: [3, 64] }],
    outputs: ['gelu', 'most'],
    nodes: [
      { name: 'p', op: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['product'], attrs: {} },
      { name: 'g', op: 'Gelu', domain: '', inputs: ['product'], outputs: ['gelu'], attrs: {} },
      { name: 'm', op: 'ArgMax', domain: '', inputs: ['product'], outputs: ['most'], attrs: { axis: 1 } },
    ],
    constants: new Map([['w', floats([64, 5], random)]]),
  };
  const feeds = new Map([['x', floats([3, 64], random)]]);
  const sharesOf = async (precision: Precision): Promise<number[]> => {
    const expected = (await expectedOf(graph, feeds, precision, 1))!;
    expect(expected.get('most')!.slack?.some((each) => each > 0) ?? false).toBe(false);
    const { tensor, slack } = expected.get('gelu')!;
    const peak = (tensor.data as Float32Array).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    return Array.from(slack!, (each) => each / peak);
  };

  it('are what rounding may do to a product, small results included, and little more', async () => {
    const shares = await sharesOf('float32');
    expect(Math.min(...shares)).toBeGreaterThan(1e-7);
    expect(Math.max(...shares)).toBeLessThan(1e-3);
  });

  it('are none where errors decide where the largest element is', async () => {
    const two = new Tensor('int64', [3n, 2n], [2]);
    const constants = new Map([
      ['w', floats([64, 1], random)],
      ['two', two],
    ]);
    const node = { name: 't', op: 'Expand', domain: '', inputs: ['product', 'two'], outputs: ['wide'], attrs: {} };
    const noisy = { name: 'n', op: 'Tanh', domain: '', inputs: ['wide'], outputs: ['noisy'], attrs: {} };
    const most = { ...graph.nodes[2]!, inputs: ['noisy'] };
    const nodes = [graph.nodes[0]!, node, noisy, most];
    expect(await expectedOf({ ...graph, constants, outputs: ['most'], nodes }, feeds, 'float32', 1)).toBeUndefined();
  });

  it('are wider where operands may be bfloat16', async () => {
    const shares = await sharesOf('bfloat16');
    expect(Math.min(...shares)).toBeGreaterThan(1e-3);
    expect(Math.max(...shares)).toBeLessThan(0.3);
  });
});

withNative(`finds no difference in a few graphs${why}`, async () => {
  let kernels = 0;
  for (let seed = 0; seed < 8; seed++) {
    const verdict = await judge(randomChoices(seed));
    expect(verdict.failure, `seed ${seed}`).toBeUndefined();
    kernels += verdict.kernels.length;
  }
  expect(kernels).toBeGreaterThan(12);
});

withNative(`finds a bug that was put in, and makes its graph small${why}`, async () => {
  // Relu that is Abs.
  const broken = (backend: AnyBackend): AnyBackend => {
    const abs = backend.kernels.filter(({ op }) => op === 'Abs');
    return {
      ...backend,
      kernels: backend.kernels.map((row) => {
        const other = abs.find(({ requires }) => `${requires}` === `${row.requires}`);
        return row.op === 'Relu' && other ? { ...row, prepare: other.prepare! } : row;
      }),
    };
  };
  const fails = async (choices: Choices): Promise<boolean> => (await judge(choices, broken)).failure !== undefined;
  let seed = 0;
  while (!(await fails(randomChoices(seed)))) seed++;
  const choices = randomChoices(seed);
  const small = await shrink(choices.slice(0, usedOf(choices)), fails);
  expect(inWords(small)).toMatch(/\ninputs: .*\n {2}\w+ = Relu\(x0\) \{\}$/);
});
