import { type Dim, dim, type Graph, inferGraph, type Node, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { runPasses } from '../src/index.ts';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { commonSubexpressions } from '../src/passes/common-subexpressions.ts';
import { constantFolding, dequantizeConstants } from '../src/passes/constant-folding.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { inlineIf } from '../src/passes/inline-if.ts';
import { dataDependentShapes, shapeArithmetic } from '../src/passes/shape-arithmetic.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { evaluate } from './interpret.ts';
import { apply, expectRewrite, expectSameValues, expectUntouched, randomNumbers, randomTensor } from './passes.ts';

const random = randomNumbers(7);
const tensor = (...dims: number[]): Tensor => randomTensor(dims, random);
const filled = (value: number, ...dims: number[]): Tensor =>
  new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value), dims);
const x = input('x', ['batch', 'seq', 6]);

describe('constant-folding', () => {
  it('computes what is made of constants alone, one node after the other', async () => {
    const model = graph(
      [x],
      'y',
      [node('Mul', 'a b', 'ab'), node('Sqrt', 'c', 'root'), node('Add', 'ab root', 'k'), node('Add', 'x k', 'y')],
      { a: 2, b: tensor(6), c: 9 },
    );
    const folded = await expectRewrite(model, [constantFolding, deadCode], ['Add']);
    expect([...folded.constants.keys()]).toEqual(['k']);
  });

  it('gives outputs of the graph as constants', async () => {
    const folded = await expectRewrite(graph([], 'y', [node('Neg', 'a', 'y')], { a: 2 }), [constantFolding], []);
    expect(folded.constants.get('y')!.data[0]).toBe(-2);
  });

  it('leaves what would grow much, what is random and what has no kernel', async () => {
    const shape = ints(300, 300);
    await expectUntouched(graph([], 'y', [node('Expand', 'a s', 'y')], { a: 1, s: shape }), [constantFolding]);
    await expectUntouched(graph([], 'y', [node('ConstantOfShape', 's', 'y')], { s: shape }), [constantFolding]);
    await expectUntouched(graph([], 'y', [node('RandomNormalLike', 'a', 'y')], { a: tensor(4) }), [constantFolding]);
    const noKernels = graph([], 'y', [node('Neg', 'a', 'y')], { a: 2 });
    const failing = {
      ops: onnxOps,
      evaluate: () => Promise.reject(Object.assign(new Error(), { code: 'UNSUPPORTED' })),
    };
    expect((await runPasses(noKernels, { ...failing, passes: [[constantFolding]] })).graph).toBe(noKernels);
    expect((await runPasses(noKernels, { ops: onnxOps, passes: [[constantFolding]] })).graph).toBe(noKernels);
  });

  it('leaves what can only fail for the run to report, and lets other errors through', async () => {
    const model = graph([], 'y', [node('Gather', 'a i', 'y')], { a: tensor(4), i: ints(9) });
    await expectUntouched(model, [constantFolding]);
    const broken = { ops: onnxOps, evaluate: () => Promise.reject(new RangeError('a bug')) };
    await expect(runPasses(model, { ...broken, passes: [[constantFolding]] })).rejects.toThrow('a bug');
  });

  it('does not widen weights of few bits until nothing else wanted them', async () => {
    const q = randomTensor([16, 6], random, 'int8');
    const model = graph(
      [x],
      'y z',
      [
        node('Cast', 'q', 'w', { to: 1 }),
        node('DequantizeLinear', 'q s', 'v'),
        node('Transpose', 'v', 'vt'),
        node('MatMul', 'x vt', 'y'),
        node('Gather', 'w i', 'z'),
      ],
      { q, s: 0.5, i: ints(1, 2) },
    );
    await expectUntouched(model, [constantFolding]);
    await expectRewrite(model, [dequantizeConstants], ['MatMul']);
  });
});

