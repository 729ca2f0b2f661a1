/** Grows a graph from choices: idioms of transformers and around them, over sizes that kernels find hard. */

import {
  type Attributes,
  constantFacts,
  type Dim,
  dim,
  type Graph,
  inferNode,
  type Node,
  onnxOps,
  Tensor,
  type ValueFacts,
} from '@espalier/core';
import { randomNumbers, type Source } from './choices.ts';

/** Around the edges of tiles and vectors; the first is the simplest. */
const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 31, 32, 33, 47, 48, 64, 65, 100];
const symbolSizes = [...sizes, 0];
/** Values beyond this many elements are not grown on. */
const MOST_ELEMENTS = 40_000;
const MOST_NODES = 12;

export interface Case {
  readonly graph: Graph;
  /** Sizes of symbols, one set after the other. */
  readonly bindings: readonly Readonly<Record<string, number>>[];
  /** Values of the data of inputs follow from it. */
  readonly seed: number;
  /** Types of all values. */
  readonly facts: ReadonlyMap<string, ValueFacts>;
}

interface Value {
  readonly name: string;
  readonly shape: readonly Dim[];
}

/** Float data: mostly around 1, some of it zero, as `density` has it. */
export function floats(dims: readonly number[], random: () => number, density = 1): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, () => (random() < density ? Math.fround(4 * random() - 2) : 0));
  return new Tensor('float32', data, dims);
}

const ints = (...values: number[]): Tensor => new Tensor('int64', values.map(BigInt));

export function growCase(source: Source): Case {
  const grower = new Grower(source);
  const nodes = 1 + source.below(MOST_NODES);
  for (let i = 0; i < nodes; i++) grower.grow();
  return grower.finish();
}

class Grower {
  private readonly nodes: Node[] = [];
  private readonly constants = new Map<string, Tensor>();
  private readonly facts = new Map<string, ValueFacts>();
  private readonly values: Value[] = [];
  private readonly inputs: Value[] = [];
  private readonly bindings: Record<string, number>[] = [{}, {}];
  private readonly source: Source;
  private readonly seed: number;
  private readonly random: () => number;
  private count = 0;

  constructor(source: Source) {
    this.source = source;
    this.seed = source.below(1000);
    this.random = randomNumbers(this.seed);
    this.input();
    if (source.chance(3)) this.input();
  }

  finish(): Case {
    const used = new Set(this.nodes.flatMap((node) => node.inputs));
    const open = this.nodes.flatMap((node) => node.outputs).filter((name) => name !== '' && !used.has(name));
    const outputs = open.length > 0 ? open : [this.inputs[0]!.name];
    const inputs = this.inputs.map(({ name, shape }) => ({ name, dtype: 'float32' as const, shape }));
    const graph = { name: 'fuzz', inputs, outputs, nodes: this.nodes, constants: this.constants };
    return { graph, bindings: this.bindings, seed: this.seed, facts: this.facts };
  }

  private input(): void {
    const rank = 1 + this.source.below(4);
    const shape = Array.from({ length: rank }, (_, axis): Dim => {
      if (axis === rank - 1 ? !this.source.chance(6) : !this.source.chance(2)) return this.source.pick(sizes);
      const symbol = this.source.pick(['n', 'm']);
      for (const binding of this.bindings) binding[symbol] ??= this.source.pick(symbolSizes);
      return symbol;
    });
    const value = { name: `x${this.inputs.length}`, shape };
    if (!this.isSmall(shape)) {
      if (this.inputs.length === 0) this.input();
      return;
    }
    this.facts.set(value.name, { dtype: 'float32', shape });
    this.inputs.push(value);
    this.values.push(value);
  }

  /** Small enough, for sizes that go together. */
  private isSmall(shape: readonly Dim[]): boolean {
    try {
      return this.bindings.every((at) => shape.reduce((n: number, d) => n * dim.evaluate(d, at), 1) <= MOST_ELEMENTS);
    } catch {
      return false;
    }
  }

  grow(): void {
    // What was made last is the likeliest to go on with: chains more than bushes.
    const x = this.source.chance(3) ? this.source.pick(this.values) : this.values.at(-1)!;
    const idioms = [
      this.unary,
      this.operand,
      this.product,
      this.pair,
      this.softmax,
      this.normalization,
      this.transpose,
      this.reduction,
      this.rearrange,
      this.pieces,
      this.gather,
      this.choice,
      this.variableProduct,
      this.quantized,
      this.dynamic,
      this.attention,
      this.recurrent,
      this.product,
    ];
    const before = this.nodes.length;
    const made = this.source.pick(idioms).call(this, x);
    if (made && this.isSmall(made.shape)) this.values.push(made);
    else this.nodes.splice(before);
  }

