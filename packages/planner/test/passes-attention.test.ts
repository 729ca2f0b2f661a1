import { type Dim, type Graph, type Node, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { constantFolding } from '../src/passes/constant-folding.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { fuseAttention } from '../src/passes/fuse-attention.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { apply, expectRewrite, expectUntouched, randomNumbers, randomTensor } from './passes.ts';

const random = randomNumbers(23);
const scalar = (value: number): Tensor => new Tensor('float32', [value], []);
const constants = {
  ...{
    scale: 0.5,
    root: 0.25 ** 0.25,
    two: 2,
    zero: 0,
    minusInfinity: Number.NEGATIVE_INFINITY,
    lowest: -3.4e38,
    low: -1e4,
  },
  bias: randomTensor([3, 1, 1], random),
};
/** Heads `[B,H,S,D]`, keys and values of other lengths. */
const heads = (rank = 4): Graph['inputs'] => {
  const lead: Dim[] = rank === 4 ? ['batch', 3] : ['batch'];
  return [input('q', [...lead, 'seq', 8]), input('k', [...lead, 'past', 8]), input('v', [...lead, 'past', 4])];
};
const mask = input('mask', ['batch', 1, 'seq', 'past']);
const seen = input('seen', ['batch', 1, 1, 'past'], 'bool');
const keys = node('Transpose', 'k', 'kT', { perm: [0, 1, 3, 2] });
const end = [node('Softmax', 's', 'p'), node('MatMul', 'p v', 'y')];
const attention = ['espalier.Attention'];

const model = (nodes: Node[], more: Graph['inputs'] = [], extra: Record<string, Tensor> = {}): Graph =>
  graph([...heads(), ...more], 'y', nodes, { ...constants, ...extra });

describe('fuse-attention', () => {
  it.each<[string, Node[], number]>([
    ['no scale', [keys, node('MatMul', 'q kT', 's')], 1],
    ['a scale on the scores', [keys, node('MatMul', 'q kT', 'u'), node('Mul', 'scale u', 's')], 0.5],
    ['a divisor of the scores', [keys, node('MatMul', 'q kT', 'u'), node('Div', 'u two', 's')], 0.5],
    ['a scale on the queries', [keys, node('Mul', 'q scale', 'qs'), node('MatMul', 'qs kT', 's')], 0.5],
    ['a scale on the keys', [keys, node('Div', 'kT two', 'ks'), node('MatMul', 'q ks', 's')], 0.5],
    [
      'the root of a scale on both, as torch has it',
      [keys, node('Mul', 'q root', 'qs'), node('Mul', 'kT root', 'ks'), node('MatMul', 'qs ks', 's')],
      0.5,
    ],
  ])('reads %s', async (_, nodes, scale) => {
    const fused = await expectRewrite(model([...nodes, ...end]), [fuseAttention, deadCode], attention);
    expect(fused.nodes[0]!.attrs).toEqual({ scale: expect.closeTo(scale, 6), layout: 'BHSD' });
    expect(fused.nodes[0]!.inputs).toEqual(['q', 'k', 'v']);
  });

  const product = [keys, node('MatMul', 'q kT', 'u'), node('Mul', 'scale u', 'w')];
  const lowest = { lowest: scalar(-3.4e38) };

  it.each<[string, Node[], Graph['inputs'], string[]]>([
    ['a sum', [node('Add', 'mask w', 's')], [mask], []],
    ['a choice that hides', [node('Where', 'seen w minusInfinity', 's')], [seen], []],
    ['a choice that hides what is marked', [node('Where', 'seen minusInfinity w', 's')], [seen], ['Not']],
    ['a choice that all but hides', [node('Where', 'seen w lowest', 's')], [seen], ['Where']],
    ['two sums', [node('Add', 'w mask', 't'), node('Add', 'bias t', 's')], [mask], ['Add']],
    [
      'a sum and a choice',
      [node('Add', 'w mask', 't'), node('Where', 'seen t minusInfinity', 's')],
      [mask, seen],
      ['Where', 'Add'],
    ],
    ['nothing but zero', [node('Add', 'w zero', 's')], [], []],
  ])('reads masks: %s', async (_, nodes, inputs, before) => {
    // Rows that see nothing are NaN on both sides.
    const fused = await expectRewrite(
      model([...product, ...nodes, ...end], inputs, lowest),
      [fuseAttention, deadCode],
      [...before, ...attention],
    );
    expect(fused.nodes.at(-1)!.inputs.length).toBe(inputs.length > 0 ? 4 : 3);
  });

  it.each<[string, Node[]]>([
    ['IsNaN', [node('IsNaN', 'p', 'test')]],
    ['the largest score', [node('ReduceMax', 's last', 'most'), node('Equal', 'most minusInfinity', 'test')]],
  ])('reads the guard of rows that see nothing: %s', async (_, test) => {
    const nodes = [
      ...[...product, node('Where', 'seen w minusInfinity', 's'), node('Softmax', 's', 'p')],
      ...[...test, node('Where', 'test zero p', 'g'), node('MatMul', 'g v', 'y')],
    ];
    const fused = await expectRewrite(model(nodes, [seen], { last: ints(-1) }), [fuseAttention, deadCode], attention);
    expect(fused.nodes[0]!.attrs['nan_to_zero']).toBe(1);
  });

  it('knows a causal mask when it sees one', async () => {
    const size = 5;
    const inputs = ['q', 'k', 'v'].map((name) => input(name, ['batch', 3, size, 8]));
    const triangle = (hidden: number, type: 'float32' | 'bool' = 'float32', shown = 0): Tensor => {
      const elements = Array.from({ length: size * size }, (_, i) =>
        i % size > Math.floor(i / size) ? hidden : shown,
      );
      return new Tensor(type, elements, [1, 1, size, size]);
    };
    const masked = (m: Tensor, last: Node): Graph =>
      graph(inputs, 'y', [...product, last, ...end], { ...constants, m });
    const sum = node('Add', 'w m', 's');
    for (const [m, last] of [
      [triangle(Number.NEGATIVE_INFINITY), sum],
      [triangle(-3.4e38), sum],
      [triangle(0, 'bool', 1), node('Where', 'm w minusInfinity', 's')],
      [triangle(1, 'bool', 0), node('Where', 'm lowest w', 's')],
    ] as const) {
      const fused = await expectRewrite(masked(m, last), [fuseAttention, deadCode], attention);
      expect(fused.nodes[0]).toMatchObject({ inputs: ['q', 'k', 'v'], attrs: { is_causal: 1 } });
    }
    const fused = await expectRewrite(masked(triangle(-5), sum), [fuseAttention, deadCode], attention);
    expect(fused.nodes[0]!.inputs).toHaveLength(4);
  });

  describe('takes transposes in', () => {
    const rows = ['q', 'k', 'v'].map((name) => input(`${name}0`, ['batch', 'seq', 3, 8]));
    const swap = (from: string, to: string): Node => node('Transpose', from, to, { perm: [0, 2, 1, 3] });
    const [swapQ, swapV] = [swap('q0', 'q'), swap('v0', 'v')];
    const core = [
      node('MatMul', 'q kT', 'u'),
      node('Mul', 'scale u', 's'),
      node('Softmax', 's', 'p'),
      node('MatMul', 'p v', 'o'),
    ];
    const back = swap('o', 'y');

    it('of all operands and of the result', async () => {
      const keysAtOnce = node('Transpose', 'k0', 'kT', { perm: [0, 2, 3, 1] });
      const keysInTwo = [swap('k0', 'k'), keys];
      for (const k of [[keysAtOnce], keysInTwo]) {
        const whole = graph(rows, 'y', [swapQ, ...k, swapV, ...core, back], constants);
        const fused = await expectRewrite(whole, [canonicalForms, fuseAttention, deadCode], attention);
        expect(fused.nodes[0]).toMatchObject({ inputs: ['q0', 'k0', 'v0'], attrs: { layout: 'BSHD' } });
      }
    });

    it('where that leaves fewer, with those that are missing written out', async () => {
      const keysAtOnce = node('Transpose', 'k0', 'kT', { perm: [0, 2, 3, 1] });
      const open = graph(rows, 'o', [swapQ, keysAtOnce, swapV, ...core], constants);
      await expectRewrite(open, [fuseAttention, deadCode], ['espalier.Attention', 'Transpose']);
      const cache = [
        input('q0', ['batch', 'seq', 3, 8]),
        input('k', ['batch', 3, 'past', 8]),
        input('v', ['batch', 3, 'past', 8]),
      ];
      const cached = graph(cache, 'o', [swapQ, keys, ...core], constants);
      const fused = await expectRewrite(cached, [fuseAttention, deadCode], ['Transpose', 'espalier.Attention']);
      expect(fused.nodes[1]!.attrs['layout']).toBe('BHSD');
      const given = graph(
        [...cache.slice(0, 1), input('kT', ['batch', 3, 8, 'past']), cache[2]!],
        'o',
        [swapQ, ...core],
        constants,
      );
      await expectRewrite(given, [fuseAttention, deadCode], ['Transpose', 'Transpose', 'espalier.Attention']);
    });

    it('but not one whose result is an output or has other readers', async () => {
      const keysAtOnce = node('Transpose', 'k0', 'kT', { perm: [0, 2, 3, 1] });
      const nodes = [swapQ, keysAtOnce, swapV, ...core, back];
      const given = graph(rows, 'o y', nodes, constants);
      const fused = await expectRewrite(
        given,
        [fuseAttention, deadCode],
        ['espalier.Attention', 'Transpose', 'Transpose'],
      );
      expect(fused.outputs).toEqual(['o', 'y']);
    });
  });

  it('treats a batch of matrices as one head each', async () => {
    const [q, k, v] = heads(3);
    const flat = node('Transpose', 'k', 'kT', { perm: [0, 2, 1] });
    const nodes = [flat, node('MatMul', 'q kT', 'u'), node('Mul', 'scale u', 'w')];
    const whole = ['Unsqueeze', 'Unsqueeze', 'Unsqueeze', 'espalier.Attention', 'Squeeze'];
    await expectRewrite(
      graph([q!, k!, v!], 'y', [...nodes, { ...end[0]!, inputs: ['w'] }, end[1]!], constants),
      [fuseAttention, deadCode],
      whole,
    );
    const masked = [...nodes, node('Where', 'seen w minusInfinity', 's'), ...end];
    const flatMask = input('seen', ['batch', 'seq', 'past'], 'bool');
    await expectRewrite(
      graph([q!, k!, v!, flatMask], 'y', masked, constants),
      [fuseAttention, deadCode],
      [...whole.slice(0, 3), 'Unsqueeze', ...whole.slice(3)],
    );
  });

  it('shares heads of keys and values that were repeated', async () => {
    const groups = [
      input('q', ['batch', 6, 'seq', 8]),
      input('k', ['batch', 2, 'past', 8]),
      input('v', ['batch', 2, 'past', 4]),
    ];
    const repeat = (name: string, size: number): Node[] => [
      node('Unsqueeze', `${name} two`, `${name}1`),
      node('Expand', `${name}1`, `${name}2`, { shape: ['batch', 2, 3, 'past', size] }),
      node('Reshape', `${name}2`, `${name}3`, { shape: ['batch', 6, 'past', size] }),
    ];
    const transpose = { ...keys, inputs: ['k3'] };
    const last = [node('Softmax', 's', 'p'), node('MatMul', 'p v3', 'y')];
    const nodes = [...repeat('k', 8), ...repeat('v', 4), transpose, node('MatMul', 'q kT', 's'), ...last];
    const fused = await expectRewrite(
      graph(groups, 'y', nodes, { two: ints(2) }),
      [fuseAttention, deadCode],
      attention,
    );
    expect(fused.nodes[0]!.inputs).toEqual(['q', 'k', 'v']);
    // Repeated the other way round: head after head, not each head in a row.
    const tiled = repeat('k', 8).map((n) =>
      n.op === 'Expand' ? { ...n, attrs: { shape: ['batch', 3, 2, 'past', 8] as Dim[] } } : n,
    );
    tiled[0] = node('Unsqueeze', 'k one', 'k1');
    const other = graph(groups, 'y', [...tiled, ...nodes.slice(3)], { one: ints(1), two: ints(2) });
    const kept = await expectRewrite(
      other,
      [fuseAttention, deadCode],
      [...['Unsqueeze', 'Expand', 'Reshape', 'Unsqueeze', 'Expand', 'Reshape', 'espalier.Attention']],
    );
    expect(kept.nodes.at(-1)!.inputs).toEqual(['q', 'k3', 'v3']);
  });

  it.each<[string, Graph]>([
    [
      'another reader of the weights',
      { ...model([...product, node('Identity', 'w', 's'), ...end, node('Neg', 'p', 'z')]), outputs: ['y', 'z'] },
    ],
    ['weights that are an output', { ...model([...product, node('Add', 'w zero', 's'), ...end]), outputs: ['y', 'p'] }],
    ['a softmax over the queries', model([...product.slice(0, 2), node('Softmax', 'u', 'p', { axis: 2 }), end[1]!])],
    [
      'a factor outside the mask',
      model([...product, node('Add', 'w mask', 't'), node('Mul', 'scale t', 's'), ...end], [mask]),
    ],
    ['a negative factor', model([keys, node('MatMul', 'q kT', 'u'), node('Mul', 'u low', 's'), ...end])],
    ['a mask that only dampens', model([...product, node('Where', 'seen w low', 's'), ...end], [seen])],
    [
      'a mask that adds queries',
      graph(
        [input('q', ['batch', 3, 1, 8]), ...heads().slice(1), mask],
        'y',
        [...product, node('Add', 'w mask', 's'), ...end],
        constants,
      ),
    ],
    [
      'a choice by something else',
      model([
        ...product,
        node('Softmax', 'w', 'p'),
        node('IsNaN', 'w', 't'),
        node('Where', 't zero p', 'g'),
        node('MatMul', 'g v', 'y'),
      ]),
    ],
    [
      'batches that broadcast',
      graph(
        [heads()[0]!, input('k', [1, 3, 'past', 8]), input('v', [1, 3, 'past', 4])],
        'y',
        [...product.slice(0, 2), node('Softmax', 'u', 'p'), end[1]!],
        constants,
      ),
    ],
  ])('leaves %s', async (_, each) => {
    await expectUntouched(each, [fuseAttention]);
  });

  it('works with what folding and canonical forms make of constants', async () => {
    const nodes = [keys, node('Sqrt', 'four', 'r'), node('MatMul', 'q kT', 'u'), node('Div', 'u r', 's'), ...end];
    const whole = model(nodes, [], { four: scalar(4) });
    expect(opsOf(await apply(whole, constantFolding, canonicalForms, fuseAttention, deadCode))).toEqual(attention);
  });
});