describe('shape-arithmetic', () => {
  const sizes = [node('Shape', 'x', 'shape'), node('Gather', 'shape zero', 'n'), node('Unsqueeze', 'n zeros', 'ns')];
  const constants = { zero: new Tensor('int64', [0], []), zeros: ints(0), rest: ints(-1), two: ints(2) };

  it('writes the shape of Reshape, Expand and ConstantOfShape as attributes', async () => {
    const model = graph(
      [x, input('u', [1, 6])],
      'a b c',
      [
        ...sizes,
        node('Concat', 'ns rest', 'to', { axis: 0 }),
        node('Reshape', 'x to', 'a'),
        node('Concat', 'ns six', 'wide', { axis: 0 }),
        node('Expand', 'u wide', 'b'),
        node('ConstantOfShape', 'wide', 'c'),
      ],
      { ...constants, six: ints(6) },
    );
    const result = await expectRewrite(model, [shapeArithmetic, deadCode], ['Reshape', 'Expand', 'ConstantOfShape']);
    expect(result.nodes.map(({ attrs }) => attrs['shape'])).toEqual([
      ['batch', '6*seq'],
      ['batch', 6],
      ['batch', 6],
    ]);
    expect(result.constants.size).toBe(0);
  });

  it('makes constants of sizes that are numbers, and one node of those that are read as data', async () => {
    const model = graph(
      [x],
      'y last',
      [
        ...sizes,
        node('Slice', 'shape two three', 'last'),
        node('Range', 'zero n one', 'positions'),
        node('Cast', 'positions', 'y', { to: 1 }),
      ],
      { ...constants, three: ints(3), one: new Tensor('int64', [1], []) },
    );
    const result = await expectRewrite(model, [shapeArithmetic, deadCode], ['espalier.Dims', 'Range', 'Cast']);
    expect(result.nodes[0]!.attrs).toEqual({ dims: ['batch'], dtype: 'int64', scalar: 1 });
    expect(result.constants.get('last')!.data[0]).toBe(6n);
  });

  describe('sizes that only a run finds out', () => {
    const found = [
      node('NonZero', 'x', 'found'),
      node('Cast', 'found', 'u', { to: 1 }),
      node('Shape', 'found', 'shape'),
    ];
    const target = [node('Gather', 'shape one', 'count'), node('Concat', 'count ones', 'to', { axis: 0 })];
    const vector = input('x', ['n']);

    it('are not written down early', async () => {
      await expectUntouched(graph([vector], 'y', [...found, node('ConstantOfShape', 'shape', 'y')]), [shapeArithmetic]);
      const reshaped = graph([vector], 'y', [...found, ...target, node('Reshape', 'u to', 'y')], {
        one: ints(1),
        ones: ints(1, 1),
      });
      await expectUntouched(reshaped, [shapeArithmetic]);
      const result = await expectRewrite(reshaped, [dataDependentShapes, deadCode], ['NonZero', 'Cast', 'Reshape']);
      expect(result.nodes[2]!.attrs['shape']).toEqual([expect.stringMatching(/^_found/), 1, 1]);
    });

    it('are left as data where nothing else says that they are known', async () => {
      const filled = graph([vector], 'y', [...found, ...target, node('ConstantOfShape', 'to', 'y')], {
        one: ints(1),
        ones: ints(1, 1),
      });
      await expectUntouched(filled, [dataDependentShapes]);
    });

    it('keep the node that finds them out', async () => {
      const twice = [
        node('NonZero', 'x', 'again'),
        node('Cast', 'again', 'v', { to: 1 }),
        node('Size', 'again', 'size'),
      ];
      const nodes = [...found, ...target, ...twice, node('Reshape', 'u to', 'y'), node('Reshape', 'v to', 'z')];
      const model = graph([vector], 'y z', nodes, { one: ints(1), ones: ints(1, 1) });
      const both = await apply(model, dataDependentShapes, deadCode);
      await expectSameValues(model, await apply(both, commonSubexpressions, deadCode));
      const named = graph(
        [vector],
        'w y',
        [...found, ...target, node('Reshape', 'u to', 'y'), node('Identity', 'found', 'w')],
        {
          ...{ one: ints(1), ones: ints(1, 1) },
        },
      );
      const late = await apply(named, dataDependentShapes, deadCode);
      await expectSameValues(named, await apply(late, canonicalForms));
    });
  });
});

