/** Values that are no tensors, ONNX's sequences and optionals: what stands for them in JavaScript, and their types. */

import { type Dim, dim } from './dim.ts';
import type { Container, ValueKind, ValueType } from './graph.ts';
import { formatShape, type Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** A tensor, a sequence of tensors, or (`null`) an optional that has no element; one that has is its element. */
export type Value = Tensor | readonly Tensor[] | null;

export function isSequence(value: Value): value is readonly Tensor[] {
  return Array.isArray(value);
}

/** A size in the shape of a {@link Container} that its tensors do not share. */
export const OPEN = '?';
/** The shape of a {@link Container} whose tensors have any number of axes. */
export const ANY_SHAPE: Shape = ['...'];

/** True where all tensors have this number of axes. */
export function isRanked(shape: Shape | undefined): shape is Shape {
  return shape !== undefined && shape[0] !== ANY_SHAPE[0];
}

export function kindOf({ container }: Pick<ValueType, 'container'>): ValueKind {
  return container?.kind ?? 'tensor';
}

/** The shape of a tensor, or that of each tensor in a container. */
export function shapeIn({ shape, container }: Pick<ValueType, 'shape' | 'container'>): Shape {
  return container ? (container.shape ?? ANY_SHAPE) : shape;
}

/** `float32[batch,3]`, `sequence(float32[?,3])`, `optional(sequence(float32[...]))` for messages. */
export function formatType({ dtype, shape, container }: ValueType): string {
  if (!container) return `${dtype}${formatShape(shape)}`;
  const held = `${dtype}${container.shape ? formatShape(container.shape) : ''}`;
  return container.kind === 'optional(sequence)' ? `optional(sequence(${held}))` : `${container.kind}(${held})`;
}

/** The shape that tensors of either shape have. */
export function joinShapes(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return a ?? b;
  if (!isRanked(a) || !isRanked(b) || a.length !== b.length) return ANY_SHAPE;
  return a.map((d, i) => (isSame(d, b[i]!) ? d : OPEN));
}

export function joinContainers({ kind, shape }: Container, other: Container): Container {
  return containerOf(kind, joinShapes(shape, other.shape));
}

/** The container itself where it holds what the other does; else one that holds both, in doubt of any `rough` sizes. */
export function widerContainer(container: Container, other: Container, rough: boolean): Container {
  const { kind, shape } = joinContainers(container, other);
  if (sameShapes(shape, container.shape)) return container;
  return containerOf(kind, rough && isRanked(shape) ? shape.map(() => OPEN) : shape);
}

function sameShapes(a: Shape | undefined, b: Shape | undefined): boolean {
  return a?.length === b?.length && (a ?? []).every((d, i) => isSame(d, b![i]!));
}

function isSame(a: Dim, b: Dim): boolean {
  return a === b || (isKnown(a) && isKnown(b) && dim.equal(a, b) === true);
}

function isKnown(d: Dim): boolean {
  return d !== OPEN && d !== ANY_SHAPE[0];
}

/** The container with sizes open that `hidden` names: outside of where it was made, they mean nothing. */
export function hideSizes({ kind, shape }: Container, hidden: ReadonlySet<Dim>): Container {
  const isHidden = (d: Dim): boolean => isKnown(d) && dim.symbols(d).some((symbol) => hidden.has(symbol));
  return containerOf(
    kind,
    shape?.map((d) => (isHidden(d) ? OPEN : d)),
  );
}

/** An absent shape is left out. */
export function containerOf(kind: Container['kind'], shape: Shape | undefined): Container {
  return shape ? { kind, shape } : { kind };
}
