import { type Graph, type Node, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { partsOf } from '../src/decompose.ts';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { channelsLast } from '../src/passes/channels-last.ts';
import { commonSubexpressions } from '../src/passes/common-subexpressions.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { fuseEpilogues } from '../src/passes/fuse-epilogues.ts';
import { fuseQuantization } from '../src/passes/fuse-quantization.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { apply, expectSameValues, expectUntouched, expectWithinSteps, randomBits, randomNumbers } from './passes.ts';

const random = randomNumbers(17);
const q = (...dims: number[]): Tensor => randomBits('int8', dims, random);
const scalar = (value: number, dtype: 'float32' | 'uint8' | 'int8' = 'float32'): Tensor =>
  new Tensor(dtype, [value], []);
const passes = [fuseQuantization, channelsLast, canonicalForms, commonSubexpressions, deadCode, fuseEpilogues];

const image = input('x', ['batch', 4, 7, 5], 'uint8');
const constants = {
  ...{ xs: scalar(0.02), xz: scalar(120, 'uint8'), ys: scalar(0.05), yz: scalar(110, 'uint8') },
  ...{ ws: scalar(0.01), wz: scalar(0, 'int8'), low: scalar(0, 'uint8'), six: scalar(6), zero: scalar(0) },
  ...{ f: q(4, 4, 3, 3), d: q(4, 1, 3, 3), p: q(4, 4, 1, 1), v: q(4, 4, 3) },
  fs: new Tensor('float32', [0.01, 0.02, 0.015, 0.005], [4]),
  fz: new Tensor('int8', [0, 3, -4, 0], [4]),
  b: new Tensor('int32', [900, -700, 5, 0], [4]),
  bs: scalar(0.02 * Math.fround(0.01)),
  c: new Tensor('float32', [1, -1, 0.5, 0], [1, 4, 1, 1]),
  ...{ spatial: ints(2, 3), s: scalar(0.0002) },
};
const model = (outputs: string, ...nodes: Node[]): Graph => graph([image], outputs, nodes, constants);

/** A convolution of bytes `x` by `w`, with what surrounds it; `y` is quantised. */
function conv(x: string, w: string, y: string, attrs = {}, more: Node[] = [], zero = 'yz'): Node[] {
  const last = more.at(-1)?.outputs[0] ?? `${y}u`;
  return [
    node('DequantizeLinear', `${x} ${x === 'x' ? 'xs xz' : `ys ${zero}`}`, `${y}x`),
    node('DequantizeLinear', `${w} ws wz`, `${y}w`),
    node('Conv', `${y}x ${y}w`, `${y}u`, attrs),
    ...more,
    node('QuantizeLinear', `${last} ys ${zero}`, y),
  ];
}
const back = node('DequantizeLinear', 'y ys yz', 'yf');
const padded = { pads: [1, 1, 1, 1] };
const [first, last] = ['Transpose', 'Transpose'];
const convolution = 'espalier.QuantizedConv';
const product = 'espalier.QuantizedMatMul';

async function expectLast(each: Graph, ops: readonly string[]): Promise<Graph> {
  const result = await apply(each, ...passes);
  expect(opsOf(result)).toEqual(ops);
  expect(await apply(result, ...passes)).toBe(result);
  await expectSameValues(each, { ...result, nodes: result.nodes.flatMap(partsOf) });
  // Between rounding in float32 and on integers lies at most one step, and that seldom; what follows makes it more.
  await expectWithinSteps(each, result, each.nodes.filter(({ op }) => op === 'Conv').length > 1 ? 3 : 1);
  return result;
}

describe('convolutions of bytes', () => {
  const bias = [
    node('DequantizeLinear', 'b bs', 'bf'),
    ...conv('x', 'f', 'y', padded).map((each) => (each.op === 'Conv' ? { ...each, inputs: ['yx', 'yw', 'bf'] } : each)),
  ];

  it.each<[string, Graph, string[]]>([
    ['one', model('y', ...conv('x', 'f', 'y', padded)), [first, `${convolution}+QuantizeLinear`, last]],
    ['in groups', model('y', ...conv('x', 'd', 'y', { group: 4 })), [first, `${convolution}+QuantizeLinear`, last]],
    ['of single pixels', model('y', ...conv('x', 'p', 'y')), [first, `${product}+QuantizeLinear`, last]],
    [
      'of single pixels, not all of them',
      model('y', ...conv('x', 'p', 'y', { strides: [2, 1] })),
      [first, `${convolution}+QuantizeLinear`, last],
    ],
    ['with a bias', model('y', ...bias), ['DequantizeLinear', first, `${convolution}+Add+QuantizeLinear`, last]],
    [
      'with a scale and a zero point for each filter',
      model(
        'y',
        ...conv('x', 'f', 'y').map((each) =>
          each.inputs[0] === 'f' ? { ...each, inputs: ['f', 'fs', 'fz'], attrs: { axis: 0 } } : each,
        ),
      ),
      [first, `${convolution}+QuantizeLinear`, last],
    ],
    [
      'and what is done to each element',
      model(
        'y',
        ...conv('x', 'f', 'y', {}, [
          node('Add', 'yu c', 'm'),
          node('Clip', 'm zero six', 'n'),
          node('Mul', 'c n', 'o'),
        ]),
      ),
      [first, `${convolution}+Add+Clip+Mul+QuantizeLinear`, last],
    ],
    [
      'one after another',
      model('z', ...conv('x', 'f', 'y', padded), ...conv('y', 'p', 'z')),
      [first, `${convolution}+QuantizeLinear`, `${product}+QuantizeLinear`, last],
    ],
    [
      'with a way around them',
      model(
        'w',
        ...conv('x', 'f', 'y', padded),
        ...conv('y', 'f', 'z', padded),
        ...[back, node('DequantizeLinear', 'z ys yz', 'zf'), node('Add', 'yf zf', 'm')],
        node('QuantizeLinear', 'm ys yz', 'w'),
      ),
      [
        first,
        `${convolution}+QuantizeLinear`,
        `${convolution}+QuantizeLinear+DequantizeLinear+DequantizeAdd+QuantizeLinear`,
        last,
      ],
    ],
    [
      'and the largest in windows',
      model(
        'z',
        ...conv('x', 'f', 'y', padded),
        ...[back, node('MaxPool', 'yf', 'm', { kernel_shape: [3, 2], pads: [1, 0, 1, 1], strides: [2, 1] })],
        node('QuantizeLinear', 'm ys yz', 'z'),
      ),
      [first, `${convolution}+QuantizeLinear`, 'Reshape', 'MaxPool', 'Reshape', last],
    ],
    [
      'and the mean of planes',
      model(
        'z',
        ...conv('x', 'f', 'y', padded),
        ...[back, node('GlobalAveragePool', 'yf', 'm'), node('QuantizeLinear', 'm ys yz', 'z')],
      ),
      [first, `${convolution}+QuantizeLinear+DequantizeLinear`, 'ReduceMean', 'QuantizeLinear', 'Reshape'],
    ],
    [
      'and others beside them',
      model(
        'z',
        ...conv('x', 'f', 'y', padded),
        ...[back, node('DequantizeLinear', 'x xs xz', 'xf'), node('Concat', 'yf xf', 'm', { axis: 1 })],
        node('QuantizeLinear', 'm ys yz', 'z'),
      ),
      [
        ...[first, 'DequantizeLinear', `${convolution}+QuantizeLinear+DequantizeLinear`, 'Concat'],
        ...['QuantizeLinear', last],
      ],
    ],
  ])('%s', async (_, each, ops) => {
    await expectLast(each, ops);
  });

  it('QLinearConv', async () => {
    const nodes = [node('QLinearConv', 'x xs xz f fs fz ys yz b', 'y', padded)];
    await expectLast(model('y', ...nodes), [first, `${convolution}+Add+QuantizeLinear`, last]);
  });

  it('ConvInteger, then floats', async () => {
    const nodes = [node('ConvInteger', 'x f xz', 'u', padded), node('Cast', 'u', 'v', { to: 1 })];
    const each = model('y', ...nodes, node('Mul', 'v s', 'w'), node('QuantizeLinear', 'w ys yz', 'y'));
    await expectLast(each, [first, `${convolution}+Mul+QuantizeLinear`, last]);
  });
});

describe('leaves alone', () => {
  it.each<[string, Graph]>([
    [
      'convolutions of floats',
      graph(
        [input('x', ['batch', 4, 7, 5])],
        'y',
        [node('DequantizeLinear', 'f ws wz', 'w'), node('Conv', 'x w', 'y')],
        constants,
      ),
    ],
    ['sums that stay integers', model('y', node('ConvInteger', 'x f xz', 'y'))],
    [
      'filters that are computed',
      graph(
        [image, input('g', [4, 4, 3, 3], 'int8')],
        'y',
        [
          node('DequantizeLinear', 'x xs xz', 'xf'),
          node('DequantizeLinear', 'g ws wz', 'w'),
          node('Conv', 'xf w', 'y'),
        ],
        constants,
      ),
    ],
  ])('%s', async (_, each) => {
    await expectUntouched(each, [channelsLast]);
  });
});