describe('dead-code', () => {
  it('removes nodes, constants and optional outputs that nothing needs', async () => {
    const model = graph(
      [x],
      'y',
      [node('LayerNormalization', 'x a', 'y mean deviation'), node('Neg', 'x', 'u'), node('Abs', 'u', 'v')],
      { a: filled(1, 6), b: 3 },
    );
    const result = await expectRewrite(model, [deadCode], ['LayerNormalization']);
    expect(result.nodes[0]!.outputs).toEqual(['y']);
    expect([...result.constants.keys()]).toEqual(['a']);
  });

  it('keeps what subgraphs capture and what decompositions read', async () => {
    const inner = graph([], 'r', [node('Add', 'c k', 'r')]);
    const model = graph(
      [input('cond', [], 'bool')],
      'y',
      [node('If', 'cond', 'y', { then_branch: inner, else_branch: inner })],
      { c: 1, k: 2 },
    );
    await expectUntouched(model, [deadCode]);
    const whole: Node = { ...node('Neg', 'x', 'y'), decomposition: [node('Sub', 'zero x', 'y')] };
    expect((await apply(graph([x], 'y', [whole], { zero: 0 }), deadCode)).constants.has('zero')).toBe(true);
  });
});

describe('common-subexpressions', () => {
  it('computes once what is the same but for the order of commuting operands, and keeps equal constants once', async () => {
    const same = tensor(6);
    const model = graph(
      [x],
      'y z',
      [
        node('Add', 'x a', 'u'),
        node('Add', 'b x', 'v'),
        node('Sub', 'u v', 'w'),
        node('Mul', 'w v', 'y'),
        node('Mul', 'v w', 'z'),
      ],
      { a: same, b: Tensor.fromBytes('float32', same.bytes.slice(), [6]) },
    );
    const result = await expectRewrite(model, [commonSubexpressions, deadCode], ['Add', 'Sub', 'Mul', 'Identity']);
    expect(result.constants.size).toBe(1);
  });

  it('tells apart attributes, orders that matter, -0 and random nodes', async () => {
    await expectUntouched(
      graph(
        [x],
        'a b c d e f',
        [
          node('Sub', 'x k', 'a'),
          node('Sub', 'k x', 'b'),
          node('Div', 'x zero', 'c'),
          node('Div', 'x minus', 'd'),
          node('Softmax', 'x', 'e', { axis: 1 }),
          node('Softmax', 'x', 'f', { axis: 2 }),
        ],
        { k: 2, zero: 0, minus: -0 },
      ),
      [commonSubexpressions],
    );
    const noise = [node('RandomNormalLike', 'x', 'a'), node('RandomNormalLike', 'x', 'b')];
    await expectUntouched(graph([x], 'a b', noise), [commonSubexpressions]);
  });
});