  private constant(tensor: Tensor): string {
    const name = `c${this.count++}`;
    this.constants.set(name, tensor);
    this.facts.set(name, constantFacts(tensor));
    return name;
  }

  /** Weights, of any density. */
  private weights(...dims: number[]): string {
    return this.constant(floats(dims, this.random, this.source.pick([1, 1, 0.5, 0.1, 0.02, 0])));
  }

  private scalar(value: number): string {
    return this.constant(new Tensor('float32', [value], []));
  }

  /** Undefined where the op does not take these operands. */
  private op(
    op: string,
    inputs: readonly (Value | string)[],
    attrs: Attributes = {},
    outputs = 1,
    domain = '',
  ): Value | undefined {
    const names = inputs.map((each) => (typeof each === 'string' ? each : each.name));
    const made = Array.from({ length: outputs }, () => `v${this.count++}`);
    const node: Node = { name: `${op}_${this.nodes.length}`, op, domain, inputs: names, outputs: made, attrs };
    try {
      const { values } = inferNode(node, onnxOps, (name) => this.facts.get(name));
      for (const [name, facts] of values) this.facts.set(name, facts);
    } catch {
      return undefined; // Shapes that do not go together are not grown on.
    }
    this.nodes.push(node);
    const { shape } = this.facts.get(made[0]!)!;
    return { name: made[0]!, shape };
  }

  private unary(x: Value): Value | undefined {
    const simple = [
      'Relu',
      'Tanh',
      'Sigmoid',
      'Neg',
      'Abs',
      'Erf',
      'Gelu',
      'HardSwish',
      'HardSigmoid',
      'LeakyRelu',
      'Elu',
    ];
    const op = this.source.pick([...simple, 'Softplus', 'Mish', 'Clip', 'Exp', 'Sqrt', 'Reciprocal', 'Pow']);
    if (op === 'Clip') return this.op(op, [x, this.scalar(-0.5), this.scalar(0.75)]);
    if (op === 'Pow') return this.op(op, [x, this.scalar(2)]);
    if (op === 'Exp') return this.and(this.op('Tanh', [x]), (y) => this.op(op, [y]));
    if (op === 'Sqrt') return this.and(this.op('Abs', [x]), (y) => this.op(op, [y]));
    // Of numbers from 1 to 3: what is near 0 would leave the range of float32 soon after.
    if (op === 'Reciprocal')
      return this.and(
        this.and(this.op('Tanh', [x]), (y) => this.op('Add', [y, this.scalar(2)])),
        (y) => this.op(op, [y]),
      );
    return this.op(op, [x], op === 'LeakyRelu' ? { alpha: 0.1 } : {});
  }

  private and(x: Value | undefined, next: (x: Value) => Value | undefined): Value | undefined {
    return x && next(x);
  }

  /** With a constant of any shape that broadcasts. */
  private operand(x: Value): Value | undefined {
    const rank = this.source.below(x.shape.length + 1);
    const dims = x.shape
      .slice(x.shape.length - rank)
      .map((d) => (typeof d === 'number' && !this.source.chance(3) ? d : 1));
    const op = this.source.pick(['Add', 'Mul', 'Sub', 'Div']);
    const constant = this.constant(floats(dims, this.random));
    if (op === 'Div') {
      const data = this.constants.get(constant)!.data as Float32Array;
      data.forEach((each, i) => {
        data[i] = Math.abs(each) + 0.5;
      });
      return this.op(op, [x, constant]);
    }
    return this.op(op, this.source.chance(3) ? [constant, x] : [x, constant]);
  }

  private pair(x: Value): Value | undefined {
    const other = this.source.pick(this.values);
    const made = this.op(
      this.source.pick(['Add', 'Mul', 'Sub', 'Max', 'Min']),
      this.source.chance(2) ? [other, x] : [x, other],
    );
    return this.source.chance(2) ? made && this.op('Tanh', [made]) : made;
  }

  private product(x: Value): Value | undefined {
    const depth = x.shape.at(-1);
    if (typeof depth !== 'number' || x.shape.length < 2) return undefined;
    const columns = this.source.pick([8, ...sizes, 128, 200]);
    if (x.shape.length === 2 && this.source.chance(4)) {
      const transposed = this.source.below(2);
      const weights = transposed ? this.weights(columns, depth) : this.weights(depth, columns);
      const operands = [x, weights, ...(this.source.chance(2) ? [this.weights(columns)] : [])];
      return this.op('Gemm', operands, { transB: transposed, alpha: this.source.pick([1, 0.5]) });
    }
    return this.op('MatMul', [x, this.weights(depth, columns)]);
  }

