import { type Dim, type Node, onnxOps, Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { runPasses } from '../src/index.ts';
import { canonicalForms } from '../src/passes/canonical-forms.ts';
import { deadCode } from '../src/passes/dead-code.ts';
import { fuseAttention } from '../src/passes/fuse-attention.ts';
import { sinkExpands } from '../src/passes/sink-expands.ts';
import { graph, input, ints, node } from './graph.ts';
import { apply, expectRewrite, expectUntouched } from './passes.ts';

const passes = [canonicalForms, sinkExpands, deadCode];
const wide: Dim[] = ['batch', 1, 'seq', 'seq'];
const expand = (from: string, to: string, shape: Dim[] = wide): Node => node('Expand', from, to, { shape });
const mask = input('mask', ['batch', 1, 1, 'seq']);
const number = (type: 'float32' | 'int64', value: number): Tensor => new Tensor(type, [value], []);

/** ONNX's number of the type. */
const BOOL = 9;

describe('sink-expands', () => {
  it('does what is done to each element before elements are repeated', async () => {
    const nodes = [
      ...[expand('mask', 'wide'), node('Sub', 'one wide', 'a'), node('Cast', 'a', 'b', { to: BOOL })],
      node('Where', 'b low a', 'y'),
    ];
    const sunk = await expectRewrite(graph([mask], 'y', nodes, { one: 1, low: -9 }), passes, [
      ...['Sub', 'Cast', 'Where', 'Expand'],
    ]);
    expect(sunk.nodes.at(-1)!.attrs).toEqual({ shape: wide });
  });

  it('repeats along one axis after repeating along the other', async () => {
    const other = input('other', [1, 1, 'seq', 1]);
    const nodes = [expand('mask', 'a'), expand('other', 'b'), node('Add', 'a b', 'c'), node('Tanh', 'c', 'y')];
    await expectRewrite(graph([mask, other], 'y', nodes), passes, ['Add', 'Tanh']);
  });

  it('leaves other readers their own', async () => {
    const nodes = [expand('mask', 'a'), node('Neg', 'a', 'y'), node('CumSum', 'a axis', 'z')];
    await expectRewrite(graph([mask], 'y z', nodes, { axis: number('int64', 2) }), passes, [
      ...['Expand', 'Neg', 'Expand', 'CumSum'],
    ]);
  });

  it('gives attention its mask as it is', async () => {
    const heads = ['q', 'k', 'v'].map((name) => input(name, ['batch', 3, 'seq', 8]));
    const nodes = [
      ...[node('Transpose', 'k', 'kT', { perm: [0, 1, 3, 2] }), node('MatMul', 'q kT', 's'), expand('mask', 'm')],
      ...[node('Add', 'm other', 'n'), node('Add', 's n', 't'), node('Softmax', 't', 'p', { axis: -1 })],
      node('MatMul', 'p v', 'y'),
    ];
    const other = input('other', ['batch', 1, 1, 1]);
    const fused = await expectRewrite(
      graph([...heads, mask, other], 'y', nodes),
      [...passes, fuseAttention],
      [...['Add', 'espalier.Attention']],
    );
    expect(fused.nodes[1]!.inputs[3]).toBe(fused.nodes[0]!.outputs[0]);
  });

  /** What exporters of code that is vectorised over positions write. */
  const counted = (start: number, step = 1): Node[] => [
    node('Range', `${start} batch ${step}`, 'rows'),
    node('Range', `0 seq 1`, 'columns'),
    node('Reshape', 'rows', 'r', { shape: ['batch', 1, 1, 1] }),
    node('Reshape', 'columns', 'c', { shape: [1, 1, 1, 'seq'] }),
    ...['r', 'c'].flatMap((x) => [
      expand(x, `${x}1`, ['batch', 1, 1, 'seq']),
      node('Unsqueeze', `${x}1 last`, `${x}2`),
    ]),
    node('Concat', 'r2 c2', 'i', { axis: -1 }),
    node('GatherND', 'x i', 'y'),
  ];
  const sizes = [
    node('espalier.Dims', '', 'batch', { dims: ['batch'], dtype: 'int64', scalar: 1 }),
    node('espalier.Dims', '', 'seq', { dims: ['seq'], dtype: 'int64', scalar: 1 }),
  ];
  const numbers = { '0': number('int64', 0), '1': number('int64', 1), last: ints(-1) };

  it('knows a gather of every element in its place', async () => {
    const x = input('x', ['batch', 'seq']);
    await expectRewrite(graph([x], 'y', [...sizes, ...counted(0)], numbers), passes, ['Reshape']);
    // The other way round it is a transpose.
    const turned = [...sizes, ...counted(0)].map((n) => (n.op === 'Concat' ? { ...n, inputs: ['c2', 'r2'] } : n));
    await expectUntouched(graph([input('x', ['seq', 'batch'])], 'y', turned, numbers), [sinkExpands]);
    // Counts that are repeated are no count.
    const repeated = graph(
      [input('x', [6])],
      'y',
      [
        ...[node('Range', '0 two 1', 'few'), expand('few', 'a', [3, 2]), node('Reshape', 'a', 'b', { shape: [6] })],
        ...[node('Unsqueeze', 'b last', 'i0'), node('Concat', 'i0', 'i', { axis: -1 }), node('GatherND', 'x i', 'y')],
      ],
      { ...numbers, two: number('int64', 2) },
    );
    expect((await apply(repeated, sinkExpands)).nodes.map(({ op }) => op)).toContain('GatherND');
  });

  it('knows that counts from zero are not negative', async () => {
    const nodes = [
      ...[sizes[1]!, node('Range', '0 seq 1', 'a'), node('Reshape', 'a', 'b', { shape: [1, 1, 'seq', 1] })],
      ...[node('GreaterOrEqual', 'b 0', 'c'), node('And', 'c seen', 'y')],
    ];
    const seen = input('seen', ['batch', 1, 1, 'seq'], 'bool');
    await expectRewrite(graph([seen], 'y', nodes, numbers), passes, ['Expand']);
    const later = nodes.map((n) => (n.op === 'GreaterOrEqual' ? { ...n, inputs: ['b', '1'] } : n));
    await expectUntouched(graph([seen], 'y', later, numbers), [sinkExpands]);
  });

  it('runs with all other passes', async () => {
    const nodes = [expand('mask', 'a'), node('Neg', 'a', 'b'), node('Add', 'b x', 'y')];
    const given = graph([mask, input('x', wide)], 'y', nodes);
    const { graph: result } = await runPasses(given, { ops: onnxOps });
    expect(result.nodes.map(({ op }) => op)).toEqual(['Neg', 'Add']);
  });
});
