/** An expansion repeats elements: what is done to each of them can be done before, and attention repeats its mask by itself. */

import { type Dim, dim, ESPALIER, type Node, type Shape, Tensor } from '@espalier/core';
import { Editor, isPlain, makeNode, sameShape } from '../rewrite/editor.ts';
import { renameInNode } from '../rewrite/names.ts';
import { views } from '../rewrite/trail.ts';
import type { Pass } from './pass.ts';

export const sinkExpands: Pass = {
  name: 'sink-expands',
  summary: 'moves expansions behind what is done element by element, so that masks stay small',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      if (isPlain(node, 'GreaterOrEqual')) knowOrder(editor, node);
      else if (isPlain(node, 'GatherND')) gatherAll(editor, node);
      else if (isPlain(node, ...elementwise)) sink(editor, node);
      else if (node.domain === ESPALIER && node.op === 'Attention') skipMaskExpand(editor, node);
    }
    return editor.finish();
  },
};

/** Ops whose operands broadcast together, if they have more than one. */
const elementwise = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Mod', 'Where', 'And', 'Or', 'Xor', 'Not', 'Cast', 'Neg', 'Abs'],
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'IsNaN', 'Sqrt', 'Exp', 'Log', 'Clip'],
];

function sink(editor: Editor, node: Node): void {
  const [output] = node.outputs as [string];
  const shape = editor.shape(output);
  const inputs = node.inputs.map((name) => editor.madeBy(name, 'Expand')?.inputs[0] ?? name);
  if (inputs.every((name, i) => name === node.inputs[i]) || !editor.isGlobal(shape)) return;
  const before = editor.fresh(`${output}/once`);
  const expand = makeNode({
    ...{ name: editor.fresh(`${node.name}/Expand`), op: 'Expand', attrs: { shape } },
    ...{ inputs: [before], outputs: [output] },
  });
  editor.replace([node], [{ ...node, inputs, outputs: [before] }, expand]);
}

function skipMaskExpand(editor: Editor, node: Node): void {
  const mask = node.inputs[3];
  const expand = mask ? editor.madeBy(mask, 'Expand') : undefined;
  if (expand) editor.replace([node], [renameInNode(node, new Map([[mask!, expand.inputs[0]!]]))]);
}

/** A comparison that holds for positions that are counted from the limit on: exporters ask whether they are negative. */
function knowOrder(editor: Editor, node: Node): void {
  const [x, limit] = [node.inputs[0]!, editor.scalar(node.inputs[1])];
  const range = rangeBehind(editor, x, 'Expand', ...views);
  const [start, step] = [editor.scalar(range?.inputs[0]), editor.scalar(range?.inputs[2])];
  const shape = editor.shape(node.outputs[0]!);
  if (limit === undefined || !(start! >= limit) || !(step! > 0) || !editor.isGlobal(shape)) return;
  const yes = editor.addConstant(`${node.name}/holds`, new Tensor('bool', [1], []));
  editor.replace([node], [makeNode({ ...node, op: 'Expand', inputs: [yes], attrs: { shape } })]);
}

/** The Range that `ops` made a value of. */
function rangeBehind(editor: Editor, name: string, ...ops: readonly string[]): Node | undefined {
  let node = editor.madeBy(name, 'Range', ...ops);
  while (node && node.op !== 'Range') node = editor.madeBy(node.inputs[0], 'Range', ...ops);
  return node;
}

/** Every element in its place, as exporters of vectorised code index masks: only another shape. */
function gatherAll(editor: Editor, node: Node): void {
  const [data, indices] = node.inputs as [string, string];
  const concat = editor.madeBy(indices, 'Concat');
  const [from, to] = [editor.shape(data), editor.shape(node.outputs[0]!)];
  if (!concat || (node.attrs['batch_dims'] ?? 0) !== 0 || concat.inputs.length !== from.length) return;
  const axis = (concat.attrs['axis'] as number) ?? 0;
  if (axis !== -1 && axis !== to.length) return;
  const axes = concat.inputs.map((name, i) => countedAxis(editor, name, to, from[i]!));
  // Axes in order, so that elements are.
  if (!axes.every((at, i) => at !== undefined && (i === 0 || at > axes[i - 1]!))) return;
  const shape = to.map((d, i) => (axes.includes(i) ? d : 1));
  if (!editor.isGlobal(to)) return;
  const flat = editor.fresh(`${node.outputs[0]}/once`);
  editor.replace(
    [node],
    [
      makeNode({
        ...{ name: editor.fresh(`${node.name}/Reshape`), op: 'Reshape', attrs: { shape } },
        ...{ inputs: [data], outputs: [flat] },
      }),
      makeNode({ ...{ name: node.name, op: 'Expand', attrs: { shape: to } }, inputs: [flat], outputs: node.outputs }),
    ],
  );
}

/** The axis of `shape` along which `name`, of that shape and a last axis of 1, counts from 0 to `extent` in steps of 1. */
function countedAxis(editor: Editor, name: string, shape: Shape, extent: Dim): number | undefined {
  const lifted = editor.madeBy(name, 'Unsqueeze', 'Reshape');
  const expanded = lifted?.inputs[0];
  if (!expanded || !sameShape(editor.shape(name), [...shape, 1]) || !sameShape(editor.shape(expanded), shape))
    return undefined;
  const counts = editor.madeBy(expanded, 'Expand')?.inputs[0] ?? expanded;
  const range = rangeBehind(editor, counts, ...views);
  if (editor.scalar(range?.inputs[0]) !== 0 || editor.scalar(range?.inputs[2]) !== 1) return undefined;
  const own = editor.shape(counts);
  const axis = own.findIndex((d) => d !== 1);
  const isOne = own.every((d, i) => (i === axis ? dim.equal(d, extent) === true : d === 1));
  return own.length === shape.length && axis >= 0 && isOne ? axis : undefined;
}
