/** LayerNormalization written out: (x - mean) / sqrt(variance + epsilon), scaled and shifted, in any of the usual orders. */

import { type Shape, sizeOf, type Tensor } from '@espalier/core';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { elementAt, tensorOf } from '../rewrite/values.ts';
import { isTrailing, type LayerNormalizationPattern, matchLayerNormalization } from './layer-normalization/match.ts';
import type { Pass } from './pass.ts';

export const fuseLayerNormalization: Pass = {
  name: 'fuse-layer-normalization',
  summary: 'writes (x - mean) / sqrt(variance + epsilon) * scale + bias as LayerNormalization',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      // LayerNormalization computes in float32, so float64 would lose.
      if (!isPlain(node, 'Sqrt', 'Pow') || editor.dtype(node.inputs[0]!) === 'float64') continue;
      const found = matchLayerNormalization(editor, node);
      if (found) write(editor, found);
    }
    return editor.finish();
  },
};

function write(editor: Editor, { nodes, x, axes, epsilon, scale, bias, last }: LayerNormalizationPattern): void {
  const shape = editor.shape(x);
  const sizes = axes.map((axis) => shape[axis]!);
  if (axes.length === 0 || !sizes.every((d) => typeof d === 'number')) return;
  const operand = (name: string | undefined, hint: string, fallback: number): string => {
    const tensor = name === undefined ? tensorOf(editor.dtype(x), [], [fallback]) : editor.constant(name);
    return tensor ? editor.addConstant(`${last.name}/${hint}`, spread(tensor, shape, axes, sizes as number[])) : name!;
  };
  const attrs = { axis: -axes.length, epsilon };
  const parameters = [operand(scale, 'scale', 1), ...(bias === undefined ? [] : [operand(bias, 'bias', 0)])];
  const output = last.outputs[0]!;
  const { name } = last;
  if (isTrailing(axes, shape)) {
    const inputs = [x, ...parameters];
    editor.replace([...nodes], [makeNode({ name, op: 'LayerNormalization', inputs, outputs: [output], attrs })]);
    return;
  }
  // Other axes are moved to the end and back: two moves instead of half a dozen passes over the data.
  const perm = [...shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
  const back = perm.map((_, axis) => perm.indexOf(axis));
  const [moved, normal] = ['moved', 'normal'].map((hint) => editor.fresh(`${output}/${hint}`)) as [string, string];
  editor.replace(
    [...nodes],
    [
      makeNode({
        name: editor.fresh(`${name}/there`),
        op: 'Transpose',
        inputs: [x],
        outputs: [moved],
        attrs: { perm },
      }),
      makeNode({ name, op: 'LayerNormalization', inputs: [moved, ...parameters], outputs: [normal], attrs }),
      makeNode({
        name: editor.fresh(`${name}/back`),
        op: 'Transpose',
        inputs: [normal],
        outputs: [output],
        attrs: { perm: back },
      }),
    ],
  );
}

/** A scale or bias of exactly the normalised axes. */
function spread(tensor: Tensor, shape: Shape, axes: readonly number[], sizes: readonly number[]): Tensor {
  const offset = shape.length - tensor.dims.length;
  const own = axes.map((axis) => (axis < offset ? 1 : tensor.dims[axis - offset]!));
  const elements = Float64Array.from({ length: sizeOf(sizes) }, (_, index) => {
    let [at, step] = [0, 1];
    for (let i = sizes.length - 1; i >= 0; i--) {
      const position = index % sizes[i]!;
      index = Math.floor(index / sizes[i]!);
      if (own[i]! > 1) at += position * step;
      step *= own[i]!;
    }
    return elementAt(tensor, at);
  });
  return tensorOf(tensor.type, sizes, elements);
}
