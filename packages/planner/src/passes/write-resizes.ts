/** Enlarging a picture a whole number of times by its nearest elements repeats each of them: moves, which need no kernel of their own. */

import { type Dim, dim, type Node, resizeAxes } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain } from '../rewrite/editor.ts';
import { elementsOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const writeResizes: Pass = {
  name: 'write-resizes',
  summary: 'writes Resize that repeats elements as Expand',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'Resize') && repeats(node)) write(editor, node);
    return editor.finish();
  },
};

/** True where whole factors give element `i` of the result element `floor(i / factor)` of the input. */
function repeats({ attrs }: Node): boolean {
  const { mode = 'nearest', nearest_mode: nearest = 'round_prefer_floor' } = attrs;
  const { coordinate_transformation_mode: place = 'half_pixel' } = attrs;
  if (mode !== 'nearest') return false;
  if (place === 'asymmetric') return nearest === 'floor';
  const isCentred = ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel'].includes(place as string);
  // Centres lie less than half an element beside that of what they repeat.
  return isCentred && ['round_prefer_floor', 'round_prefer_ceil'].includes(nearest as string);
}

function write(editor: Editor, node: Node): void {
  const [x] = node.inputs as [string];
  const shape = editor.shape(x);
  const factors = factorsOf(editor, node, shape);
  if (!factors || factors.length === 0 || !factors.every((factor) => Number.isInteger(factor) && factor >= 1)) return;
  const wholes = shape.map((size, axis) => dim.mul(size, factors[axis]!));
  // An axis that is not repeated stays one.
  const around = (of: (axis: number) => Dim): Dim[] =>
    shape.flatMap((size, axis) => (factors[axis] === 1 ? [size] : [size, of(axis)]));
  const shapes = [around(() => 1), around((axis) => factors[axis]!), wholes];
  if (!shapes.every((each) => editor.isGlobal(each))) return;
  const chain = new Chain(editor, node.name);
  const apart = chain.add('Reshape', [x], { shape: shapes[0]! });
  chain.add('Reshape', [chain.add('Expand', [apart], { shape: shapes[1]! })], { shape: wholes });
  chain.replace(node);
}

/** How many times each axis is repeated, whole or not; undefined where only a run tells. */
function factorsOf(editor: Editor, { inputs, attrs }: Node, shape: readonly Dim[]): number[] | undefined {
  const axes = resizeAxes(attrs, shape.length);
  const scales = editor.constant(inputs[2]);
  const sizes = inputs[3] && (attrs['keep_aspect_ratio_policy'] ?? 'stretch') === 'stretch' ? inputs[3] : undefined;
  const contents = sizes === undefined ? undefined : editor.facts(sizes)?.contents;
  const given: readonly number[] | undefined = scales?.size
    ? [...elementsOf(scales)]
    : contents?.map((size, i) => ratio(size, shape[axes[i]!]!));
  return given && shape.map((_, axis) => (axes.includes(axis) ? given[axes.indexOf(axis)]! : 1));
}

function ratio(size: Dim, of: Dim): number {
  if (dim.equal(size, of) === true) return 1;
  return typeof size === 'number' && typeof of === 'number' ? size / of : Number.NaN;
}
