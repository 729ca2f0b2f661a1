/** A new shape between a product and what is done to its elements keeps the two apart: it can come after. */

import { dim, epilogueOps, type Node } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain, sameShape } from '../rewrite/editor.ts';
import { variesAlong } from '../rewrite/match.ts';
import { comesFromProduct } from '../rewrite/products.ts';
import type { Pass } from './pass.ts';

export const sinkViews: Pass = {
  name: 'sink-views',
  summary: 'moves reshapes behind the element-wise ops that can join the product before them',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes())
      if (isPlain(node, 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten')) sink(editor, node);
    return editor.finish();
  },
};

function sink(editor: Editor, view: Node): void {
  const [before, after] = [view.inputs[0]!, view.outputs[0]!];
  const reader = editor.onlyReader(after);
  if (!reader || !isPlain(reader, ...epilogueOps) || !comesFromProduct(editor, before)) return;
  if (reader.inputs.filter((name) => name === after).length !== 1) return;
  const chain = new Chain(editor, reader.name);
  const inputs = reader.inputs.map((name) =>
    name === after ? before : name && operandBefore(editor, chain, name, view),
  );
  if (inputs.includes(undefined)) return;
  const result = editor.fresh(`${reader.outputs[0]}/before`);
  editor.replace(
    [view, reader],
    [
      ...chain.nodes,
      { ...reader, inputs: inputs as string[], outputs: [result] },
      { ...view, inputs: [result, ...view.inputs.slice(1)], outputs: reader.outputs },
    ],
  );
}

/** An operand of the element-wise op as it has to be before the view; undefined where that is not a view too. */
function operandBefore(editor: Editor, chain: Chain, name: string, view: Node): string | undefined {
  const [from, to] = [editor.shape(view.inputs[0]!), editor.shape(view.outputs[0]!)];
  const own = editor.shape(name);
  if (sameShape(own, to)) return editor.isGlobal(from) ? chain.add('Reshape', [name], { shape: from }) : undefined;
  const tensor = editor.constant(name);
  if (!tensor) return undefined;
  if (tensor.size === 1) return tensor.dims.length === 0 ? name : chain.constant(tensor.reshape([]));
  const axis = to.findIndex((_, i) => variesAlong(tensor.dims, to, i));
  if (axis < 0) return undefined;
  const ahead = dim.product(to, 0, axis);
  const at = from.findIndex((d, i) => d === to[axis] && dim.equal(dim.product(from, 0, i), ahead) === true);
  return at < 0 ? undefined : chain.constant(tensor.reshape([tensor.size, ...from.slice(at + 1).map(() => 1)]));
}
