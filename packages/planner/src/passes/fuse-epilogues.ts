/** What is done to each element of a product, or of what is computed element by element, can be done before it is stored. */

import { dim, dtypes, type EpilogueOp, type EpilogueStep, epilogueOps, type Node, schemaOf } from '@espalier/core';
import { Editor, isPlain, sameShape } from '../rewrite/editor.ts';
import { otherInput, variesAlong } from '../rewrite/match.ts';
import { renameInNode } from '../rewrite/names.ts';
import { integerProducts, isProduct } from '../rewrite/products.ts';
import { elementAt, tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const fuseEpilogues: Pass = {
  name: 'fuse-epilogues',
  summary: 'does biases, residuals and activations where a product is stored, and chains of element-wise ops at once',
  run(graph, context) {
    const editor = new Editor(graph, context);
    // Products first: an element-wise op before one in a chain would leave it without what it can do for less.
    for (const isHead of [isProduct, isElementwise(editor)]) {
      for (const node of editor.nodes()) {
        let grown: Node | undefined = isHead(node) ? node : undefined;
        while (grown) grown = absorbBias(editor, grown) ?? absorb(editor, grown);
      }
    }
    return editor.finish();
  },
};

/** Element-wise ops that can begin a chain beside those that can be in one. */
const heads = ['Abs', 'Cast', 'Exp', 'Log', 'Max', 'Min', 'Neg', 'Pow', 'Reciprocal', 'Sqrt', 'Sum', 'Where'] as const;

/** True for element-wise ops that give floats; chains of others are short. */
const isElementwise =
  (editor: Editor) =>
  (node: Node): boolean =>
    isPlain(node, ...epilogueOps, ...heads) && dtypes[editor.dtype(node.outputs[0]!)].kind === 'float';

/** Longer chains are rare, and each step must be in every kernel that takes the chain whole. */
const MOST_STEPS = 8;

/** A constant that a convolution adds to each channel is its bias. */
function absorbBias(editor: Editor, node: Node): Node | undefined {
  if (!isPlain(node, 'Conv', 'ConvTranspose') || node.inputs[2]) return undefined;
  const add = editor.onlyReader(node.outputs[0]!);
  const other = add && isPlain(add, 'Add') ? otherInput(add, node.outputs[0]!) : undefined;
  const tensor = editor.constant(other);
  const shape = editor.shape(node.outputs[0]!);
  const channels = shape[1];
  if (!tensor || typeof channels !== 'number' || !variesAlong(tensor.dims, shape, 1)) return undefined;
  const elements = Float64Array.from({ length: channels }, (_, c) => elementAt(tensor, tensor.size === 1 ? 0 : c));
  const bias = editor.addConstant(`${node.name}/bias`, tensorOf(tensor.type, [channels], elements));
  const biased = { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, bias], outputs: add!.outputs };
  return editor.replace([node, add!], [biased]) ? biased : undefined;
}

/** The node with its only reader as another step of its epilogue; undefined where that cannot be. */
function absorb(editor: Editor, node: Node): Node | undefined {
  const running = node.outputs[0]!;
  const steps = node.epilogue ?? [];
  const reader = editor.onlyReader(running);
  if (!reader || steps.length >= MOST_STEPS || !isPlain(reader, ...epilogueOps)) return undefined;
  const position = reader.inputs.indexOf(running);
  const result = reader.outputs[0]!;
  if (reader.inputs.lastIndexOf(running) !== position || !sameShape(editor.shape(result), editor.shape(running)))
    return undefined;
  const commutes = reader.op === 'Add' || reader.op === 'Mul';
  if (!commutes && position > 0 && reader.op !== 'Sub' && reader.op !== 'Div') return undefined;
  const most = Math.max(node.inputs.length, schemaOf(editor.context.ops, node)!.inputs.length);
  const inputs = [...node.inputs, ...new Array<string>(most - node.inputs.length).fill('')];
  const own = reader.inputs.toSpliced(position, 1);
  const bytes = reader.op === 'Add' && integerProducts.includes(node.op) ? bytesOf(editor, own[0]!) : undefined;
  const others = bytes?.inputs ?? own;
  // What an earlier step reads, too, is there once.
  const indices = others.map((name) => {
    const known = inputs.indexOf(name, most);
    return name !== '' && known >= 0 ? known : inputs.push(name) - 1;
  });
  const step: EpilogueStep = {
    op: bytes ? 'DequantizeAdd' : (reader.op as EpilogueOp),
    attrs: bytes?.attrs ?? reader.attrs,
    inputs: indices,
    position: commutes ? 0 : position,
    name: reader.name,
  };
  const renamed = renameInNode(node, new Map([[running, result]]));
  const grown = {
    ...renamed,
    inputs: others.length > 0 ? inputs : renamed.inputs,
    epilogue: [...steps, step],
  };
  return editor.replace([node, reader], [grown]) ? grown : undefined;
}

/** The DequantizeLinear that makes a value of bytes with one scale. */
function bytesOf(editor: Editor, name: string): Node | undefined {
  const node = editor.madeBy(name, 'DequantizeLinear');
  if (!node || node.attrs['block_size'] || dtypes[editor.dtype(node.inputs[0]!)].bits !== 8) return undefined;
  return dim.equal(dim.product(editor.shape(node.inputs[1]!)), 1) === true ? node : undefined;
}
