/** Questions that several fusions ask. */

import { type Node, normalizeAxis, type Shape } from '@espalier/core';
import type { Editor } from './editor.ts';

/** The operand of a node with two that is not `name`; undefined where both are. */
export function otherInput(node: Node, name: string): string | undefined {
  const others = node.inputs.filter((input) => input !== name);
  return node.inputs.length === 2 && others.length === 1 ? others[0] : undefined;
}

/** The operands of a node with two, in both orders. */
export function bothWays({ inputs: [a, b] }: Node): readonly (readonly [string, string])[] {
  return [
    [a!, b!],
    [b!, a!],
  ];
}

/** The value that `name` is the square of. */
export function squareOf(editor: Editor, name: string): { of: string; node: Node } | undefined {
  const node = editor.madeBy(name, 'Mul', 'Pow');
  if (!node) return undefined;
  const [x, y] = node.inputs;
  const isSquare = node.op === 'Mul' ? x === y : editor.scalar(y) === 2;
  return isSquare ? { of: x!, node } : undefined;
}

/** The axes that a reduction runs over, ascending; undefined where only the run knows. */
export function axesOf(editor: Editor, node: Node): readonly number[] | undefined {
  const rank = editor.shape(node.inputs[0]!).length;
  const given = node.inputs[1] ? editor.facts(node.inputs[1])?.contents : [];
  if (!given) return undefined;
  if (given.length === 0) return node.attrs['noop_with_empty_axes'] ? [] : Array.from({ length: rank }, (_, i) => i);
  return [...new Set(given.map((axis) => normalizeAxis(axis as number, rank)))].sort((a, b) => a - b);
}

/** The permutation that a Transpose makes; undefined for other nodes. */
export function permOf(editor: Editor, node: Node | undefined): readonly number[] | undefined {
  if (node?.op !== 'Transpose' || node.domain !== '') return undefined;
  const rank = editor.shape(node.inputs[0]!).length;
  return (node.attrs['perm'] as number[] | undefined) ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

export const isPerm = (perm: readonly number[] | undefined, ...expected: readonly number[]): boolean =>
  perm !== undefined && perm.length === expected.length && perm.every((axis, i) => axis === expected[i]);

/** The shape with 1 along `axes`. */
export function keptShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

/** True for a constant that, aligned at the right with `shape`, has at most axis `axis` longer than 1; a scalar is one. */
export function variesAlong(dims: readonly number[], shape: Shape, axis: number): boolean {
  return dims.every((d, i) => d === 1 || (i - dims.length + shape.length === axis && d === shape[axis]));
}
