/**
 * Convolutions of quantised pictures, and what is between them, with channels behind pixels: bytes of neighbouring channels are what
 * dot products take at a time.
 */

import { type Dim, dtypes, ESPALIER, epilogueOps, type Node, normalizeAxis, Tensor } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { axesOf, variesAlong } from '../rewrite/match.ts';
import { tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';
import { type QuantizedConvolution, quantizedConvolution } from './quantization/convolution.ts';

export const channelsLast: Pass = {
  name: 'channels-last',
  summary: 'convolves quantised pictures with the channels of a pixel side by side, from node to node',
  run(graph, context) {
    const editor = new Editor(graph, context);
    const layout = new Layout(editor);
    // Convolutions first, while what they read is still made by DequantizeLinear.
    for (const node of editor.nodes()) layout.convolve(node);
    for (const node of editor.nodes()) layout.follow(node);
    return editor.finish();
  },
};

/** Element-wise ops beside those that can be in an epilogue. */
const elementwise = [...epilogueOps, 'Abs', 'Cast', 'Exp', 'Max', 'Min', 'Neg', 'Sqrt'];
/** Ops that only the values in their window or plane matter to, by what they are over axes. */
const overPlanes: Readonly<Record<string, string>> = { GlobalAveragePool: 'ReduceMean', GlobalMaxPool: 'ReduceMax' };

/** Axes of channels last, in channels first; and the other way round. */
const toLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
const toFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
const axisLast = (axis: number, rank: number): number => (axis === 0 ? 0 : axis === 1 ? rank - 1 : axis - 1);

class Layout {
  private readonly editor: Editor;
  /** Values with channels first that are there with channels last too. */
  private readonly last = new Map<string, string>();

  constructor(editor: Editor) {
    this.editor = editor;
  }

  convolve(node: Node): void {
    const convolution = quantizedConvolution(this.editor, node);
    if (!convolution) return;
    const { nodes, output, x, bias, quantize } = convolution;
    this.rewrite(nodes, output, (write) => {
      let running = write.fused(node.name, convolution, write.last(x));
      if (bias) running = write.add('Add', [running, bias]);
      if (quantize) running = write.add('QuantizeLinear', [running, ...quantize]);
      return running;
    });
  }

  /** What reads values with channels last can do so, too. */
  follow(node: Node): void {
    const { editor } = this;
    if (!node.inputs.some((name) => this.last.has(name)) || node.outputs.slice(1).some((name) => name !== '')) return;
    const [x, output] = [node.inputs[0]!, node.outputs[0]!];
    const rank = editor.shape(x).length;
    if (isPlain(node, ...elementwise)) {
      this.rewrite([node], output, (write) => this.eachElement(write, node));
    } else if (isPlain(node, ...Object.keys(overPlanes))) {
      const axes = Array.from({ length: rank - 2 }, (_, i) => i + 1);
      this.rewrite([node], output, (write) => write.reduce(overPlanes[node.op]!, write.last(x), axes));
    } else if (isPlain(node, 'ReduceMean', 'ReduceMax')) {
      const axes = axesOf(editor, node);
      if (!axes || axes.length === 0 || !axes.every((axis) => axis >= 2) || node.attrs['keepdims'] === 0) return;
      const moved = axes.map((axis) => axis - 1);
      this.rewrite([node], output, (write) => write.reduce(node.op, write.last(x), moved));
    } else if (isPlain(node, 'MaxPool') && dtypes[editor.dtype(x)].bits === 8) {
      this.rewrite([node], output, (write) => this.pool(write, node));
    } else if (isPlain(node, 'Concat')) {
      const axis = axisLast(normalizeAxis(node.attrs['axis'] as number, rank), rank);
      this.rewrite([node], output, (write) =>
        write.add(
          'Concat',
          node.inputs.map((name) => write.last(name)),
          { axis },
        ),
      );
    }
  }

  /** Replaces nodes by what `write` adds, which gives the name of the result with channels last, or undefined where it cannot. */
  private rewrite(nodes: readonly Node[], output: string, write: (chain: LastChain) => string | undefined): void {
    const chain = new LastChain(this.editor, nodes.at(-1)!.name, this.last);
    const result = write(chain);
    if (result === undefined) return;
    const rank = this.editor.shape(output).length;
    chain.add('Transpose', [result], { perm: toFirst(rank) }, output);
    if (!this.editor.replace(nodes, chain.nodes)) return;
    for (const [first, own] of chain.turned) this.last.set(first, own);
    this.last.set(output, result);
  }

  private eachElement(write: LastChain, node: Node): string | undefined {
    const { editor } = this;
    const rank = editor.shape(node.outputs[0]!).length;
    if (node.op === 'QuantizeLinear' || node.op === 'DequantizeLinear') {
      const [x, ...parameters] = node.inputs as [string, ...string[]];
      if (node.attrs['block_size'] || !this.last.has(x)) return undefined;
      const axis = normalizeAxis((node.attrs['axis'] as number | undefined) ?? 1, rank);
      return write.add(node.op, [write.last(x), ...parameters], { ...node.attrs, axis: axisLast(axis, rank) });
    }
    const inputs = node.inputs.map((name) => (name === '' ? '' : this.operand(write, name, rank)));
    return inputs.includes(undefined) ? undefined : write.add(node.op, inputs as string[], node.attrs);
  }

  /** An operand as it broadcasts to values with channels last. */
  private operand(write: LastChain, name: string, rank: number): string | undefined {
    const shape = this.editor.shape(name);
    const tensor = this.editor.constant(name);
    if (shape.length <= 1 && shape.every((d) => d === 1)) return name;
    if (!tensor) return shape.length === rank ? write.last(name) : undefined;
    const whole: Dim[] = new Array<Dim>(rank).fill(0).with(1, tensor.size);
    return variesAlong(tensor.dims, whole, 1) ? write.constant(tensor.reshape([tensor.size])) : undefined;
  }

  /** A window over pixels is one over pixels and channels that is one channel wide. */
  private pool(write: LastChain, { inputs, outputs, attrs }: Node): string | undefined {
    const { editor } = this;
    const [x, y] = [inputs[0]!, outputs[0]!].map((name) => {
      const shape = editor.shape(name);
      return toLast(shape.length).map((axis) => shape[axis]!);
    }) as [Dim[], Dim[]];
    if (x.length > 4 || !editor.isGlobal(x) || !editor.isGlobal(y)) return undefined;
    const wider = (name: string, value: number): object => {
      const list = attrs[name] as readonly number[] | undefined;
      if (!list?.length) return {};
      const half = list.length / (name === 'pads' ? 2 : 1);
      return { [name]: name === 'pads' ? [...list.slice(0, half), 0, ...list.slice(half), 0] : [...list, value] };
    };
    const lists = ['kernel_shape', 'strides', 'dilations', 'pads'].map((name) => wider(name, 1));
    const planes = write.add('Reshape', [write.last(inputs[0]!)], { shape: [x[0]!, 1, ...x.slice(1)] });
    const pooled = write.add('MaxPool', [planes], Object.assign({}, attrs, ...lists));
    return write.add('Reshape', [pooled], { shape: y });
  }
}

/** Nodes that compute with channels last. */
class LastChain extends Chain {
  /** Values that were turned for it, as in {@link Layout}. */
  readonly turned = new Map<string, string>();
  private readonly own: Editor;
  private readonly known: ReadonlyMap<string, string>;

  constructor(editor: Editor, prefix: string, known: ReadonlyMap<string, string>) {
    super(editor, prefix);
    this.own = editor;
    this.known = known;
  }

  /** The value with channels last. */
  last(name: string): string {
    const found = this.known.get(name) ?? this.turned.get(name);
    if (found !== undefined) return found;
    const turned = this.add('Transpose', [name], { perm: toLast(this.own.shape(name).length) });
    this.turned.set(name, turned);
    return turned;
  }

  reduce(op: string, x: string, axes: readonly number[]): string {
    const list = this.constant(tensorOf('int64', [axes.length], axes));
    return this.add(op, [x, list], { keepdims: 1 });
  }

  /** The convolution as an op on integers: a product where each pixel of the result comes from one. */
  fused(
    name: string,
    { weights, scale, zeroPoint, wScale, wZero, attrs, isPointwise }: QuantizedConvolution,
    x: string,
  ) {
    const output = this.own.fresh(`${name}/last:0`);
    const parts = new Chain(this.own, `${name}:`);
    const rank = this.own.shape(weights).length;
    const ofW = isPointwise ? this.constant(matrixOf(this.own.constant(weights)!)) : weights;
    const pixels = isPointwise ? x : parts.add('Transpose', [x], { perm: toFirst(rank) });
    const left = parts.add('DequantizeLinear', [pixels, scale, zeroPoint]);
    const right = parts.add('DequantizeLinear', [ofW, wScale, wZero], { axis: isPointwise ? 1 : 0 });
    if (isPointwise) parts.add('MatMul', [left, right], {}, output);
    else parts.add('Transpose', [parts.add('Conv', [left, right], attrs)], { perm: toLast(rank) }, output);
    this.nodes.push({
      ...makeNode({
        ...{ name: this.own.fresh(`${name}/last`), domain: ESPALIER, outputs: [output] },
        ...(isPointwise ? { op: 'QuantizedMatMul' } : { op: 'QuantizedConv', attrs }),
        inputs: [x, scale, zeroPoint, ofW, wScale, wZero],
      }),
      decomposition: parts.nodes,
    });
    return output;
  }
}

/** Filters of [M, C, 1, ...] as a matrix of [C, M]. */
function matrixOf({ type, data, dims }: Tensor): Tensor {
  const [filters, channels] = dims as [number, number];
  const from = data as Int8Array | Uint8Array;
  const to = from.slice();
  for (let filter = 0, at = 0; filter < filters; filter++)
    for (let channel = 0; channel < channels; channel++) to[channel * filters + filter] = from[at++]!;
  return new Tensor(type, to, [channels, filters]);
}
