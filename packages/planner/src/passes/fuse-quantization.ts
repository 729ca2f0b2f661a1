/** Chains of quantisation and dequantisation, as the one op on integers that they stand for. */

import { Editor, isPlain } from '../rewrite/editor.ts';
import type { Pass } from './pass.ts';
import { fuseDynamic } from './quantization/dynamic.ts';
import { fuseProduct, quantizeFirst, skipDequantized, skipRelu, writeLinear } from './quantization/static.ts';
import { fuseHalves, fuseWeights, gatherFirst, turnWeights } from './quantization/weights.ts';

export const fuseQuantization: Pass = {
  name: 'fuse-quantization',
  summary: 'computes with quantised weights and activations as they are stored',
  async run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      if (isPlain(node, 'Transpose')) await turnWeights(editor, node);
      else if (isPlain(node, 'MatMulInteger')) fuseDynamic(editor, node);
      else if (isPlain(node, 'QLinearMatMul')) writeLinear(editor, node);
      else if (isPlain(node, 'QuantizeLinear')) {
        skipDequantized(editor, node);
        if (editor.has(node)) quantizeFirst(editor, node);
        if (editor.has(node)) skipRelu(editor, node);
      } else if (isPlain(node, 'Gather')) gatherFirst(editor, node);
      else if (isPlain(node, 'MatMul')) {
        fuseProduct(editor, node);
        if (editor.has(node)) fuseWeights(editor, node);
        if (editor.has(node)) fuseHalves(editor, node);
      }
    }
    return editor.finish();
  },
};