  /** With itself or another value, turned round. */
  private variableProduct(x: Value): Value | undefined {
    if (x.shape.length < 2) return undefined;
    const perm = [...x.shape.keys()];
    perm.push(perm.splice(perm.length - 2, 1)[0]!);
    const turned = this.op('Transpose', [x], { perm });
    const product = turned && this.op('MatMul', this.source.chance(2) ? [turned, x] : [x, turned]);
    return product && this.op('Mul', [product, this.scalar(0.1)]);
  }

  private softmax(x: Value): Value | undefined {
    return this.op(this.source.pick(['Softmax', 'LogSoftmax']), [x], { axis: this.source.chance(3) ? 0 : -1 });
  }

  private normalization(x: Value): Value | undefined {
    const last = x.shape.at(-1);
    if (typeof last !== 'number') return undefined;
    const bias = this.source.chance(2) ? [] : [this.weights(last)];
    return this.op('LayerNormalization', [x, this.weights(last), ...bias], { axis: -1, epsilon: 1e-5 });
  }

  private transpose(x: Value): Value | undefined {
    const rest = [...x.shape.keys()].reverse();
    const perm: number[] = [];
    while (rest.length > 0) perm.push(...rest.splice(this.source.below(rest.length), 1));
    return this.op('Transpose', [x], { perm });
  }

  private reduction(x: Value): Value | undefined {
    const op = this.source.pick(['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL2']);
    const axes = [...x.shape.keys()].filter((axis) => axis === x.shape.length - 1 || this.source.chance(3));
    // The least of nothing has no value to compare.
    if (/Max|Min/.test(op) && axes.some((axis) => typeof x.shape[axis] !== 'number')) return undefined;
    return this.op(op, [x, this.constant(ints(...axes))], { keepdims: this.source.below(2) });
  }

  private rearrange(x: Value): Value | undefined {
    switch (this.source.pick(['Flatten', 'Unsqueeze', 'Reshape', 'Expand', 'Tile', 'Pad'])) {
      case 'Unsqueeze':
        return this.op('Unsqueeze', [x, this.constant(ints(this.source.below(x.shape.length + 1)))]);
      case 'Reshape':
        return this.op('Reshape', [x, this.constant(ints(0, -1))]);
      case 'Expand':
        return this.op('Expand', [x, this.constant(ints(2, ...x.shape.map(() => 1)))]);
      case 'Tile':
        return this.op('Tile', [x, this.constant(ints(...x.shape.map(() => 1 + this.source.below(2))))]);
      case 'Pad':
        return this.op('Pad', [
          x,
          this.constant(ints(...x.shape.flatMap(() => [this.source.below(3), this.source.below(2)]))),
        ]);
      default:
        return this.op('Flatten', [x], { axis: this.source.below(x.shape.length + 1) });
    }
  }

  /** Taken apart, and put together again with something between. */
  private pieces(x: Value): Value | undefined {
    const axis = this.source.below(x.shape.length);
    const size = x.shape[axis];
    if (typeof size !== 'number' || size < 2) return this.op('Concat', [x, x], { axis });
    const at = 1 + this.source.below(size - 1);
    const slice = (from: number, to: number): Value | undefined =>
      this.op('Slice', [x, ...[from, to, axis].map((each) => this.constant(ints(each)))]);
    const [left, right] = [slice(0, at), slice(at, size)];
    const changed = left && this.op(this.source.pick(['Neg', 'Relu', 'Identity']), [left]);
    if (!changed || !right) return undefined;
    return this.source.chance(3)
      ? changed
      : this.op('Concat', this.source.chance(2) ? [right, changed] : [changed, right], { axis });
  }

  private gather(x: Value): Value | undefined {
    const axis = this.source.below(x.shape.length);
    const size = x.shape[axis];
    if (typeof size !== 'number' || size < 1) return undefined;
    const indices = Array.from({ length: this.source.pick(sizes) }, () => this.source.below(2 * size) - size);
    return this.op('Gather', [x, this.constant(ints(...indices))], { axis });
  }

  private choice(x: Value): Value | undefined {
    const other = this.source.chance(2) ? this.scalar(-1) : this.source.pick(this.values);
    const condition = this.op(this.source.pick(['Greater', 'Less', 'LessOrEqual']), [x, this.scalar(0.25)]);
    return condition && this.op('Where', [condition, x, other]);
  }

  /** As a quantised model has it: activations and weights of 8 bits, scales known beforehand. */
  private quantized(x: Value): Value | undefined {
    const depth = x.shape.at(-1);
    const zero = this.constant(new Tensor('uint8', [this.source.pick([128, 0, 255, 7])], []));
    const scale = this.scalar(this.source.pick([0.02, 0.5]));
    const narrow = this.op('QuantizeLinear', [x, scale, zero]);
    const wide = narrow && this.op('DequantizeLinear', [narrow, scale, zero]);
    if (!wide || typeof depth !== 'number' || x.shape.length < 2 || this.source.chance(3)) return wide;
    const columns = this.source.pick(sizes);
    const weights = this.constant(this.bytes(depth, columns));
    const each = this.source.chance(2);
    const scales = this.constant(floats(each ? [columns] : [], this.random));
    const zeros = this.constant(new Tensor('int8', new Int8Array(each ? columns : 1), each ? [columns] : []));
    const matrix = this.op('DequantizeLinear', [weights, scales, zeros], each ? { axis: 1 } : {});
    return matrix && this.op('MatMul', [wide, matrix]);
  }

