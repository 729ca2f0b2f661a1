import { type Graph, type Node, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { constantFolding } from '../src/passes/constant-folding.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { foldBatchNormalization } from '../src/passes/fold-batch-normalization.ts';
import { fuseEpilogues } from '../src/passes/fuse-epilogues.ts';
import { fuseGelu } from '../src/passes/fuse-gelu.ts';
import { fuseLayerNormalization } from '../src/passes/fuse-layer-normalization.ts';
import { fuseSkipLayerNormalization } from '../src/passes/fuse-skip-layer-normalization.ts';
import { fuseSoftmax } from '../src/passes/fuse-softmax.ts';
import { sinkViews } from '../src/passes/sink-views.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { apply, expectRewrite, expectUntouched, randomNumbers, randomTensor } from './passes.ts';

const random = randomNumbers(11);
const tensor = (...dims: number[]): Tensor => randomTensor(dims, random);
const x = input('x', ['batch', 'seq', 6]);
const positive = (...dims: number[]): Tensor => {
  const { data } = tensor(...dims);
  return new Tensor(
    'float32',
    (data as Float32Array).map((v) => Math.abs(v) + 0.5),
    dims,
  );
};

describe('fuse-gelu', () => {
  const erf = (...nodes: Node[]): Graph =>
    graph([x], 'y', nodes, {
      ...{ root: Math.SQRT2, inverse: Math.SQRT1_2, one: 1, half: 0.5, two: 2 },
      ones: new Tensor('float32', [1], [1, 1, 1]),
    });
  const inner = [node('Div', 'x root', 'a'), node('Erf', 'a', 'e'), node('Add', 'e one', 's')];

  it.each<[string, Graph]>([
    ['x * (0.5 * s)', erf(...inner, node('Mul', 'half s', 'h'), node('Mul', 'x h', 'y'))],
    ['(x * s) * 0.5', erf(...inner, node('Mul', 's x', 'h'), node('Mul', 'h half', 'y'))],
    ['(0.5 * x) * s', erf(...inner, node('Mul', 'x half', 'h'), node('Mul', 'h s', 'y'))],
    ['x * s / 2', erf(...inner, node('Mul', 'x s', 'h'), node('Div', 'h two', 'y'))],
    [
      'x * 0.7071, 1 + erf',
      erf(
        node('Mul', 'inverse x', 'a'),
        node('Erf', 'a', 'e'),
        node('Add', 'ones e', 's'),
        node('Mul', 'x s', 'h'),
        node('Mul', 'half h', 'y'),
      ),
    ],
    [
      '0.5 x + 0.5 x erf',
      erf(...inner.slice(0, 2), node('Mul', 'x half', 'h'), node('Mul', 'h e', 'he'), node('Add', 'h he', 'y')),
    ],
  ])('reads the erf form %s', async (_, model) => {
    const fused = await expectRewrite(model, [fuseGelu], ['Gelu']);
    expect(fused.nodes[0]!.attrs).toEqual({ approximate: 'none' });
  });

  const tanh = (...nodes: Node[]): Graph =>
    graph(
      [x],
      'y',
      [
        ...nodes,
        node('Tanh', 'a', 't'),
        node('Add', 't one', 's'),
        node('Mul', 'half s', 'h'),
        node('Mul', 'x h', 'y'),
      ],
      { c: Math.sqrt(2 / Math.PI), k: 0.044715, one: 1, half: 0.5, three: 3 },
    );

  it.each<[string, Graph]>([
    [
      'c * (x + k * x^3)',
      tanh(node('Pow', 'x three', 'p'), node('Mul', 'p k', 'q'), node('Add', 'x q', 'r'), node('Mul', 'c r', 'a')),
    ],
    [
      'c * (x + x * (x * (k * x)))',
      tanh(
        ...[node('Mul', 'k x', 'p'), node('Mul', 'x p', 'q'), node('Mul', 'x q', 'r')],
        ...[node('Add', 'x r', 'u'), node('Mul', 'u c', 'a')],
      ),
    ],
    [
      'x * c * (1 + k * x * x)',
      tanh(
        ...[node('Mul', 'x c', 'p'), node('Mul', 'x x', 'q'), node('Mul', 'k q', 'r')],
        ...[node('Add', 'r one', 'u'), node('Mul', 'p u', 'a')],
      ),
    ],
  ])('reads the tanh form %s', async (_, model) => {
    const fused = await expectRewrite(model, [fuseGelu], ['Gelu']);
    expect(fused.nodes[0]!.attrs).toEqual({ approximate: 'tanh' });
  });

  it('takes what precedes it for its operand as a whole', async () => {
    const nodes = [node('Mul', 'u half', 'x'), ...inner, node('Mul', 'half s', 'h'), node('Mul', 'x h', 'y')];
    await expectRewrite({ ...erf(...nodes), inputs: [{ ...x, name: 'u' }] }, [fuseGelu], ['Mul', 'Gelu']);
  });

  const tail = [node('Mul', 'half s', 'h'), node('Mul', 'x h', 'y')];
  it.each<[string, Graph]>([
    [
      'a constant that is a little off',
      {
        ...erf(...inner, ...tail),
        constants: new Map([...erf().constants, ['root', new Tensor('float32', [Math.SQRT2 * 1.0001], [])]]),
      },
    ],
    ['another reader of a part', erf(...inner, ...tail, node('Neg', 's', 'z'))],
    ['a part that is an output', { ...erf(...inner, ...tail), outputs: ['y', 'h'] }],
    ['another factor', erf(...inner, node('Mul', 'two s', 'h'), node('Mul', 'x h', 'y'))],
    [
      'another operand',
      { ...erf(...inner, node('Mul', 'half s', 'h'), node('Mul', 'u h', 'y')), inputs: [x, { ...x, name: 'u' }] },
    ],
    [
      'a shape that grows',
      {
        ...erf(...inner, node('Mul', 'deep s', 'h'), node('Mul', 'x h', 'y')),
        constants: new Map([...erf().constants, ['deep', new Tensor('float32', [0.5], [1, 1, 1, 1])]]),
      },
    ],
    [
      'a sigmoid',
      graph([x], 'y', [node('Mul', 'x k', 'a'), node('Sigmoid', 'a', 's'), node('Mul', 'x s', 'y')], { k: 1.702 }),
    ],
  ])('leaves %s', async (_, model) => {
    await expectUntouched(model, [fuseGelu]);
  });
});

describe('fuse-softmax', () => {
  const constants = { last: ints(-1), middle: ints(1), lowest: Number.NEGATIVE_INFINITY, axis: ints(2), two: 2 };
  const most = node('ReduceMax', 'x last', 'most');
  const exp = [node('Sub', 'x most', 'd'), node('Exp', 'd', 'e')];
  const quotient = [node('ReduceSum', 'e last', 'sum'), node('Div', 'e sum', 'y')];
  const model = (...nodes: Node[]): Graph => graph([x], 'y', nodes, constants);

  it('reads a quotient of powers, along any axis', async () => {
    await expectRewrite(model(most, ...exp, ...quotient), [fuseSoftmax], ['Softmax']);
    const middle = [most, ...exp, ...quotient].map((n) => ({
      ...n,
      inputs: n.inputs.map((i) => (i === 'last' ? 'middle' : i)),
    }));
    const fused = await expectRewrite(model(...middle), [fuseSoftmax], ['Softmax']);
    expect(fused.nodes[0]!.attrs).toEqual({ axis: 1 });
  });

  it('reads what jax writes', async () => {
    const kept = { shape: ['batch', 'seq', 1] };
    const nodes = [
      ...[node('ReduceMax', 'x last', 'flat', { keepdims: 0 }), node('Max', 'lowest flat', 'bound')],
      ...[
        node('Reshape', 'bound', 'lifted', kept),
        node('Expand', 'lifted', 'most', { shape: ['batch', 'seq', 6] }),
        ...exp,
      ],
      ...[node('ReduceSum', 'e last', 'total', { keepdims: 0 }), node('Unsqueeze', 'total axis', 'sum'), quotient[1]!],
    ];
    await expectRewrite(model(...nodes), [fuseSoftmax], ['Softmax']);
  });

  it.each<[string, Graph]>([
    ['another axis below', model(node('ReduceMax', 'x middle', 'most'), ...exp, ...quotient)],
    ['the sum of something else', model(most, ...exp, node('ReduceSum', 'd last', 'sum'), quotient[1]!)],
    ['the smallest', model(node('ReduceMin', 'x last', 'most'), ...exp, ...quotient)],
    ['a limit that cuts', model(node('ReduceMax', 'x last', 'm'), node('Max', 'm two', 'most'), ...exp, ...quotient)],
    [
      'other readers of the powers',
      { ...model(most, ...exp, ...quotient, node('Neg', 'e', 'z')), outputs: ['y', 'z'] },
    ],
  ])('leaves %s', async (_, each) => {
    await expectUntouched(each, [fuseSoftmax]);
  });
});

describe('fuse-layer-normalization', () => {
  const constants = {
    ...{ eps: 1e-5, two: 2, one: 1, zero: 0, half: 0.5, minusHalf: -0.5, count: 6, inverse: 1 / 6, wrong: 1 / 5 },
    ...{
      last: ints(-1),
      middle: ints(1),
      scale: tensor(6),
      bias: tensor(1, 1, 6),
      along: tensor(1, 5, 1),
      all: ints(),
    },
  };
  const ln = (...nodes: Node[]): Graph => graph([x], 'y', nodes, constants);
  const mean = node('ReduceMean', 'x last', 'mean');
  const difference = [mean, node('Sub', 'x mean', 'd')];
  const variance = [...difference, node('Mul', 'd d', 'sq'), node('ReduceMean', 'sq last', 'var')];
  const deviation = [...variance, node('Add', 'var eps', 'v'), node('Sqrt', 'v', 'sd')];
  const affine = [node('Mul', 'n scale', 'm'), node('Add', 'm bias', 'y')];

  it.each<[string, Graph]>([
    ['a quotient', ln(...deviation, node('Div', 'd sd', 'n'), ...affine)],
    ['a reciprocal', ln(...deviation, node('Reciprocal', 'sd', 'r'), node('Mul', 'r d', 'n'), ...affine)],
    ['one over the root', ln(...deviation, node('Div', 'one sd', 'r'), node('Mul', 'd r', 'n'), ...affine)],
    [
      'a power',
      ln(...variance, node('Add', 'eps var', 'v'), node('Pow', 'v minusHalf', 'r'), node('Mul', 'd r', 'n'), ...affine),
    ],
    [
      'a second difference, and Pow for the square',
      ln(
        ...[mean, node('Sub', 'x mean', 'u'), node('Pow', 'u two', 'sq'), node('ReduceMean', 'sq last', 'var')],
        ...[
          node('Add', 'var eps', 'v'),
          node('Pow', 'v half', 'sd'),
          node('Sub', 'x mean', 'd'),
          node('Div', 'd sd', 'n'),
        ],
        ...affine,
      ),
    ],
    [
      'the scale joined to the root first, as flax has it',
      ln(
        ...deviation,
        ...[
          node('Reciprocal', 'sd', 'r'),
          node('Mul', 'r scale', 'rs'),
          node('Mul', 'd rs', 'n'),
          node('Add', 'n bias', 'y'),
        ],
      ),
    ],
    [
      'the scale joined to the difference first',
      ln(...deviation, node('Mul', 'scale d', 'ds'), node('Div', 'ds sd', 'n'), node('Add', 'bias n', 'y')),
    ],
    [
      'sums, squares of means, and views between',
      ln(
        ...[node('ReduceSum', 'x last', 'sum', { keepdims: 0 }), node('Mul', 'sum inverse', 'flat')],
        ...[
          node('Mul', 'x x', 'sq'),
          node('ReduceSum', 'sq last', 'sums', { keepdims: 0 }),
          node('Div', 'sums count', 'squares'),
        ],
        ...[node('Mul', 'flat flat', 'msq'), node('Sub', 'squares msq', 'var'), node('Max', 'zero var', 'clamped')],
        ...[node('Reshape', 'clamped', 'lifted', { shape: ['batch', 'seq', 1] }), node('Add', 'lifted eps', 'v')],
        ...[node('Sqrt', 'v', 'sd'), node('Reciprocal', 'sd', 'r'), node('Unsqueeze', 'flat last', 'mean')],
        ...[
          node('Expand', 'mean', 'wide', { shape: ['batch', 'seq', 6] }),
          node('Sub', 'x wide', 'd'),
          node('Mul', 'd r', 'n'),
        ],
        ...affine,
      ),
    ],
  ])('reads %s', async (_, model) => {
    const fused = await expectRewrite(model, [fuseLayerNormalization, deadCode], ['LayerNormalization']);
    expect(fused.nodes[0]).toMatchObject({ attrs: { axis: -1 }, inputs: ['x', expect.anything(), expect.anything()] });
    expect(fused.constants.get(fused.nodes[0]!.inputs[2]!)!.dims).toEqual([6]);
  });

  it('does without scale and bias, and leaves those that lie across the rows', async () => {
    const normal = [...deviation, node('Div', 'd sd', 'n')];
    await expectRewrite(ln(...normal, node('Neg', 'n', 'y')), [fuseLayerNormalization], ['LayerNormalization', 'Neg']);
    const across = [node('Mul', 'n along', 'm'), node('Add', 'm bias', 'y')];
    await expectRewrite(ln(...normal, ...across), [fuseLayerNormalization], ['LayerNormalization', 'Mul', 'Add']);
  });

  it('normalises several trailing axes, and others by moving them to the end', async () => {
    const shape = input('x', ['batch', 5, 6]);
    const along = (axes: Tensor, scale: Tensor): Graph => ({
      ...graph([shape], 'y', [...deviation, node('Div', 'd sd', 'n'), ...affine], {
        ...constants,
        last: axes,
        scale,
        bias: scale,
      }),
    });
    const both = await expectRewrite(along(ints(1, 2), tensor(5, 1)), [fuseLayerNormalization], ['LayerNormalization']);
    expect(both.nodes[0]!.attrs['axis']).toBe(-2);
    const moved = ['Transpose', 'LayerNormalization', 'Transpose'];
    await expectRewrite(along(ints(1), tensor(1, 5, 1)), [fuseLayerNormalization], moved);
  });

  const normal = [node('Div', 'd sd', 'n'), ...affine];
  it.each<[string, Graph]>([
    ['another reader of a part', { ...ln(...deviation, ...normal, node('Neg', 'v', 'z')), outputs: ['y', 'z'] }],
    ['a part that is an output', { ...ln(...deviation, ...normal), outputs: ['y', 'mean'] }],
    ['a mean over another axis', ln(node('ReduceMean', 'x middle', 'mean'), ...deviation.slice(1), ...normal)],
    [
      'a mean of another number of elements',
      ln(...[node('ReduceSum', 'x last', 'sum'), node('Mul', 'sum wrong', 'mean')], ...deviation.slice(1), ...normal),
    ],
    ['a variance of something else', ln(...difference, node('Mul', 'x x', 'sq'), ...deviation.slice(3), ...normal)],
    [
      'no mean',
      ln(
        ...[node('Mul', 'x x', 'sq'), node('ReduceMean', 'sq last', 'var')],
        ...deviation.slice(4),
        node('Div', 'x sd', 'n'),
        ...affine,
      ),
    ],
    ['the root of something else', ln(...deviation, node('Mul', 'd sd', 'n'), ...affine)],
  ])('leaves %s', async (_, model) => {
    await expectUntouched(model, [fuseLayerNormalization]);
  });

  it('leaves a mean that is laid along the wrong axis by chance', async () => {
    const square = input('x', [6, 6]);
    const flat = deviation.map((n) => (n.op === 'ReduceMean' ? { ...n, attrs: { keepdims: 0 } } : n));
    const model = graph([square], 'y', [...flat, node('Div', 'd sd', 'n'), node('Mul', 'n scale', 'y')], constants);
    await expectUntouched(model, [fuseLayerNormalization]);
  });

  it('leaves float64, which LayerNormalization would narrow', async () => {
    const wide = Object.fromEntries(
      Object.entries({ eps: 1e-5 }).map(([name, value]) => [name, new Tensor('float64', [value], [])]),
    );
    const model = graph([input('x', ['batch', 6], 'float64')], 'n', [...deviation, normal[0]!], {
      ...wide,
      last: ints(-1),
    });
    await expectUntouched(model, [fuseLayerNormalization]);
  });
});

describe('fuse-skip-layer-normalization', () => {
  const skip = { ...x, name: 'skip' };
  const constants = { scale: tensor(6), bias: tensor(6), late: tensor(6) };
  const add = node('Add', 'x skip', 'sum');
  const norm = node('LayerNormalization', 'sum scale bias', 'y', { epsilon: 1e-6 });

  it('leaves what broadcasts alone', async () => {
    for (const shape of [
      ['seq', 6],
      ['more', 'batch', 'seq', 6],
      ['batch', 1, 6],
    ])
      await expectUntouched(graph([x, input('skip', shape)], 'y', [add, norm], constants), [
        fuseSkipLayerNormalization,
      ]);
  });

  it('joins a residual and its normalisation, and gives the sum where it is needed', async () => {
    const alone = await expectRewrite(
      graph([x, skip], 'y', [add, norm], constants),
      [fuseSkipLayerNormalization],
      ['espalier.SkipLayerNormalization'],
    );
    expect(alone.nodes[0]).toMatchObject({ inputs: ['x', 'skip', 'scale', 'bias'], outputs: ['y'] });
    const early = graph([x, skip], 'y z', [add, node('Neg', 'sum', 'z'), norm], constants);
    const both = await expectRewrite(early, [fuseSkipLayerNormalization], ['espalier.SkipLayerNormalization', 'Neg']);
    expect(both.nodes[0]!.outputs).toEqual(['y', 'sum']);
    await expectRewrite(
      graph([x, skip], 'sum y', [add, norm], constants),
      [fuseSkipLayerNormalization],
      ['espalier.SkipLayerNormalization'],
    );
  });

  it.each<[string, Graph]>([
    ['a bias that is no residual', graph([x], 'y', [node('Add', 'x late', 'sum'), norm], constants)],
    ['a residual of another shape', graph([x, input('skip', [1, 'seq', 6])], 'y', [add, norm], constants)],
    [
      'a normalisation over other axes',
      graph([x, skip], 'y', [add, node('LayerNormalization', 'sum wide', 'y', { axis: 1 })], {
        wide: tensor(1, 6),
      }),
    ],
    ['statistics as outputs', graph([x, skip], 'y mean', [add, { ...norm, outputs: ['y', 'mean'] }], constants)],
    ['twice the same', graph([x], 'y', [node('Add', 'x x', 'sum'), norm], constants)],
  ])('leaves %s', async (_, model) => {
    await expectUntouched(model, [fuseSkipLayerNormalization]);
  });
});

describe('fold-batch-normalization', () => {
  const image = input('x', ['batch', 4, 7, 5]);
  const statistics = (channels: number) => ({
    ...{ s: tensor(channels), b: tensor(channels), mean: tensor(channels), var: positive(channels) },
    added: tensor(channels, 1, 1),
    row: tensor(channels),
    w: tensor(channels, 4, 3, 3),
  });
  const norm = node('BatchNormalization', 'u s b mean var', 'y', { epsilon: 1e-3 });
  const passes = [foldBatchNormalization, constantFolding, deadCode];

  it.each<[string, Graph, string[]]>([
    ['Conv', graph([image], 'y', [node('Conv', 'x w', 'u'), norm], statistics(3)), ['Conv']],
    ['Conv with a bias', graph([image], 'y', [node('Conv', 'x w row', 'u'), norm], statistics(3)), ['Conv']],
    [
      'Conv and Add',
      graph([image], 'y', [node('Conv', 'x w', 'v'), node('Add', 'added v', 'u'), norm], statistics(3)),
      ['Conv'],
    ],
    [
      'Conv in groups',
      graph([image], 'y', [node('Conv', 'x w', 'u', { group: 2 }), norm], { ...statistics(6), w: tensor(6, 2, 3, 3) }),
      ['Conv'],
    ],
    [
      'ConvTranspose',
      graph([image], 'y', [node('ConvTranspose', 'x w', 'u'), norm], { ...statistics(3), w: tensor(4, 3, 2, 2) }),
      ['ConvTranspose'],
    ],
    [
      'ConvTranspose in groups',
      graph([image], 'y', [node('ConvTranspose', 'x w', 'u', { group: 2 }), norm], {
        ...statistics(6),
        w: tensor(4, 3, 2, 2),
      }),
      ['ConvTranspose'],
    ],
    [
      'MatMul and Add',
      graph([input('x', ['batch', 4])], 'y', [node('MatMul', 'x w', 'v'), node('Add', 'v row', 'u'), norm], {
        ...statistics(3),
        w: tensor(4, 3),
      }),
      ['MatMul', 'Add'],
    ],
  ])('goes into %s', async (_, model, ops) => {
    await expectRewrite(model, passes, ops, 1e-5);
  });

  const conv = node('Conv', 'x w', 'u');
  it.each<[string, Graph]>([
    ['another reader', graph([image], 'y z', [conv, norm, node('Neg', 'u', 'z')], statistics(3))],
    ['a product that is an output', graph([image], 'u y', [conv, norm], statistics(3))],
    [
      'a weight that is an input',
      graph([image, input('w', [3, 4, 3, 3])], 'y', [conv, norm], { ...statistics(3), w: 0 }),
    ],
    [
      'rows that are no channels',
      graph([input('x', ['batch', 3, 4])], 'y', [node('MatMul', 'x w', 'u'), norm], {
        ...statistics(3),
        w: tensor(4, 3),
      }),
    ],
    [
      'an addition across channels',
      graph([image], 'y', [node('Conv', 'x w', 'v'), node('Add', 'v wide', 'u'), norm], {
        ...statistics(3),
        wide: tensor(5, 1),
      }),
    ],
  ])('leaves %s', async (_, model) => {
    const { w, ...others } = Object.fromEntries(model.constants);
    const constants = new Map(Object.entries(model.inputs.length > 1 ? others : { w: w!, ...others }));
    expect(opsOf(await apply({ ...model, constants }, foldBatchNormalization))).toEqual(opsOf(model));
  });
});

describe('fuse-epilogues', () => {
  const constants = { w: tensor(6, 4), b: tensor(4), k: 2, wide: tensor(3, 1, 1, 1), low: -1 };
  const product = node('MatMul', 'x w', 'u');
  const residual = input('r', ['batch', 'seq', 4]);
  const model = (...nodes: Node[]): Graph => graph([x, residual], 'y', [product, ...nodes], constants);
  const fuses = (nodes: Node[], ops: string[]): Promise<Graph> => expectRewrite(model(...nodes), [fuseEpilogues], ops);

  it('takes biases, residuals and activations, in order', async () => {
    const fused = await fuses(
      [node('Add', 'b u', 'v'), node('Add', 'v r', 's'), node('Relu', 's', 'y')],
      ['MatMul+Add+Add+Relu'],
    );
    expect(fused.nodes[0]).toMatchObject({ inputs: ['x', 'w', 'b', 'r'], outputs: ['y'] });
    expect(fused.nodes[0]!.epilogue!.map(({ inputs }) => inputs)).toEqual([[2], [3], []]);
  });

  it('keeps the order of operands that do not commute, and left out ones', async () => {
    const fused = await fuses(
      [node('Sub', 'r u', 'v'), node('Div', 'v k', 's'), node('Clip', 's _ k', 'y')],
      ['MatMul+Sub+Div+Clip'],
    );
    expect(fused.nodes[0]!.epilogue!.map(({ position }) => position)).toEqual([1, 0, 0]);
    await fuses([node('QuantizeLinear', 'u k', 'y')], ['MatMul+QuantizeLinear']);
  });

  it('waits for operands that are made later', async () => {
    const late = [node('Neg', 'r', 'nr'), node('Add', 'u nr', 'y')];
    await fuses(late, ['Neg', 'MatMul+Add']);
  });

  it('stops at the end of the list, at other readers, at outputs and where the shape grows', async () => {
    await fuses([node('Relu', 'u', 'v'), node('Softmax', 'v', 'y')], ['MatMul+Relu', 'Softmax']);
    await fuses([node('Add', 'u wide', 'y')], ['MatMul', 'Add']);
    await fuses([node('Mul', 'u u', 'y')], ['MatMul', 'Mul']);
    await fuses(
      [node('Relu', 'u', 'v'), node('Neg', 'v', 'n'), node('Floor', 'n', 'f'), node('Add', 'v f', 'y')],
      ['MatMul+Relu', 'Neg', 'Floor', 'Add'],
    );
    await expectUntouched({ ...model(node('Relu', 'u', 'y')), outputs: ['u', 'y'] }, [fuseEpilogues]);
    const open = graph([x, input('r', ['n', 'seq', 4])], 'y', [product, node('Add', 'u r', 'y')], constants);
    expect(opsOf(await apply(open, fuseEpilogues))).toEqual(['MatMul', 'Add']);
  });

  it('takes no more than eight steps', async () => {
    const steps = Array.from({ length: 10 }, (_, i) =>
      node('Tanh', i === 0 ? 'u' : `t${i}`, i === 9 ? 'y' : `t${i + 1}`),
    );
    const tanhs = '+Tanh'.repeat(8);
    await fuses(steps, [`MatMul${tanhs}`, 'Tanh+Tanh']);
  });

  it('makes chains of element-wise ops, of what products leave', async () => {
    const chain = [node('Neg', 'r', 'a'), node('Mul', 'k a', 'b'), node('Sigmoid', 'b', 'c'), node('Add', 'u c', 'y')];
    await fuses(chain, ['Neg+Mul+Sigmoid', 'MatMul+Add']);
    // A chain does not take a product's own step away from it, and ends where the shape grows.
    await fuses([node('Sub', 'r k', 'a'), node('Add', 'a u', 'y')], ['Sub', 'MatMul+Add']);
    await fuses(
      [node('Exp', 'r', 'a'), node('Add', 'a wide', 'b'), node('Add', 'b u', 'y')],
      ['MatMul', 'Exp', 'Add+Add'],
    );
  });

  it('tells operands from those of an op that takes any number', async () => {
    const nodes = [node('Max', 'x low', 'm'), node('Sub', 'k m', 's'), node('QuantizeLinear', 's scale zero', 'y')];
    const parameters = { ...constants, scale: 0.25, zero: new Tensor('uint8', [7], []) };
    await expectRewrite(graph([x], 'y', nodes, parameters), [fuseEpilogues], ['Max+Sub+QuantizeLinear']);
  });

  it('counts operands behind those that a convolution may leave out, and makes biases of what is added to channels', async () => {
    const image = input('x', ['batch', 4, 7, 5]);
    const conv = node('Conv', 'x f', 'u');
    const filters = { f: tensor(3, 4, 3, 3), c: tensor(1, 3, 1, 1), d: tensor(3, 5, 3) };
    const plain = graph([image], 'y', [conv, node('Relu', 'u', 'v'), node('Add', 'v d', 'y')], filters);
    const fused = await expectRewrite(plain, [fuseEpilogues], ['Conv+Relu+Add']);
    expect(fused.nodes[0]!.inputs).toEqual(['x', 'f', '', 'd']);
    const biased = graph([image], 'y', [conv, node('Add', 'u c', 'v'), node('Relu', 'v', 'y')], filters);
    const both = await expectRewrite(biased, [fuseEpilogues], ['Conv+Relu']);
    expect(both.constants.get(both.nodes[0]!.inputs[2]!)!.dims).toEqual([3]);
  });
});

describe('sink-views', () => {
  const flat = input('x', ['batch', 6]);
  const constants = { w: tensor(6, 12), b: tensor(12), c: tensor(4), k: 3, last: ints(-1) };
  const product = node('MatMul', 'x w', 'u');
  const passes = [sinkViews, canonicalForms, deadCode];

  it('moves what only reshapes behind what the product can take', async () => {
    const model = graph(
      [flat, input('r', ['batch', 1, 12])],
      'y',
      [
        product,
        node('Reshape', 'u', 'v', { shape: ['batch', 1, 12] }),
        ...[node('Add', 'v b', 's'), node('Mul', 'k s', 'm'), node('Add', 'm r', 't'), node('Relu', 't', 'y')],
      ],
      constants,
    );
    await expectRewrite(model, passes, ['MatMul', 'Add', 'Mul', 'Reshape', 'Add', 'Relu', 'Reshape']);
    await expectRewrite(model, [...passes, fuseEpilogues], ['Reshape', 'MatMul+Add+Mul+Add+Relu', 'Reshape']);
  });

  it('follows the axis along which a constant varies', async () => {
    const image = input('x', ['batch', 3, 7, 1]);
    const filters = { f: tensor(4, 3, 3, 1), c: tensor(4, 1), last: ints(3) };
    const squeeze = [node('Conv', 'x f', 'u'), node('Squeeze', 'u last', 'v')];
    const model = graph([image], 'y', [...squeeze, node('Add', 'v c', 'y')], filters);
    const result = await expectRewrite(model, passes, ['Conv', 'Add', 'Squeeze']);
    expect(result.constants.get(result.nodes[1]!.inputs[1]!)!.dims).toEqual([4, 1, 1]);
  });

  it.each<[string, Graph]>([
    [
      'what comes from no product',
      graph([flat], 'y', [node('Reshape', 'x', 'v', { shape: ['batch', 2, 3] }), node('Relu', 'v', 'y')]),
    ],
    [
      'an axis that the view makes',
      graph(
        [flat],
        'y',
        [product, node('Reshape', 'u', 'v', { shape: ['batch', 3, 4] }), node('Add', 'v c', 'y')],
        constants,
      ),
    ],
    [
      'a view that is an output',
      graph(
        [flat],
        'v y',
        [product, node('Reshape', 'u', 'v', { shape: ['batch', 1, 12] }), node('Relu', 'v', 'y')],
        constants,
      ),
    ],
    [
      'another reader of the product',
      graph(
        [flat],
        'y z',
        [
          product,
          node('Reshape', 'u', 'v', { shape: ['batch', 1, 12] }),
          node('Relu', 'v', 'y'),
          node('Neg', 'u', 'z'),
        ],
        constants,
      ),
    ],
  ])('leaves %s', async (_, model) => {
    await expectUntouched(model, [sinkViews]);
  });
});
