/** Softmax written out, as jax has it: exp(x - max) over its own sum. */

import type { Node } from '@espalier/core';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { axesOf, keptShape, otherInput } from '../rewrite/match.ts';
import { Trail } from '../rewrite/trail.ts';
import type { Pass } from './pass.ts';

export const fuseSoftmax: Pass = {
  name: 'fuse-softmax',
  summary: 'writes exp(x - max) / sum(exp(x - max)) as Softmax',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'Div')) fuse(editor, node);
    return editor.finish();
  },
};

function fuse(editor: Editor, quotient: Node): void {
  const trail = new Trail(editor);
  const [power, total] = quotient.inputs as [string, string];
  const exp = trail.take(power, 'Exp');
  const difference = trail.take(exp?.inputs[0], 'Sub');
  if (!difference) return;
  const [x, offset] = difference.inputs as [string, string];
  const [sum, most] = [
    reduced(editor, trail, total, power, 'ReduceSum'),
    reduced(editor, trail, offset, x, 'ReduceMax'),
  ];
  if (sum === undefined || sum !== most) return;
  trail.add(quotient);
  const [output] = quotient.outputs as [string];
  if (!editor.isClosed(trail.nodes, output)) return;
  const { name } = quotient;
  editor.replace(
    [...trail.nodes],
    [makeNode({ name, op: 'Softmax', inputs: [x], outputs: [output], attrs: { axis: sum } })],
  );
}

/** The one axis along which `name` is `of` reduced, laid out so that it broadcasts back along it. */
function reduced(editor: Editor, trail: Trail, name: string, of: string, op: string): number | undefined {
  const shape = editor.shape(of);
  for (const axis of shape.keys()) {
    const aligned = trail.withShape(name, keptShape(shape, [axis]));
    if (aligned === undefined) continue;
    const node = trail.take(aboveNothing(editor, trail, trail.beforeViews(aligned)), op);
    const axes = node && node.inputs[0] === of ? axesOf(editor, node) : undefined;
    if (axes?.length === 1 && axes[0] === axis) return axis;
  }
  return undefined;
}

/** What `Max(x, -Infinity)` is: x. */
function aboveNothing(editor: Editor, trail: Trail, name: string): string {
  const node = trail.take(name, 'Max');
  const limit = node?.inputs.find((input) => editor.scalar(input) === Number.NEGATIVE_INFINITY);
  const value = node && limit !== undefined ? otherInput(node, limit) : undefined;
  return value === undefined ? name : trail.beforeViews(value);
}
