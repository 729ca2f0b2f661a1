import { type DType, type Graph, type Node, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { partsOf } from '../src/decompose.ts';
import { runPasses } from '../src/index.ts';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { constantFolding, dequantizeConstants } from '../src/passes/constant-folding.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { fuseEpilogues } from '../src/passes/fuse-epilogues.ts';
import { fuseQuantization } from '../src/passes/fuse-quantization.ts';
import { sinkViews } from '../src/passes/sink-views.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { evaluate } from './interpret.ts';
import {
  apply,
  expectRewrite,
  expectSameValues,
  expectUntouched,
  expectWithinSteps,
  randomBits,
  randomNumbers,
  randomTensor,
} from './passes.ts';

const random = randomNumbers(31);
const tensor = (...dims: number[]): Tensor => randomTensor(dims, random);
const q = (dtype: DType, ...dims: number[]): Tensor => randomBits(dtype, dims, random);
const scales = (...dims: number[]): Tensor =>
  new Tensor(
    'float32',
    (tensor(...dims).data as Float32Array).map((v) => Math.abs(v) * 0.01 + 0.01),
    dims,
  );
const scalar = (value: number, dtype: DType = 'float32'): Tensor => new Tensor(dtype, [value], []);
const x = input('x', ['batch', 'seq', 6]);
const passes = [fuseQuantization, deadCode];
const fused = ['espalier.DequantizeMatMul'];

describe('weights stored in few bits', () => {
  const cast = node('Cast', 'q', 'f', { to: 1 });
  const product = node('MatMul', 'x w', 'y');
  const torch = (s: Tensor, ...more: Node[]): Graph =>
    graph([x], 'y', [cast, node('Mul', 'f s', 'w'), product, ...more], { q: q('int8', 6, 4), s });

  it.each<[string, Graph, object]>([
    ['Cast and Mul, a scale for each column', torch(scales(1, 4)), { axis: 1 }],
    ['Cast and Mul, a scale for each column as a vector', torch(scales(4)), { axis: 1 }],
    ['Cast and Mul, a scale for each row', torch(scales(6, 1)), { axis: 0 }],
    ['Cast and Mul, one scale', torch(scalar(0.02)), { axis: 1 }],
    [
      'Mul from the left',
      graph([x], 'y', [cast, node('Mul', 's f', 'w'), product], { q: q('uint8', 6, 4), s: scales(1, 4) }),
      { axis: 1 },
    ],
    [
      'DequantizeLinear with zero points',
      graph([x], 'y', [node('DequantizeLinear', 'q s z', 'w'), product], {
        q: q('uint8', 6, 4),
        s: scales(4),
        z: q('uint8', 4),
      }),
      { axis: 1 },
    ],
    [
      'DequantizeLinear along rows',
      graph([x], 'y', [node('DequantizeLinear', 'q s', 'w', { axis: 0 }), product], {
        q: q('int8', 6, 4),
        s: scales(6),
      }),
      { axis: 0 },
    ],
    [
      'DequantizeLinear of 4 bits in blocks',
      graph([x], 'y', [node('DequantizeLinear', 'q s z', 'w', { axis: 0, block_size: 2 }), product], {
        ...{ q: q('uint4', 6, 4), s: scales(3, 4), z: q('uint4', 3, 4) },
      }),
      { axis: 0, block_size: 2 },
    ],
  ])('stay so: %s', async (_, model, attrs) => {
    const result = await expectRewrite(model, passes, fused);
    expect(result.nodes[0]!.attrs).toEqual(attrs);
    expect(result.constants.get('q')).toBe(model.constants.get('q'));
  });

  it('are turned once where the product reads them transposed', async () => {
    const turned = (nodes: Node[], constants: Record<string, Tensor>): Graph =>
      graph([x], 'y', [...nodes, node('Transpose', 'wt', 'w'), product], constants);
    const mul = turned([cast, node('Mul', 'f s', 'wt')], { q: q('int8', 4, 6), s: scales(4, 1) });
    expect((await expectRewrite(mul, passes, fused)).nodes[0]!.attrs).toEqual({ axis: 1 });
    const blocks = turned([node('DequantizeLinear', 'q s z', 'wt', { block_size: 3 })], {
      ...{ q: q('int4', 4, 6), s: scales(4, 2), z: q('int4', 4, 2) },
    });
    expect((await expectRewrite(blocks, passes, fused)).nodes[0]!.attrs).toEqual({ axis: 0, block_size: 3 });
    const { graph: kept } = await runPasses(mul, { ops: onnxOps, passes: [passes] });
    expect(kept).toBe(mul);
  });

  it('reach the product through Gemm too', async () => {
    const gemm = graph(
      [input('x', ['n', 6])],
      'y',
      [node('DequantizeLinear', 'q s', 'w', { axis: 0 }), node('Gemm', 'x w b', 'y', { transB: 1 })],
      { q: q('int8', 4, 6), s: scales(4), b: tensor(4) },
    );
    await expectRewrite(gemm, [canonicalForms, fuseQuantization, constantFolding, deadCode], [...fused, 'Add']);
  });

  it('are shared by several products', async () => {
    const twice = torch(scales(4), node('Neg', 'x', 'n'), node('MatMul', 'n w', 'z'));
    await expectRewrite({ ...twice, outputs: ['y', 'z'] }, passes, [...fused, 'Neg', ...fused]);
  });

  it.each<[string, Graph]>([
    ['scales across both axes', torch(scales(6, 4))],
    ['a scale that makes it larger', torch(scales(1, 1, 4))],
    [
      'a scale that is an input',
      graph([x, input('s', [4])], 'y', [cast, node('Mul', 'f s', 'w'), product], { q: q('int8', 6, 4) }),
    ],
    [
      'a weight that is an input',
      graph([x, input('q', [6, 4], 'int8')], 'y', [cast, node('Mul', 'f s', 'w'), product], { s: scales(4) }),
    ],
    [
      'weights of many bits',
      graph([x], 'y', [cast, node('Mul', 'f s', 'w'), product], {
        q: randomTensor([6, 4], random, 'int32'),
        s: scales(4),
      }),
    ],
    [
      'weights on the left',
      graph([input('x', [4, 5])], 'y', [cast, node('Mul', 'f s', 'w'), node('MatMul', 'w x', 'y')], {
        q: q('int8', 6, 4),
        s: scales(4),
      }),
    ],
  ])('leaves %s', async (_, model) => {
    await expectUntouched(model, [fuseQuantization]);
  });
});

describe('tables stored in few bits', () => {
  const indices = input('i', ['batch', 'seq'], 'uint8');
  const rows: Node[] = [node('Cast', 'i', 'j', { to: 7 })];
  const table = (nodes: Node[], constants: Record<string, Tensor>): Graph =>
    graph([indices], 'y', [...rows, ...nodes, node('Gather', 'w j', 'y')], constants);
  const cast = node('Cast', 'q', 'f', { to: 1 });
  const torch = (s: Tensor): Graph => table([cast, node('Mul', 'f s', 'w')], { q: q('int8', 5, 4), s });

  it.each<[string, Graph, string[]]>([
    ['a scale for each row', torch(scales(5, 1)), ['Gather', 'Cast', 'Gather', 'Mul']],
    ['a scale for each column', torch(scales(4)), ['Gather', 'Cast', 'Mul']],
    ['one scale', torch(scalar(0.1)), ['Gather', 'Cast', 'Mul']],
    [
      'zero points for each row',
      table([node('DequantizeLinear', 'q s z', 'w', { axis: 0 })], {
        q: q('uint8', 5, 4),
        s: scales(5),
        z: q('uint8', 5),
      }),
      ['Gather', 'Cast', 'Gather', 'Cast', 'Sub', 'Gather', 'Mul'],
    ],
    [
      'half floats',
      table([node('Cast', 'h', 'w', { to: 1 })], { h: randomTensor([5, 4], random, 'float16') }),
      ['Gather', 'Cast'],
    ],
  ])('are widened after picking: %s', async (_, model, ops) => {
    const result = await expectRewrite(model, passes, ['Cast', ...ops]);
    await expectSameValues(model, result, 0);
  });

  it('but not along another axis', async () => {
    const across = torch(scales(4));
    const nodes = across.nodes.map((n) => (n.op === 'Gather' ? { ...n, attrs: { axis: 1 } } : n));
    await expectUntouched({ ...across, nodes }, [fuseQuantization]);
  });

  it('never become large: a model of them keeps its size', async () => {
    const large = graph(
      [indices, x],
      'y z',
      [
        ...rows,
        cast,
        node('Mul', 'f s', 'w'),
        node('Gather', 'w j', 'y'),
        node('Transpose', 'w', 'wt'),
        node('MatMul', 'x wt', 'z'),
      ],
      { q: q('int8', 5000, 6), s: scales(5000, 1) },
    );
    const { graph: result } = await runPasses(large, { ops: onnxOps, evaluate });
    const bytes = [...result.constants.values()].reduce((sum, { bytes: b }) => sum + b.byteLength, 0);
    expect(bytes).toBeLessThan(2 * 5000 * 6 + 2 * 5000 * 4 + 100);
    expect(opsOf(result)).toContain('espalier.DequantizeMatMul');
  });
});

describe('weights behind zeros', () => {
  it.each([
    ['ThresholdedRelu', 1],
    ['Relu', undefined],
  ])('of %s', async (op, expected) => {
    const nodes = [node('DequantizeLinear', 'q s', 'w'), node(op, 'x', 'r'), node('MatMul', 'r w', 'y')];
    const whole = graph([x], 'y', nodes, { q: q('int8', 6, 4), s: scales(4) });
    const result = await expectRewrite(whole, passes, [op, ...fused]);
    expect(result.nodes[1]!.attrs['sparse_input']).toBe(expected);
    expect(result.nodes[1]!.decomposition![0]!.attrs).not.toHaveProperty('sparse_input');
  });
});

describe('weights of 16 bits', () => {
  it.each(['float16', 'bfloat16'] as const)('%s stay so in products', async (type) => {
    const half = new Tensor(
      type,
      Uint16Array.from({ length: 24 }, (_, i) => 0x3c00 + 8 * i),
      [6, 4],
    );
    const cast = node('Cast', 'h', 'w', { to: 1 });
    const whole = graph([x], 'y', [cast, node('MatMul', 'x w', 'y')], { h: half });
    const result = await expectRewrite(whole, passes, ['espalier.CastMatMul']);
    expect(result.nodes[0]!.decomposition!.map(({ op }) => op)).toEqual(['Cast', 'MatMul']);
  });
});

describe('activations quantised as they come', () => {
  const parts = (...last: Node[]): Node[] => [
    node('DynamicQuantizeLinear', 'x', 'a as az'),
    node('MatMulInteger', 'a q az z', 'u'),
    node('Cast', 'u', 'f', { to: 1 }),
    ...last,
  ];
  const constants = {
    q: q('uint8', 6, 4),
    z: q('uint8', 4),
    s: scales(4),
    one: scalar(0.02),
    b: tensor(4),
  };
  const model = (...last: Node[]): Graph => graph([x], 'y', parts(...last), constants);
  const both = [node('Mul', 'as s', 'ss'), node('Mul', 'f ss', 'y')];
  const product = 'espalier.QuantizedMatMul';
  const whole = ['DynamicQuantizeLinear', product];

  it.each<[string, Graph, string[]]>([
    ['both scales at once', model(...both), ['a', 'as', 'az', 'q', 's', 'z']],
    ['one scale', model(node('Mul', 'one as', 'ss'), node('Mul', 'ss f', 'y')), ['a', 'as', 'az', 'q', 'one', 'z']],
    ['one after the other', model(node('Mul', 'f as', 'g'), node('Mul', 's g', 'y')), ['a', 'as', 'az', 'q', 's', 'z']],
    ['the other way round', model(node('Mul', 'f s', 'g'), node('Mul', 'g as', 'y')), ['a', 'as', 'az', 'q', 's', 'z']],
  ])('%s', async (_, each, inputs) => {
    const result = await expectRewrite(each, passes, whole);
    expect(result.nodes[1]!.inputs).toEqual(inputs);
  });

  it('leaves out zero points that are not there', async () => {
    const none = model(...both);
    const nodes = none.nodes.map((n) => (n.op === 'MatMulInteger' ? { ...n, inputs: ['a', 'q', 'az'] } : n));
    const result = await expectRewrite({ ...none, nodes }, passes, whole);
    expect(result.nodes[1]!.inputs).toEqual(['a', 'as', 'az', 'q', 's']);
  });

  it('scales by one constant what was quantised before', async () => {
    const before = [
      node('QuantizeLinear', 'x one za', 'a'),
      node('MatMulInteger', 'a q za z', 'u'),
      node('Cast', 'u', 'f', { to: 1 }),
    ];
    const known = { ...constants, za: q('uint8') };
    const once = graph([x], 'y', [...before, node('Mul', 'f s', 'y')], known);
    const result = await expectRewrite(once, passes, ['QuantizeLinear', product]);
    expect(result.nodes[1]!.inputs).toEqual(['a', expect.stringContaining('one'), 'za', 'q', 's', 'z']);
    const twice = graph([x], 'y', [...before, node('Mul', 'f f', 'y')], known);
    await expectRewrite(twice, passes, ['QuantizeLinear', 'MatMulInteger', 'Cast', 'Mul']);
  });

  it('shares one quantisation among products', async () => {
    const again = ['MatMulInteger', 'Cast', 'Mul', 'Mul'].map((op, i) =>
      node(op, ['a q az', 'u2', 'as s', 'f2 ss2'][i]!, ['u2', 'f2', 'ss2', 'y2'][i]!, op === 'Cast' ? { to: 1 } : {}),
    );
    const two = { ...model(...both, ...again), outputs: ['y', 'y2'] };
    await expectRewrite(two, passes, [...whole, product]);
  });

  it('multiplies two of them', async () => {
    const nodes = [
      node('DynamicQuantizeLinear', 'x', 'a as az'),
      node('DynamicQuantizeLinear', 'r', 'b bs bz'),
      node('MatMulInteger', 'a b az bz', 'u'),
      node('Cast', 'u', 'f', { to: 1 }),
      node('Mul', 'bs as', 'ss'),
      node('Mul', 'f ss', 'y'),
    ];
    const two = graph([x, input('r', ['batch', 6, 3])], 'y', nodes);
    const result = await expectRewrite(two, passes, ['DynamicQuantizeLinear', 'DynamicQuantizeLinear', product]);
    expect(result.nodes[2]!.inputs).toEqual(['a', 'as', 'az', 'b', 'bs', 'bz']);
  });

  it('are followed by what each element goes through', async () => {
    const biased = model(both[0]!, node('Mul', 'f ss', 'g'), node('Add', 'b g', 'h'), node('Relu', 'h', 'y'));
    await expectRewrite(biased, [...passes, fuseEpilogues], [whole[0]!, `${product}+Add+Relu`]);
  });

  it.each<[string, Graph]>([
    ["without the activation's scale", model(node('Mul', 'f s', 'y'))],
    ['a scale squared', model(node('Mul', 'as as', 'ss'), node('Mul', 'f ss', 'y'))],
    ['a product with other readers', { ...model(...both, node('Neg', 'f', 'n')), outputs: ['y', 'n'] }],
    [
      'a scale for each row',
      { ...model(...both), constants: new Map(Object.entries({ ...constants, s: scales(5, 1) })) },
    ],
  ])('leaves %s', async (_, each) => {
    await expectUntouched(each, [fuseQuantization]);
  });
});

describe('graphs quantised ahead of time', () => {
  const quantized = input('x', ['batch', 6], 'uint8');
  const image = input('x', ['batch', 4, 7, 5], 'uint8');
  const constants = {
    ...{
      xs: scalar(0.02),
      xz: scalar(120, 'uint8'),
      ws: scalar(0.01),
      wz: scalar(0, 'int8'),
      ys: scalar(0.05),
      yz: scalar(110, 'uint8'),
    },
    ...{
      zero: scalar(0, 'uint8'),
      bs: scalar(0.02 * Math.fround(0.01)),
      w: q('int8', 6, 4),
      wT: q('int8', 4, 6),
      f: q('int8', 3, 4, 3, 3),
    },
    ...{
      channels: scales(3),
      rows: scales(6),
      columns: scales(4),
      zeros: new Tensor('int8', new Int8Array(3), [3]),
      b: new Tensor('int32', [900, -700, 5], [3]),
    },
  };
  const dq = node('DequantizeLinear', 'x xs xz', 'xf');
  const dw = (weight: string, scale = 'ws wz', attrs = {}): Node =>
    node('DequantizeLinear', `${weight} ${scale}`, 'wf', attrs);
  const quantize = (from: string, zero = 'yz'): Node => node('QuantizeLinear', `${from} ys ${zero}`, 'y');
  const model = (of: typeof image, nodes: Node[]): Graph => graph([of], 'y', nodes, constants);
  const matmul = node('MatMul', 'xf wf', 'u');
  const conv = node('Conv', 'xf wf', 'u', { pads: [1, 1, 1, 1] });

  describe('gives products of integers', () => {
    const product = 'espalier.QuantizedMatMul';
    const other = input('z', ['batch', 6, 3], 'int8');
    const stacked = input('x', ['batch', 5, 6], 'uint8');

    it.each<[string, Graph, string[]]>([
      ['weights with one scale', graph([quantized], 'u', [dq, dw('w'), matmul], constants), []],
      ['a scale for each column', graph([quantized], 'u', [dq, dw('w', 'columns'), matmul], constants), []],
      [
        'transposed weights',
        graph(
          [quantized],
          'u',
          [dq, node('DequantizeLinear', 'wT ws wz', 'wt'), node('Transpose', 'wt', 'wf'), matmul],
          constants,
        ),
        [],
      ],
      [
        'two activations',
        graph([stacked, other], 'u', [dq, node('DequantizeLinear', 'z ws wz', 'wf'), matmul], constants),
        [],
      ],
      ['a result that is quantised', model(quantized, [dq, dw('w'), matmul, quantize('u')]), ['QuantizeLinear']],
      [
        'a result that is quantised in between',
        graph(
          [quantized],
          'y',
          [
            ...[dq, dw('w'), matmul, node('QuantizeLinear', 'u ys yz', 'v'), node('DequantizeLinear', 'v ys yz', 'w2')],
            ...[node('Add', 'w2 columns', 's'), node('QuantizeLinear', 's xs xz', 'y')],
          ],
          constants,
        ),
        ['QuantizeLinear', 'DequantizeLinear', 'Add', 'QuantizeLinear'],
      ],
    ])('%s', async (_, each, steps) => {
      const all = [...passes, fuseEpilogues];
      const result = await apply(each, ...all);
      expect(opsOf(result)).toEqual([[product, ...steps].join('+')]);
      expect(await apply(result, ...all)).toBe(result);
      await expectSameValues(each, { ...result, nodes: result.nodes.flatMap(partsOf) });
      if (steps.length > 0) await expectWithinSteps(each, result);
      else await expectSameValues(each, result, 1e-6);
    });

    it.each<[string, string]>([
      ['one scale', 'ws wz'],
      ['a scale for each column', 'columns fours'],
    ])('of QLinearMatMul, weights with %s', async (_what, parameters) => {
      const zeros = new Tensor('int8', [3, 0, -5, 7], [4]);
      const linear = graph([quantized], 'y', [node('QLinearMatMul', `x xs xz w ${parameters} ys yz`, 'y')], {
        ...constants,
        fours: zeros,
      });
      const result = await apply(linear, ...passes, fuseEpilogues);
      expect(opsOf(result)).toEqual([`${product}+QuantizeLinear`]);
      await expectWithinSteps(linear, result);
      const { ys: _, ...others } = constants;
      const varying = graph([quantized, input('ys', [])], 'y', linear.nodes, { ...others, fours: zeros });
      expect(opsOf(await apply(varying, fuseQuantization))).toEqual(['QLinearMatMul']);
    });

    it.each<[string, Graph]>([
      ['scales along the other axis', graph([quantized], 'u', [dq, dw('w', 'rows', { axis: 0 }), matmul], constants)],
      [
        'one operand that stays float',
        graph([input('xf', ['batch', 6]), other], 'u', [node('DequantizeLinear', 'z ws wz', 'wf'), matmul], constants),
      ],
    ])('but not of %s', async (_, each) => {
      expect(opsOf(await apply(each, ...passes))).not.toContain(product);
    });

    it('is quantised before its elements are moved', async () => {
      const heads = model(quantized, [
        ...[dq, dw('w'), matmul, node('Reshape', 'u', 'h', { shape: ['batch', 2, 2] })],
        ...[node('Transpose', 'h', 't', { perm: [1, 0, 2] }), quantize('t')],
      ]);
      const result = await expectRewrite(
        heads,
        [...passes, sinkViews, fuseEpilogues],
        [`${product}+QuantizeLinear`, 'Reshape', 'Transpose'],
        Number.POSITIVE_INFINITY,
      );
      await expectWithinSteps(heads, result);
    });
  });

  it('need no Relu where the lowest integer stands for 0', async () => {
    const floats = input('x', ['batch', 6]);
    const rectified = (zero: string): Graph =>
      graph([floats], 'y', [node('Relu', 'x', 'v'), node('QuantizeLinear', `v ys ${zero}`, 'y')], constants);
    await expectRewrite(rectified('zero'), passes, ['QuantizeLinear']);
    await expectUntouched(rectified('yz'), [fuseQuantization]);
  });

  describe('moves integers as they are', () => {
    const back = (from: string, scale = 'xs', zero = 'xz'): Node =>
      node('QuantizeLinear', `${from} ${scale} ${zero}`, 'y');
    const moved = (op: Node, last = back('m')): Graph =>
      graph([image], 'y', [dq, op, last], { ...constants, last: ints(-1), same: scalar(0.02), nearly: scalar(0.0201) });

    it.each<[string, Node]>([
      ['Reshape', node('Reshape', 'xf', 'm', { shape: ['batch', 4, 35] })],
      ['Transpose', node('Transpose', 'xf', 'm', { perm: [0, 2, 3, 1] })],
      ['MaxPool', node('MaxPool', 'xf', 'm', { kernel_shape: [2, 2], pads: [1, 1, 1, 1] })],
    ])('%s', async (op, each) => {
      await expectRewrite(moved(each), passes, [op]);
    });

    it('or leaves them alone altogether', async () => {
      await expectRewrite(graph([image], 'y', [dq, back('xf')], constants), passes, ['Identity']);
      await expectRewrite(
        graph([image], 'z', [dq, back('xf', 'xs'), node('Cast', 'y', 'z', { to: 6 })], constants),
        passes,
        ['Cast'],
      );
    });

    it('but not what is computed, read elsewhere or quantised in another way', async () => {
      const transpose = node('Transpose', 'xf', 'm', { perm: [0, 2, 3, 1] });
      await expectUntouched(moved(node('Relu', 'xf', 'm')), [fuseQuantization]);
      await expectUntouched({ ...moved(transpose), outputs: ['y', 'm'] }, [fuseQuantization]);
      const again = ['DequantizeLinear', 'QuantizeLinear', 'Transpose'];
      await expectRewrite(moved(transpose, back('m', 'nearly')), passes, again);
      await expectRewrite(moved(transpose, back('m', 'xs', 'yz')), passes, again);
      await expectRewrite(moved(transpose, node('QuantizeLinear', 'm xs wz', 'y')), passes, again);
    });
  });

  it('computes what is left of constants that no integer product took', async () => {
    const each = model(image, [dq, dw('f', 'channels', { axis: 0 }), conv, node('Tanh', 'u', 'v'), quantize('v')]);
    await expectRewrite(
      each,
      [fuseQuantization, dequantizeConstants, deadCode],
      ['DequantizeLinear', 'Conv', 'Tanh', 'QuantizeLinear'],
    );
  });
});