describe('canonical-forms', () => {
  const one = (op: Node, constants: Record<string, Tensor | number> = {}): Graph =>
    graph([x], 'z', [op, node('Neg', 'y', 'z')], constants);

  it.each<[string, Node, Record<string, Tensor | number>?]>([
    ['Identity', node('Identity', 'x', 'y')],
    ['Dropout', node('Dropout', 'x', 'y')],
    ['Cast to the same', node('Cast', 'x', 'y', { to: 1 })],
    ['Transpose that keeps the order', node('Transpose', 'x', 'y', { perm: [0, 1, 2] })],
    ['Reshape to the same', node('Reshape', 'x', 'y', { shape: ['batch', 'seq', 6] })],
    ['Expand to the same', node('Expand', 'x s', 'y'), { s: ints(1, 1, 6) }],
    ['Tile once', node('Tile', 'x s', 'y'), { s: ints(1, 1, 1) }],
    ['Slice of all', node('Slice', 'x from to axes', 'y'), { from: ints(0), to: ints(2147483647), axes: ints(1) }],
    ['Slice to a number past all sizes', node('Slice', 'x from to', 'y'), { from: ints(0), to: ints(1e9) }],
    ['Pad by nothing', node('Pad', 'x none', 'y'), { none: ints(0, 0, 0, 0, 0, 0) }],
    ['Concat of one', node('Concat', 'x', 'y', { axis: 1 })],
    ['Max of one', node('Max', 'x', 'y')],
    ['Clip without limits', node('Clip', 'x', 'y')],
    ['Add of -0', node('Add', 'x k', 'y'), { k: -0 }],
    ['Sub of 0', node('Sub', 'x k', 'y'), { k: 0 }],
    ['Mul by 1', node('Mul', 'k x', 'y'), { k: filled(1, 1, 6) }],
    ['Div by 1', node('Div', 'x k', 'y'), { k: 1 }],
    ['Pow by 1', node('Pow', 'x k', 'y'), { k: 1 }],
    ['Where of a known condition', node('Where', 'k x c', 'y'), { k: new Tensor('bool', [1], []), c: 3 }],
  ])('removes %s', async (_, op, constants) => {
    await expectRewrite(one(op, constants), [canonicalForms], ['Neg']);
  });

  it('divides by powers of two by multiplying', async () => {
    for (const k of [2, 8, -0.25, filled(4, 1, 6)])
      await expectRewrite(one(node('Div', 'x k', 'y'), { k }), [canonicalForms, deadCode], ['Mul', 'Neg'], 0);
  });

  it.each<[string, Node, Record<string, Tensor | number>?]>([
    ['Div by another number', node('Div', 'x k', 'y'), { k: 3 }],
    ['Div by zero', node('Div', 'x k', 'y'), { k: 0 }],
    ['Div by so little that the inverse is infinite', node('Div', 'x k', 'y'), { k: 2 ** -140 }],
    ['Add of +0, which turns -0 into +0', node('Add', 'x k', 'y'), { k: 0 }],
    ['Sub of -0', node('Sub', 'x k', 'y'), { k: -0 }],
    ['Sub from 0', node('Sub', 'k x', 'y'), { k: 0 }],
    ['Div of 1', node('Div', 'k x', 'y'), { k: 1 }],
    ['Mul by 1 that broadcasts', node('Mul', 'x k', 'y'), { k: filled(1, 2, 1, 1, 1) }],
    [
      'Slice that turns around',
      node('Slice', 'x from to axes steps', 'y'),
      {
        from: ints(-1),
        to: ints(-100),
        axes: ints(2),
        steps: ints(-1),
      },
    ],
    ['Slice of some', node('Slice', 'x from to axes', 'y'), { from: ints(0), to: ints(5), axes: ints(2) }],
    ['Pad by less and more', node('Pad', 'x pads', 'y'), { pads: ints(0, 0, 1, 0, 0, -1) }],
    ['Clip with a limit', node('Clip', 'x k', 'y'), { k: 1 }],
    ['Dropout with its mask', node('Dropout', 'x', 'y mask')],
    ['Concat of two', node('Concat', 'x x', 'y', { axis: 0 })],
  ])('keeps %s', async (name, op, constants) => {
    const model = one(op, constants);
    await expectUntouched(name.includes('mask') ? { ...model, outputs: ['z', 'mask'] } : model, [canonicalForms]);
  });

  it('keeps names of outputs when what makes them goes', async () => {
    const model = graph([x], 'y', [node('Neg', 'x', 'u'), node('Identity', 'u', 'y')]);
    expect((await expectRewrite(model, [canonicalForms], ['Neg'])).nodes[0]!.outputs).toEqual(['y']);
    await expectUntouched(graph([x], 'y', [node('Identity', 'x', 'y')]), [canonicalForms]);
    await expectRewrite(graph([x], 'y', [node('Dropout', 'x', 'y')]), [canonicalForms], ['Identity']);
  });

  it('drops an Expand that broadcasting does anyway, and no other', async () => {
    const u = input('u', [1, 'seq', 1]);
    const wide = node('Expand', 'u', 'w', { shape: ['batch', 'seq', 6] });
    await expectRewrite(graph([x, u], 'y', [wide, node('Add', 'x w', 'y')]), [canonicalForms, deadCode], ['Add']);
    await expectUntouched(
      graph([u, input('k', [])], 'y', [{ ...wide, attrs: { shape: [4, 'seq', 6] } }, node('Add', 'w k', 'y')]),
      [canonicalForms],
    );
  });

  it('writes squares and sums of two as Mul and Add', async () => {
    await expectRewrite(one(node('Pow', 'x k', 'y'), { k: 2 }), [canonicalForms], ['Mul', 'Neg']);
    await expectUntouched(one(node('Pow', 'x k', 'y'), { k: 3 }), [canonicalForms]);
    await expectRewrite(one(node('Sum', 'x x', 'y')), [canonicalForms], ['Add', 'Neg']);
  });

  it('lets a softmax of rows see the rows as they were before they were stacked', async () => {
    const stacked = (axis: number, shape: Dim[]): Graph =>
      graph([x], 'y', [
        node('Reshape', 'x', 'u', { shape }),
        node('Softmax', 'u', 'v', { axis }),
        node('Reshape', 'v', 'y', { shape: ['batch', 'seq', 6] }),
      ]);
    await expectRewrite(stacked(-1, ['batch*seq', 6]), [canonicalForms, deadCode], ['Softmax']);
    await expectUntouched(stacked(0, ['batch*seq', 6]), [canonicalForms]);
    await expectUntouched(stacked(-1, ['batch', '6*seq']), [canonicalForms]);
  });

  it('writes Gemm with a constant weight as MatMul and Add', async () => {
    const a = input('x', ['n', 6]);
    const gemm = (attrs: Node['attrs'], bias = 'c'): Graph =>
      graph([a], 'y', [node('Gemm', `x w ${bias}`, 'y', attrs)], {
        w: attrs['transB'] ? tensor(5, 6) : tensor(6, 5),
        c: tensor(5),
      });
    const both = [canonicalForms, constantFolding, deadCode];
    await expectRewrite(gemm({ transB: 1 }), both, ['MatMul', 'Add']);
    await expectRewrite(gemm({ alpha: 0.5, beta: 3 }), both, ['MatMul', 'Add']);
    await expectRewrite(gemm({ transB: 1, alpha: 2 }, ''), both, ['MatMul']);
    const open = graph([a, input('w', [6, 5])], 'y', [node('Gemm', 'x w', 'y')]);
    await expectUntouched(open, both);
    const transposed = graph([input('x', [6, 'n'])], 'y', [node('Gemm', 'x w', 'y', { transA: 1 })], {
      w: tensor(6, 5),
    });
    await expectUntouched(transposed, both);
  });

  describe('moves of elements', () => {
    const moves = (text: string): Graph => {
      const nodes = text.split(' ').map((step, i, all): Node => {
        const [from, to] = [i === 0 ? 'x' : `v${i}`, i === all.length - 1 ? 'y' : `v${i + 1}`];
        const list = step.slice(1).split(',');
        if (step[0] === 't') return node('Transpose', from, to, { perm: list.map(Number) });
        return node('Reshape', from, to, { shape: list.map((d): Dim => dim.parse(d)) });
      });
      return graph([input('x', ['batch', 'seq', 3, 4])], 'y', nodes);
    };

    it.each([
      ['t0,2,1,3 t0,1,3,2', ['Transpose'], [0, 2, 3, 1]],
      ['t0,2,1,3 t0,2,1,3', ['Identity']],
      ['rbatch*seq,12 rbatch,seq,12', ['Reshape'], ['batch', 'seq', 12]],
      ['rbatch*seq,12 rbatch,seq,3,4', ['Identity']],
      // torch transposes keys of a head as a batch of matrices.
      ['t0,2,1,3 r3*batch,seq,4 t0,2,1 rbatch,3,4,seq', ['Transpose'], [0, 2, 3, 1]],
      ['rbatch,1,seq,12 t0,2,1,3', ['Reshape'], ['batch', 'seq', 1, 12]],
      ['t0,2,3,1 rbatch,3,4,1,seq t0,4,1,2,3 rbatch,seq,12', ['Reshape'], ['batch', 'seq', 12]],
      ['rbatch,seq,12 t0,2,1', ['Reshape', 'Transpose'], ['batch', 'seq', 12]],
      ['rbatch,seq,3,2,2 t0,3,1,2,4', ['Reshape', 'Transpose'], ['batch', 'seq', 3, 2, 2]],
    ])('%s', async (text, ops, first?: unknown) => {
      const result = await expectRewrite(moves(text), [canonicalForms, deadCode], ops);
      if (first) expect(Object.values(result.nodes[0]!.attrs)[0]).toEqual(first);
    });

    it('do the same as before, whatever the chain', async () => {
      let shorter = 0;
      for (let round = 0; round < 150; round++) {
        const steps: string[] = [];
        let shape: Dim[] = ['batch', 'seq', 3, 4];
        for (let i = 0; i < 2 + Math.floor(random() * 5); i++) {
          const pick = Math.floor(random() * 4);
          const at = Math.floor(random() * (shape.length - 1));
          if (pick < 2) {
            const perm = shape
              .map((_, axis) => [random(), axis] as const)
              .sort(([a], [b]) => a - b)
              .map(([, axis]) => axis);
            shape = perm.map((axis) => shape[axis]!);
            steps.push(`t${perm}`);
          } else {
            if (pick === 2 && shape.length > 1) shape = shape.toSpliced(at, 2, dim.mul(shape[at]!, shape[at + 1]!));
            else if (shape.includes(4)) shape = shape.toSpliced(shape.indexOf(4), 1, 2, 1, 2);
            else shape = [...shape, 1];
            steps.push(`r${shape}`);
          }
        }
        const model = moves(steps.join(' '));
        const result = await apply(model, canonicalForms, deadCode);
        const [before, after] = [model, result].map((g) => g.nodes.filter((n) => n.op === 'Transpose').length);
        expect(after, steps.join(' ')).toBeLessThanOrEqual(before!);
        if (result.nodes.length < model.nodes.length) shorter++;
        await expectSameValues(model, result, 0);
      }
      expect(shorter).toBeGreaterThan(75);
    });
  });
});