  private bytes(...dims: number[]): Tensor {
    const size = dims.reduce((a, b) => a * b, 1);
    const density = this.source.pick([1, 0.3, 0]);
    const data = Int8Array.from({ length: size }, () =>
      this.random() < density ? Math.floor(this.random() * 256) - 128 : 0,
    );
    return new Tensor('int8', data, dims);
  }

  /** As dynamic quantisation writes it. */
  private dynamic(x: Value): Value | undefined {
    const depth = x.shape.at(-1);
    if (typeof depth !== 'number' || x.shape.length < 2) return undefined;
    const narrow = this.op('DynamicQuantizeLinear', [x], {}, 3);
    if (!narrow) return undefined;
    const [, scale, zero] = this.nodes.at(-1)!.outputs;
    const weights = this.constant(this.bytes(depth, this.source.pick(sizes)));
    const zeroOfWeights = this.constant(new Tensor('int8', [this.source.pick([0, 0, 3])], []));
    const sums = this.op('MatMulInteger', [narrow, weights, zero!, zeroOfWeights]);
    const wide = sums && this.op('Cast', [sums], { to: 1 });
    const factor = this.op('Mul', [scale!, this.scalar(0.01)]);
    return wide && factor && this.op('Mul', [wide, factor]);
  }

  private attention(x: Value): Value | undefined {
    const [batch, seq, width] = x.shape;
    if (x.shape.length !== 3 || typeof width !== 'number') return undefined;
    const [heads, size] = [1 + this.source.below(3), this.source.pick([8, 5, 16, 32])];
    const part = (perm: readonly number[]): Value | undefined => {
      const flat = this.op('MatMul', [x, this.constant(floats([width, heads * size], this.random))]);
      const split = flat && this.op('Reshape', [flat, this.constant(ints(0, 0, heads, size))]);
      return split && this.op('Transpose', [split], { perm });
    };
    const [q, k, v] = [part([0, 2, 1, 3]), part([0, 2, 3, 1]), part([0, 2, 1, 3])];
    const scores = q && k && this.op('MatMul', [q, k]);
    const scaled = scores && this.op('Mul', [scores, this.scalar(1 / (size * width))]);
    const masked =
      scaled && this.source.chance(2) && typeof seq === 'number'
        ? this.op('Add', [scaled, this.constant(this.mask(seq))])
        : scaled;
    const shares = masked && this.op('Softmax', [masked], { axis: -1 });
    const mixed = shares && v && this.op('MatMul', [shares, v]);
    const turned = mixed && this.op('Transpose', [mixed], { perm: [0, 2, 1, 3] });
    return turned && batch !== undefined
      ? this.op('Reshape', [turned, this.constant(ints(0, 0, heads * size))])
      : undefined;
  }

  /** What comes later is not seen. */
  private mask(seq: number): Tensor {
    const data = Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? -1e4 : 0));
    return new Tensor('float32', data, [seq, seq]);
  }

  /** Weights by which what goes round does not grow: rounding would grow with it. */
  private small(tensor: Tensor): Tensor {
    const data = tensor.data as Float32Array;
    data.forEach((each, i) => {
      data[i] = each / (2 * tensor.dims.at(-1)!);
    });
    return tensor;
  }

  private recurrent(x: Value): Value | undefined {
    const width = x.shape[2];
    if (x.shape.length !== 3 || typeof width !== 'number') return undefined;
    const [op, gates] = this.source.pick([
      ['LSTM', 4],
      ['GRU', 3],
      ['RNN', 1],
    ] as const);
    const hidden = this.source.pick([4, 1, 7, 16, 33]);
    const direction = this.source.pick(['forward', 'reverse', 'bidirectional']);
    const directions = direction === 'bidirectional' ? 2 : 1;
    const weights = [
      this.constant(floats([directions, gates * hidden, width], this.random)),
      this.constant(this.small(floats([directions, gates * hidden, hidden], this.random))),
      this.constant(floats([directions, 2 * gates * hidden], this.random)),
    ];
    return this.op(op, [x, ...weights], {
      hidden_size: hidden,
      direction,
      ...(op === 'GRU' ? { linear_before_reset: this.source.below(2) } : {}),
    });
  }
}
