/** A residual connection and the normalisation behind it read and write the same rows: one node for both. */

import { ESPALIER, type Node } from '@espalier/core';
import { Editor, isPlain, sameShape } from '../rewrite/editor.ts';
import { makeFused } from '../rewrite/fused.ts';
import type { Pass } from './pass.ts';

export const fuseSkipLayerNormalization: Pass = {
  name: 'fuse-skip-layer-normalization',
  summary: 'does a residual addition and the LayerNormalization behind it in one node',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'LayerNormalization')) fuse(editor, node);
    return editor.finish();
  },
};

function fuse(editor: Editor, node: Node): void {
  const [sum, scale, bias] = node.inputs;
  const add = editor.madeBy(sum, 'Add');
  // Statistics as outputs, and statistics of another precision, are the plain op's business.
  if (!add || node.outputs.slice(1).some((name) => name !== '') || (node.attrs['stash_type'] ?? 1) !== 1) return;
  const [x, skip] = add.inputs;
  if (x === skip || [x, skip].some((name) => editor.constant(name))) return;
  // Both are read row by row.
  if ([x, skip].some((name) => !sameShape(editor.shape(name!), editor.shape(sum!)))) return;
  // What is not constant could depend on the sum, which the fused node makes.
  if ([scale, bias].some((name) => name && !editor.constant(name))) return;
  const isSumNeeded = editor.onlyReader(sum!) !== node;
  const { stash_type: _, ...attrs } = node.attrs;
  const inputs = [x!, skip!, scale!, ...(bias ? [bias] : [])];
  const outputs = [node.outputs[0]!, ...(isSumNeeded ? [sum!] : [])];
  const spec = { name: node.name, op: 'SkipLayerNormalization', domain: ESPALIER, inputs, outputs, attrs };
  editor.replace([add, node], [makeFused(editor, spec, [add, node])]);
}