describe('inline-if', () => {
  const branch = (
    name: string,
    nodes: Node[],
    output: string,
    constants: Record<string, Tensor | number> = {},
  ): Graph => ({
    ...graph([], output, nodes, constants),
    name,
  });
  const isThree = [node('Shape', 'x', 'shape'), node('Size', 'shape', 'rank'), node('Equal', 'rank three', 'cond')];
  const three = { three: new Tensor('int64', [3], []) };

  it('takes the branch that the shapes decide, with names of its own', async () => {
    const model = graph(
      [x],
      'y k',
      [
        ...isThree,
        node('If', 'cond', 'y', {
          then_branch: branch('then', [node('Mul', 'x k', 'shape'), node('Neg', 'shape', 'out')], 'out', { k: 5 }),
          else_branch: branch('else', [node('Abs', 'x', 'out')], 'out'),
        }),
        node('Identity', 'three', 'k'),
      ],
      three,
    );
    await expectRewrite(model, [inlineIf, deadCode], ['Mul', 'Neg', 'Identity']);
  });

  it('copies outputs that the branch does not make itself, and goes into what it inlined', async () => {
    const inner = node('If', 'cond', 'deep', {
      then_branch: branch('a', [node('Exp', 'x', 'e')], 'e'),
      else_branch: branch('b', [node('Abs', 'x', 'e')], 'e'),
    });
    const model = graph(
      [x],
      'y z u',
      [
        ...isThree,
        node('If', 'cond', 'y z u', {
          then_branch: {
            ...branch('then', [inner, node('Neg', 'deep', 'n')], 'n', { c: 4 }),
            outputs: ['n', 'n', 'x'],
          },
          else_branch: { ...branch('else', [node('Abs', 'x', 'n')], 'n'), outputs: ['n', 'n', 'n'] },
        }),
      ],
      three,
    );
    await expectRewrite(model, [inlineIf, deadCode], ['Exp', 'Neg', 'Identity', 'Identity']);
  });

  it('leaves a condition that the run decides, and simplifies the branches', async () => {
    const model = graph(
      [x, input('cond', [], 'bool')],
      'y',
      [
        node('If', 'cond', 'y', {
          then_branch: branch(
            'then',
            [node('Identity', 'x', 'i'), node('Mul', 'a a', 'aa'), node('Add', 'i aa', 'out')],
            'out',
          ),
          else_branch: branch('else', [node('Abs', 'x', 'out')], 'out'),
        }),
      ],
      { a: 3 },
    );
    const { graph: result } = await runPasses(model, { ops: onnxOps, evaluate });
    expect(opsOf(result)).toEqual(['If']);
    expect(opsOf(result.nodes[0]!.attrs['then_branch'] as Graph)).toEqual(['Add']);
    await expectSameValues(model, result);
  });
});

