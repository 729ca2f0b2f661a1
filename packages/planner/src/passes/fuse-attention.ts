/** Attention written out: softmax(scale Q K^T + mask) V, with the transposes around it. */

import { Editor, isPlain } from '../rewrite/editor.ts';
import { matchAttention } from './attention/match.ts';
import { writeAttention } from './attention/write.ts';
import type { Pass } from './pass.ts';

export const fuseAttention: Pass = {
  name: 'fuse-attention',
  summary: 'writes softmax(scale Q K^T + mask) V, and the transposes around it, as one node',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      const found = isPlain(node, 'MatMul') ? matchAttention(editor, node) : undefined;
      if (found) writeAttention(editor, node, found);
    }
    return editor.finish();
  },
};
