import { type DType, dtypes, elements, type Graph, Tensor, toBFloat16, toFloat16 } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { widenHalves } from '../src/passes/widen-halves.ts';
import { graph, input, ints, node, opsOf } from './graph.ts';
import { interpret } from './interpret.ts';
import { apply, expectUntouched, randomNumbers } from './passes.ts';

type Half = 'float16' | 'bfloat16';
const random = randomNumbers(3);
const round = { float16: toFloat16, bfloat16: toBFloat16 } as const;
/** Bits of the mantissa, the leading one included. */
const precision = { float16: 11, bfloat16: 8 } as const;

function halves(type: Half, ...dims: number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    type,
    Uint16Array.from({ length: size }, () => round[type](random() * 4 - 2)),
    dims,
  );
}

const isHalf = (type: DType): boolean => type === 'float16' || type === 'bfloat16';
const inDoubles = (tensor: Tensor): Tensor =>
  isHalf(tensor.type) ? new Tensor('float64', Float64Array.from(elements(tensor) as number[]), tensor.dims) : tensor;

/** The same graph with doubles for halves: the truth. */
const exactly = (model: Graph): Graph => ({
  ...model,
  inputs: model.inputs.map((info) => (isHalf(info.dtype) ? { ...info, dtype: 'float64' } : info)),
  constants: new Map([...model.constants].map(([name, tensor]) => [name, inDoubles(tensor)])),
  nodes: model.nodes.map((each) => (each.op === 'Cast' ? { ...each, attrs: { to: dtypes.float64.onnx } } : each)),
});

/** No element of the rewritten graph is farther from the truth than rounding it would be, or than it was before. */
async function expectNotWorse(original: Graph, rewritten: Graph, type: Half): Promise<void> {
  const feeds = Object.fromEntries(
    original.inputs.map(({ name, shape }) => [name, halves(type, ...(shape as readonly number[]))]),
  );
  const doubles = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, inDoubles(tensor)]));
  const [truth, before, after] = [
    await interpret(exactly(original), doubles),
    await interpret(original, feeds),
    await interpret(rewritten, feeds),
  ].map((outputs) => outputs.map((tensor) => elements(tensor) as number[]));
  truth!.forEach((exact, i) => {
    const scale = Math.max(...exact.map(Math.abs));
    const errors = exact.map((x, k) => {
      const rounding = 2 ** (Math.floor(Math.log2(Math.abs(x))) - precision[type]);
      return Math.abs(after![i]![k]! - x) - Math.max(rounding, Math.abs(before![i]![k]! - x));
    });
    expect(Math.max(...errors)).toBeLessThan(1e-6 * scale);
  });
}