describe('runPasses', () => {
  const model = graph([x], 'y', [node('Identity', 'x', 'i'), node('Neg', 'i', 'y'), node('Abs', 'x', 'unused')]);

  it('reports what each pass did, and leaves out what is disabled', async () => {
    const { graph: result, report } = await runPasses(model, { ops: onnxOps });
    expect(opsOf(result)).toEqual(['Neg']);
    expect(report.filter(({ rewrites }) => rewrites > 0)).toEqual([
      { name: 'dead-code', nodesBefore: 3, nodesAfter: 2, rewrites: 1 },
      { name: 'canonical-forms', nodesBefore: 2, nodesAfter: 1, rewrites: 1 },
    ]);
    const kept = await runPasses(model, { ops: onnxOps, disable: ['dead-code'] });
    expect(opsOf(kept.graph)).toEqual(['Neg', 'Abs']);
    expect(kept.report.some(({ name }) => name === 'dead-code')).toBe(false);
  });

  it('says which passes there are when asked to disable another', async () => {
    await expect(runPasses(model, { ops: onnxOps, disable: ['dead_code'] })).rejects.toThrow(/dead-code/);
  });

  it('hears an abort, also while it folds', async () => {
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(runPasses(model, { ops: onnxOps, signal: aborted })).rejects.toMatchObject({ code: 'ABORTED' });
    const controller = new AbortController();
    const slow = graph([], 'y', [node('MatMul', 'a a', 'y')], { a: filled(1, 120, 120) });
    const running = runPasses(slow, {
      ops: onnxOps,
      evaluate: (...args) => {
        controller.abort();
        return evaluate(...args);
      },
      signal: controller.signal,
    });
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('does not change the graph that it is given', async () => {
    const before = JSON.stringify(model);
    await runPasses(model, { ops: onnxOps, evaluate });
    expect(JSON.stringify(model)).toBe(before);
    expect(() => inferGraph(model, onnxOps)).not.toThrow();
  });
});
