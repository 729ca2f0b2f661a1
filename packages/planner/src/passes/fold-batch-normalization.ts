/** Inference-time BatchNormalization scales and shifts each channel: the layer before it can do that with its weights. */

import type { Node } from '@espalier/core';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { variesAlong } from '../rewrite/match.ts';
import { elementAt, elementsOf, tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const foldBatchNormalization: Pass = {
  name: 'fold-batch-normalization',
  summary: 'folds BatchNormalization into the weights of the Conv, ConvTranspose or MatMul before it',
  run(graph, context) {
    if (!context.evaluate) return graph;
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'BatchNormalization')) fold(editor, node);
    return editor.finish();
  },
};

function fold(editor: Editor, node: Node): void {
  const [x, ...names] = node.inputs;
  const [scale, shift, mean, variance] = names.map((name) => {
    const tensor = editor.constant(name);
    return tensor && elementsOf(tensor);
  });
  if (!scale || !shift || !mean || !variance || node.attrs['training_mode']) return;
  if (node.outputs.slice(1).some((name) => name !== '')) return;
  let layer = editor.maker(x);
  const added = layer && isPlain(layer, 'Add') ? addedConstant(editor, layer) : undefined;
  const replaced = added ? [layer!, node] : [node];
  if (added) layer = editor.maker(added.to);
  if (!layer || replaced.some((by) => editor.onlyReader(by === node ? x! : added!.to) !== by)) return;
  const weight = isPlain(layer, 'Conv', 'ConvTranspose', 'MatMul') ? editor.constant(layer.inputs[1]) : undefined;
  if (!weight) return;
  const own = layer.op === 'MatMul' ? undefined : editor.constant(layer.inputs[2]);
  if (layer.op === 'MatMul' ? editor.shape(x!).length !== 2 : layer.inputs[2] && !own) return;
  const epsilon = (node.attrs['epsilon'] as number | undefined) ?? 1e-5;
  const factors = scale.map((value, c) => value / Math.sqrt(variance[c]! + epsilon));
  const biasAt = (c: number): number => (own ? elementAt(own, c) : 0) + (added ? added.at(c) : 0);
  const shifts = factors.map((factor, c) => (biasAt(c) - mean[c]!) * factor + shift[c]!);
  if (![...factors, ...shifts].every(Number.isFinite)) return;
  const dims = factorDims(layer, weight.dims);
  const perWeight = Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => {
    return factors[channelAt(layer, weight.dims, dims, i)]!;
  });
  const factorName = editor.addConstant(`${node.name}/factor`, tensorOf(weight.type, dims, perWeight));
  const shiftName = editor.addConstant(`${node.name}/shift`, tensorOf(weight.type, [shifts.length], shifts));
  const scaled = editor.fresh(`${layer.inputs[1]}/scaled`);
  const nodes = [
    makeNode({
      name: editor.fresh(`${node.name}/scale`),
      op: 'Mul',
      inputs: [layer.inputs[1]!, factorName],
      outputs: [scaled],
    }),
  ];
  if (layer.op === 'MatMul') {
    const product = editor.fresh(`${layer.outputs[0]}/scaled`);
    nodes.push({ ...layer, inputs: [layer.inputs[0]!, scaled], outputs: [product] });
    nodes.push(
      makeNode({ name: node.name, op: 'Add', inputs: [product, shiftName], outputs: node.outputs.slice(0, 1) }),
    );
  } else {
    nodes.push({ ...layer, inputs: [layer.inputs[0]!, scaled, shiftName], outputs: node.outputs.slice(0, 1) });
  }
  editor.replace([layer, ...replaced], nodes);
}

/** A constant that the node adds to each channel. */
function addedConstant(editor: Editor, node: Node): { to: string; at: (channel: number) => number } | undefined {
  for (const [to, name] of [node.inputs, node.inputs.toReversed()] as [string, string][]) {
    const tensor = editor.constant(name);
    if (tensor && variesAlong(tensor.dims, editor.shape(node.outputs[0]!), 1))
      return { to, at: (c) => elementAt(tensor, tensor.size === 1 ? 0 : c) };
  }
  return undefined;
}

/** The shape of the factors, to be broadcast over the weights. */
function factorDims({ op, attrs }: Node, dims: readonly number[]): readonly number[] {
  if (op === 'MatMul') return dims.slice(1);
  if (op === 'Conv') return dims.map((d, i) => (i === 0 ? d : 1));
  const isGrouped = ((attrs['group'] as number | undefined) ?? 1) > 1;
  return dims.map((d, i) => (i === 1 || (i === 0 && isGrouped) ? d : 1));
}

/** The output channel that factor `index` belongs to. */
function channelAt({ op, attrs }: Node, weight: readonly number[], dims: readonly number[], index: number): number {
  if (op !== 'ConvTranspose' || dims[0] === 1) return index;
  const perGroup = weight[0]! / ((attrs['group'] as number | undefined) ?? 1);
  const row = Math.floor(index / weight[1]!);
  return Math.floor(row / perGroup) * weight[1]! + (index % weight[1]!);
}