describe.each(['float16', 'bfloat16'] as const)('widen-halves: %s', (type) => {
  const x = (name: string, ...shape: number[]) => input(name, shape, type);
  const { onnx } = dtypes[type];

  it('computes from end to end in float32', async () => {
    const model = graph(
      [x('x', 1, 3, 9, 9)],
      'y',
      [
        node('Conv', 'x w b', 'c', { pads: [1, 1, 1, 1] }),
        node('BatchNormalization', 'c s b m v', 'n'),
        node('Relu', 'n', 'r'),
        node('MaxPool', 'r', 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
        node('Flatten', 'p', 'f'),
        node('MatMul', 'f k', 'z'),
        node('Softmax', 'z', 'y'),
      ],
      {
        ...{ w: halves(type, 4, 3, 3, 3), b: halves(type, 4), s: halves(type, 4), m: halves(type, 4) },
        ...{ v: new Tensor(type, Uint16Array.of(...[1, 2, 3, 1].map(round[type])), [4]), k: halves(type, 64, 5) },
      },
    );
    const result = await apply(model, widenHalves);
    const inner = model.nodes.map(({ op }) => op);
    expect(opsOf(result)).toEqual(['Cast', ...inner, 'Cast']);
    expect(result.nodes[1]!.inputs.map((name) => result.constants.get(name)?.type)).toEqual([
      ...[undefined, 'float32', 'float32'],
    ]);
    await expectNotWorse(model, result, type);
    expect(await apply(result, widenHalves)).toBe(result);
  });

  it('leaves halves that are only moved, and tables', async () => {
    const moved = [
      node('Transpose', 'x', 't'),
      node('Slice', 't one two', 's'),
      node('Concat', 's s', 'y', { axis: 0 }),
    ];
    await expectUntouched(graph([x('x', 4, 3)], 'y', moved, { one: ints(1), two: ints(2) }), [widenHalves]);
    const table = graph(
      [x('x', 2, 6)],
      'y',
      [node('Gather', 'table at', 'row'), node('Add', 'row x', 'sum'), node('Transpose', 'sum', 'y')],
      { table: halves(type, 50, 6), at: ints(7, 3) },
    );
    const result = await apply(table, widenHalves);
    expect(opsOf(result)).toEqual(['Gather', 'Cast', 'Cast', 'Add', 'Transpose', 'Cast']);
    expect(result.nodes[0]!.inputs).toEqual(['table', 'at']);
    await expectNotWorse(table, result, type);
  });

  it('rounds where the model says so', async () => {
    const model = graph([x('x', 5)], 'y', [
      node('Exp', 'x', 'e'),
      node('Cast', 'e', 'f', { to: 1 }),
      node('Cast', 'f', 'h', { to: onnx }),
      node('Neg', 'h', 'y'),
    ]);
    const result = await apply(model, widenHalves);
    expect(opsOf(result)).toEqual(['Cast', 'Exp', 'Cast', 'Cast', 'Cast', 'Neg', 'Cast']);
    const rounded = result.nodes[3]!;
    expect([rounded.inputs, rounded.outputs, rounded.attrs]).toEqual([['f'], ['h'], { to: onnx }]);
    await expectNotWorse(model, result, type);
  });

  it('gives halves to what takes nothing else, and to more than one output', async () => {
    const branch = (op: string): Graph => graph([], 'b', [node(op, 'e', 'b')]);
    const model = graph(
      [x('x', 6)],
      'y e c',
      [
        node('Exp', 'x', 'e'),
        node('ReduceMax', 'e', 'top', { keepdims: 0 }),
        node('Greater', 'top limit', 'isLarge'),
        node('If', 'isLarge', 'i', { then_branch: branch('Sqrt'), else_branch: branch('Neg') }),
        node('Abs', 'i', 'y'),
        node('ConstantOfShape', 'size', 'c', { value: halves(type, 1) }),
      ],
      { limit: new Tensor(type, Uint16Array.of(round[type](3)), []), size: ints(2) },
    );
    const result = await apply(model, widenHalves);
    expect(opsOf(result)).toEqual([
      'Cast',
      'Exp',
      'ReduceMax',
      'Greater',
      'Cast',
      'If',
      'Cast',
      'Abs',
      'ConstantOfShape',
      'Cast',
    ]);
    const { then_branch: inner } = result.nodes[5]!.attrs as { then_branch: Graph };
    expect(opsOf(inner)).toEqual(['Cast', 'Sqrt', 'Cast']);
    await expectNotWorse(model, result, type);
  });

  it('keeps sizes that are made of halves', async () => {
    const at = (value: number): Tensor => new Tensor(type, Uint16Array.of(round[type](value)), []);
    const model = graph([x('x', 3)], 'y', [node('Range', 'a b c', 'r'), node('Mul', 'x r', 'y')], {
      ...{ a: at(1), b: at(4), c: at(1) },
    });
    await expectNotWorse(model, await apply(model, widenHalves), type);
  });
});

it('what overflows on its way does not', async () => {
  const big = new Tensor('float16', Uint16Array.of(toFloat16(60000)), []);
  const model = graph([input('x', [1], 'float16')], 'y', [node('Mul', 'x k', 'm'), node('Div', 'm k', 'y')], {
    k: big,
  });
  const result = await apply(model, widenHalves);
  const feeds = { x: new Tensor('float16', Uint16Array.of(toFloat16(3)), [1]) };
  expect(elements((await interpret(model, feeds))[0]!)).toEqual([Number.POSITIVE_INFINITY]);
  expect(elements((await interpret(result, feeds))[0]!)).toEqual([3]);
});
