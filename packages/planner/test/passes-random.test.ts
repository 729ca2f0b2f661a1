// Random graphs, made of what exporters write, through all passes: whatever they do, values stay.
import { type Dim, dim, type Graph, type Node, onnxOps, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { runPasses } from '../src/index.ts';
import { checkGraph, graph, input, ints, node, opsOf } from './graph.ts';
import { evaluate } from './interpret.ts';
import { expectSameValues, randomNumbers, randomTensor } from './passes.ts';

interface Value {
  readonly name: string;
  readonly shape: readonly Dim[];
}

/** Grows a graph value by value; each step is one idiom. */
class Grower {
  readonly nodes: Node[] = [];
  readonly constants: Record<string, Tensor> = {};
  readonly values: Value[];
  private readonly random: () => number;
  private count = 0;

  constructor(inputs: readonly Value[], seed: number) {
    this.values = [...inputs];
    this.random = randomNumbers(seed);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  constant(tensor: Tensor | number): string {
    const name = `c${this.count++}`;
    this.constants[name] = typeof tensor === 'number' ? new Tensor('float32', [tensor], []) : tensor;
    return name;
  }

  tensor(...dims: number[]): string {
    return this.constant(randomTensor(dims, this.random));
  }

  op(op: string, inputs: readonly string[], shape: readonly Dim[], attrs: Node['attrs'] = {}): Value {
    const value = { name: `v${this.count++}`, shape };
    this.nodes.push(node(op, inputs.map((name) => name || '_').join(' '), value.name, attrs));
    return value;
  }

  grow(): void {
    const x = this.pick(this.values);
    const idioms = [this.unary, this.constantOperand, this.pair, this.transpose, this.reshape, this.product, this.gelu];
    idioms.push(this.normalise, this.softmax, this.nothing, this.attention, this.choice, this.repeated, this.product);
    const made = this.pick(idioms).call(this, x);
    if (made) this.values.push(made);
  }

  private unary(x: Value): Value {
    return this.op(this.pick(['Relu', 'Tanh', 'Sigmoid', 'Neg', 'Abs', 'Erf', 'Identity']), [x.name], x.shape);
  }

  private constantOperand(x: Value): Value {
    const last = x.shape.at(-1);
    const wide = typeof last === 'number' && this.below(2) === 0;
    const value = wide ? this.tensor(last) : this.constant(this.pick([0, -0, 1, 2, 0.5, -3]));
    const op = this.pick(['Add', 'Sub', 'Mul']);
    const squared = this.below(5) === 0;
    if (squared) return this.op('Tanh', [this.op('Pow', [x.name, this.constant(2)], x.shape).name], x.shape);
    return this.op(op, this.below(2) === 0 ? [x.name, value] : [value, x.name], x.shape);
  }

  private pair(x: Value): Value {
    const same = this.values.filter(({ shape }) => String(shape) === String(x.shape));
    const sum = this.op(this.pick(['Add', 'Sub', 'Mul']), [x.name, this.pick(same).name], x.shape);
    return this.below(2) === 0 ? sum : this.op('Tanh', [sum.name], x.shape);
  }

  private transpose(x: Value): Value {
    const perm = [...x.shape.keys()].map((axis) => [this.random(), axis] as const);
    const order = perm.sort(([a], [b]) => a - b).map(([, axis]) => axis);
    return this.op(
      'Transpose',
      [x.name],
      order.map((axis) => x.shape[axis]!),
      { perm: order },
    );
  }

  private reshape(x: Value): Value {
    const at = this.below(x.shape.length);
    if (x.shape.length < 4 && this.below(2) === 0)
      return this.op('Unsqueeze', [x.name, this.constant(ints(at))], x.shape.toSpliced(at, 0, 1));
    if (x.shape.length < 2) return x;
    const from = Math.min(at, x.shape.length - 2);
    const shape = x.shape.toSpliced(from, 2, dim.mul(x.shape[from]!, x.shape[from + 1]!));
    // As data, from the input's own shape, as torch writes it.
    const sizes = this.op('Shape', [x.name], [x.shape.length]);
    const parts = shape.map((_, i) => {
      if (i === from) return this.constant(ints(-1));
      const index = this.constant(ints(i < from ? i : i + 1));
      return this.op('Gather', [sizes.name, index], [1]).name;
    });
    const target = this.op('Concat', parts, [shape.length], { axis: 0 });
    return this.op('Reshape', [x.name, target.name], shape);
  }

  private product(x: Value): Value {
    const last = x.shape.at(-1);
    if (typeof last !== 'number' || x.shape.length < 2) return this.unary(x);
    const columns = this.pick([4, 6, 8]);
    const shape = [...x.shape.slice(0, -1), columns];
    let made: Value;
    if (x.shape.length === 2 && this.below(2) === 0) {
      const attrs = { transB: 1, alpha: this.pick([1, 0.5]) };
      made = this.op('Gemm', [x.name, this.tensor(columns, last), this.tensor(columns)], shape, attrs);
    } else if (this.below(3) === 0) {
      const q = this.constant(randomTensor([last, columns], this.random, 'int8'));
      const wide = this.op('Cast', [q], [last, columns], { to: 1 });
      const weight = this.op('Mul', [wide.name, this.tensor(...this.pick([[columns], [last, 1]]))], [last, columns]);
      made = this.op('MatMul', [x.name, weight.name], shape);
    } else made = this.op('MatMul', [x.name, this.tensor(last, columns)], shape);
    const biased = this.below(2) === 0 ? this.op('Add', [made.name, this.tensor(columns)], shape) : made;
    return this.op(this.pick(['Tanh', 'Sigmoid']), [biased.name], shape);
  }

  private gelu(x: Value): Value {
    const scaled = this.op('Div', [x.name, this.constant(this.pick([Math.SQRT2, Math.SQRT2, 2]))], x.shape);
    const sum = this.op('Add', [this.op('Erf', [scaled.name], x.shape).name, this.constant(1)], x.shape);
    const half = this.op('Mul', [this.constant(0.5), sum.name], x.shape);
    if (this.below(4) === 0) this.values.push(half);
    return this.op('Mul', [x.name, half.name], x.shape);
  }

  private normalise(before: Value): Value {
    const same = this.values.filter(({ shape }) => String(shape) === String(before.shape));
    const x = this.below(2) === 0 ? before : this.op('Add', [before.name, this.pick(same).name], before.shape);
    const axis = this.below(2) === 0 ? x.shape.length - 1 : this.below(x.shape.length);
    const extent = x.shape[axis]!;
    const kept = x.shape.with(axis, 1);
    const axes = this.constant(ints(axis));
    const mean = this.op('ReduceMean', [x.name, axes], kept);
    const difference = this.op('Sub', [x.name, mean.name], x.shape);
    const square = this.op('Mul', [difference.name, difference.name], x.shape);
    const variance = this.op('ReduceMean', [square.name, axes], kept);
    const root = this.op('Sqrt', [this.op('Add', [variance.name, this.constant(0.01)], kept).name], kept);
    if (this.below(4) === 0) this.values.push(root);
    const normal = this.op('Div', [difference.name, root.name], x.shape);
    if (typeof extent !== 'number' || this.below(3) === 0) return normal;
    const along = [extent, ...x.shape.slice(axis + 1).map(() => 1)];
    return this.op(
      'Add',
      [this.op('Mul', [normal.name, this.tensor(...along)], x.shape).name, this.tensor(...along)],
      x.shape,
    );
  }

  private softmax(x: Value): Value {
    return this.op('Softmax', [x.name], x.shape, { axis: this.pick([-1, 0]) });
  }

  /** What does nothing, in several spellings. */
  private nothing(x: Value): Value {
    const rank = x.shape.length;
    return this.pick([
      () => this.op('Dropout', [x.name], x.shape),
      () => this.op('Cast', [x.name], x.shape, { to: 1 }),
      () => this.op('Concat', [x.name], x.shape, { axis: 0 }),
      () => this.op('Slice', [x.name, this.constant(ints(0)), this.constant(ints(2 ** 31 - 1))], x.shape),
      () => this.op('Pad', [x.name, this.constant(ints(...new Array<number>(2 * rank).fill(0)))], x.shape),
      () => this.op('Expand', [x.name, this.op('Shape', [x.name], [rank]).name], x.shape),
    ])();
  }

  private attention(x: Value): Value {
    if (x.shape.length !== 3 || typeof x.shape[2] !== 'number') return this.unary(x);
    const [batch, seq, size] = x.shape as [Dim, Dim, number];
    const heads = 2;
    const split = (name: string): Value => {
      const rows = this.op('MatMul', [name, this.tensor(size, 8)], [batch, seq, 8]);
      const parted = this.op('Reshape', [rows.name, this.constant(ints(0, 0, heads, 4))], [batch, seq, heads, 4]);
      return this.op('Transpose', [parted.name], [batch, heads, seq, 4], { perm: [0, 2, 1, 3] });
    };
    const [q, k, v] = [
      split(x.name),
      split(x.name),
      split(this.pick(this.values.filter((o) => String(o.shape) === String(x.shape))).name),
    ];
    const keys = this.op('Transpose', [k!.name], [batch, heads, 4, seq], { perm: [0, 1, 3, 2] });
    const scores = this.op('MatMul', [q!.name, keys.name], [batch, heads, seq, seq]);
    const scaled = this.op('Mul', [scores.name, this.constant(0.5)], scores.shape);
    if (this.below(4) === 0) this.values.push(scaled);
    const weights = this.op('Softmax', [scaled.name], scores.shape, { axis: -1 });
    const seen = this.op('MatMul', [weights.name, v!.name], [batch, heads, seq, 4]);
    const joined = this.op('Transpose', [seen.name], [batch, seq, heads, 4], { perm: [0, 2, 1, 3] });
    return this.op('Reshape', [joined.name, this.constant(ints(0, 0, 8))], [batch, seq, 8]);
  }

  /** An If on the rank of a value, or on an input. */
  private choice(x: Value): Value {
    const branch = (op: string): Graph => {
      const nodes = [node('Identity', x.name, 'in'), node(op, 'in', 'inner'), node('Add', 'inner k', 'out')];
      return { ...graph([], 'out', nodes, { k: this.pick([1, -0]) }), name: op };
    };
    const rank = this.op('Size', [this.op('Shape', [x.name], [x.shape.length]).name], []);
    const known = this.op('Equal', [rank.name, this.constant(new Tensor('int64', [this.pick([2, 3])], []))], []);
    const condition = this.pick([known.name, 'flag']);
    return this.op('If', [condition], x.shape, { then_branch: branch('Tanh'), else_branch: branch('Neg') });
  }

  /** The same again, as exporters that do not share have it. */
  private repeated(x: Value): Value {
    const twice = [0, 1].map(() => this.op('Sigmoid', [x.name], x.shape));
    return this.op(
      'Add',
      twice.map(({ name }) => name),
      x.shape,
    );
  }
}

it('keep the values of random graphs', { timeout: 60_000 }, async () => {
  const found = new Map<string, number>();
  for (let seed = 1; seed <= 120; seed++) {
    const inputs = [input('x', ['batch', 'seq', 6]), input('u', ['batch', 6]), input('flag', [], 'bool')];
    const grower = new Grower(inputs.slice(0, 2), seed);
    const steps = 4 + grower.below(12);
    for (let i = 0; i < steps; i++) grower.grow();
    const own = grower.values.slice(2);
    const outputs = new Set([own.at(-1)!, ...own.filter(() => grower.below(6) === 0)].map(({ name }) => name));
    const model = graph(inputs, [...outputs].join(' '), grower.nodes, grower.constants);
    const what = `seed ${seed}`;
    const { graph: result } = await runPasses(model, { ops: onnxOps, evaluate });
    checkGraph(result, model);
    expect(result.nodes.length, what).toBeLessThanOrEqual(model.nodes.length);
    // Differences of nearly equal values are only as good as those.
    await expectSameValues(model, result, 1e-4, 1).catch((error) => {
      throw new Error(`${what}: ${error.message}\n${opsOf(model)}\n${opsOf(result)}`);
    });
    const again = await runPasses(result, { ops: onnxOps, evaluate });
    expect(opsOf(again.graph), what).toEqual(opsOf(result));
    for (const op of opsOf(result)) found.set(op, (found.get(op) ?? 0) + 1);
  }
  // The generator reaches what it is there for.
  const kinds = [...found.keys()];
  for (const op of ['Gelu', 'LayerNormalization', 'espalier.Attention', 'espalier.SkipLayerNormalization'])
    expect(kinds).toContain(op);
  expect(kinds.some((op) => op.startsWith('espalier.DequantizeMatMul+'))).toBe(true);
});
