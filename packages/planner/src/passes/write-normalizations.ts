/** Normalisations of channels and groups, written as those of rows and as arithmetic that can be the epilogue of something. */

import { type Dim, dim, type Node, sizeOf, type Tensor } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain } from '../rewrite/editor.ts';
import { elementsOf, tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const writeNormalizations: Pass = {
  name: 'write-normalizations',
  summary:
    'writes BatchNormalization, InstanceNormalization, GroupNormalization and LRN as what rows and elements take',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, node.op)) rules[node.op]?.(editor, node);
    return editor.finish();
  },
};

const rules: Readonly<Record<string, (editor: Editor, node: Node) => void>> = {
  BatchNormalization: writeBatch,
  InstanceNormalization: (editor, node) => writeRows(editor, node, undefined),
  GroupNormalization: (editor, node) => writeRows(editor, node, node.attrs['num_groups'] as number),
  LRN: writeAcrossChannels,
};

const attribute = ({ attrs }: Node, name: string, absent: number): number => (attrs[name] as number) ?? absent;
const EPSILON = Math.fround(1e-5);

/** `[C, 1, 1]`: along the channels of a value of this rank. */
const perChannel = (rank: number, channels: Dim): Dim[] => [channels, ...new Array<Dim>(rank - 2).fill(1)];

/** `(x - mean) * scale / sqrt(variance + epsilon) + bias`, in this order: the mean may be large. */
function writeBatch(editor: Editor, node: Node): void {
  const [x, ...names] = node.inputs as [string, ...string[]];
  const tensors = names.map((name) => editor.constant(name)).filter((tensor) => tensor !== undefined);
  if (tensors.length < 4 || node.attrs['training_mode'] || node.outputs.slice(1).some(Boolean)) return;
  const [scale, bias, mean, variance] = tensors.map(elementsOf) as [Float64Array, ...Float64Array[]];
  const epsilon = attribute(node, 'epsilon', EPSILON);
  const factors = scale.map((value, c) => value / Math.sqrt(variance![c]! + epsilon));
  const rank = editor.shape(x).length;
  const chain = new Chain(editor, node.name);
  const constant = (values: Float64Array): string =>
    chain.constant(tensorOf(editor.dtype(x), perChannel(rank, values.length) as number[], values));
  const scaled = chain.add('Mul', [chain.add('Sub', [x, constant(mean!)]), constant(factors)]);
  chain.add('Add', [scaled, constant(bias!)]);
  chain.replace(node);
}

/** Each channel, or each of so many groups of channels, is a row. */
function writeRows(editor: Editor, node: Node, groups: number | undefined): void {
  const [x, scale, bias] = node.inputs as [string, string, string];
  const shape = editor.shape(x);
  const [batch, channels, ...spatial] = shape as [Dim, Dim, ...Dim[]];
  const columns = groups ? [dim.floorDiv(channels, groups), ...spatial] : spatial;
  if (!columns.every((d) => typeof d === 'number') || !editor.isGlobal(shape) || columns.includes(0)) return;
  const width = sizeOf(columns as number[]);
  const chain = new Chain(editor, node.name);
  const ones: Tensor = tensorOf(editor.dtype(x), [width], new Float32Array(width).fill(1));
  const rows = chain.add('Reshape', [x], { shape: [batch, groups ?? channels, width] });
  const { stash_type: stash = 1, epsilon = EPSILON } = node.attrs;
  const normalized = chain.add('LayerNormalization', [rows, chain.constant(ones)], { epsilon, stash_type: stash });
  const whole = chain.add('Reshape', [normalized], { shape });
  const along = (name: string): string => chain.add('Reshape', [name], { shape: perChannel(shape.length, channels) });
  chain.add('Add', [chain.add('Mul', [whole, along(scale)]), along(bias)]);
  chain.replace(node);
}

/** `x / (bias + alpha * mean of neighbouring channels' squares) ^ beta`: a mean that counts what lies outside. */
function writeAcrossChannels(editor: Editor, node: Node): void {
  const [x] = node.inputs as [string];
  const shape = editor.shape(x);
  const [batch, channels, ...spatial] = shape as [Dim, Dim, ...Dim[]];
  if (!editor.isGlobal(shape)) return;
  const size = attribute(node, 'size', 1);
  const chain = new Chain(editor, node.name);
  const number = (value: number): string => chain.constant(tensorOf(editor.dtype(x), [], [value]));
  const before = Math.floor((size - 1) / 2);
  const planes = chain.add('Reshape', [chain.add('Mul', [x, x])], {
    shape: [batch, 1, channels, spatial.reduce((a, b) => dim.mul(a, b), 1)],
  });
  const means = chain.add('AveragePool', [planes], {
    kernel_shape: [size, 1],
    pads: [before, 0, size - 1 - before, 0],
    count_include_pad: 1,
  });
  const scaled = chain.add('Mul', [chain.add('Reshape', [means], { shape }), number(attribute(node, 'alpha', 1e-4))]);
  const base = chain.add('Add', [scaled, number(attribute(node, 'bias', 1))]);
  const power = chain.add('Mul', [chain.add('Log', [base]), number(-attribute(node, 'beta', 0.75))]);
  chain.add('Mul', [chain.add('Exp', [power]), x]);
  chain.replace(node);
}
