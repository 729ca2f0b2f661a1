/** Writes shapes that are known as expressions into the nodes that want them, so that no run computes them as tensors. */

import { type Dim, type DType, dim, dtypes, ESPALIER, type Node, type Shape, Tensor } from '@espalier/core';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import type { Pass } from './pass.ts';

export const shapeArithmetic: Pass = {
  name: 'shape-arithmetic',
  summary: 'turns tensors of sizes into expressions over the dimensions of the inputs',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) writeShape(editor, node, (shape) => editor.isGlobal(shape));
    for (const node of editor.nodes()) writeContents(editor, node);
    return editor.finish();
  },
};

/**
 * Runs late: an attribute that names a size which some node finds out would be wrong if that node were replaced. Where the
 * operand has the size too, that node has run before.
 */
export const dataDependentShapes: Pass = {
  name: 'data-dependent-shapes',
  summary: 'does the same over sizes that only a run finds out, for values that have them already',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      const known = node.inputs[0] ? new Set(editor.shape(node.inputs[0]).flatMap((d) => dim.symbols(d))) : new Set();
      writeShape(editor, node, (shape) =>
        shape.every((d) => editor.isGlobal([d]) || dim.symbols(d).every((s) => known.has(s))),
      );
    }
    return editor.finish();
  },
};

/** Which input of these ops is a shape. */
const shapeInput: Readonly<Record<string, number>> = { Reshape: 1, Expand: 1, ConstantOfShape: 0 };

/** The shape input of a node becomes its attribute. */
function writeShape(editor: Editor, node: Node, isKnown: (shape: Shape) => boolean): void {
  const index = shapeInput[node.op];
  if (index === undefined || !isPlain(node, node.op) || !node.inputs[index]) return;
  const { shape } = editor.facts(node.outputs[0]!)!;
  if (!isKnown(shape)) return;
  const { allowzero: _, ...attrs } = node.attrs;
  const inputs = node.inputs.slice(0, index);
  editor.replace([node], [{ ...node, inputs, attrs: { ...attrs, shape } }]);
}

/** True where every element is an expression over symbols that the run knows from the start. */
function isSettled(editor: Editor, name: string): boolean {
  const contents = editor.facts(name)?.contents;
  return contents !== undefined && editor.isGlobal(contents);
}

function writeContents(editor: Editor, node: Node): void {
  const names = node.outputs.filter((name) => name !== '');
  if (names.length === 0 || !names.every((name) => isSettled(editor, name))) return;
  const facts = names.map((name) => editor.facts(name)!);
  if (facts.every(({ contents, shape }) => isNumbers(contents!) && isNumbers(shape))) {
    const tensors = facts.map(({ dtype, shape, contents }) => constant(dtype, shape as number[], contents as number[]));
    if (tensors.every((tensor) => tensor !== undefined))
      editor.makeConstant(
        node,
        node.outputs.map((name) => tensors[names.indexOf(name)]),
      );
    return;
  }
  const [name] = names;
  const { dtype, shape, contents } = facts[0]!;
  if (names.length > 1 || shape.length > 1 || (node.domain === ESPALIER && node.op === 'Dims')) return;
  // Readers that are settled themselves will be written out too, or die.
  const needed = editor
    .readers(name!)
    .some((reader) => !reader.outputs.every((output) => output === '' || isSettled(editor, output)));
  if (!needed && !editor.isOutput(name!)) return;
  const attrs = { dims: contents!, dtype, scalar: shape.length === 0 ? 1 : 0 };
  if (!editor.knows('Dims', ESPALIER) || dtypes[dtype].kind === 'bool') return;
  editor.replace(
    [node],
    [makeNode({ name: node.name, op: 'Dims', domain: ESPALIER, inputs: [], outputs: [name!], attrs })],
  );
}

function isNumbers(dims: readonly Dim[]): dims is readonly number[] {
  return dims.every((d) => typeof d === 'number');
}

function constant(dtype: DType, shape: readonly number[], contents: readonly number[]): Tensor | undefined {
  const { kind, bits } = dtypes[dtype];
  return kind === 'float' || bits === 4 ? undefined : new Tensor(dtype, contents, shape);
}
