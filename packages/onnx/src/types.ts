/** TypeProto to the types of values and back, sequences and optionals too. */

import {
  ANY_SHAPE,
  type Dim,
  dtypeFromOnnx,
  dtypes,
  isRanked,
  OPEN,
  type ValueKind,
  type ValueType,
} from '@espalier/core';
import type { TensorShapeProto, TensorTypeProto, TypeProto } from './proto.ts';
import { dataTypeName, shapeOf } from './tensors.ts';

const others = [
  ['mapType', 'a map'],
  ['opaqueType', 'of an opaque type'],
  ['sparseTensorType', 'a sparse tensor'],
] as const;

/** The type of a value that is no tensor, undefined for one that is; a text where Espalier has no such type. */
export function readContainer(proto: TypeProto): ValueType | string | undefined {
  for (const [key, what] of others) if (proto[key]) return what;
  const { optionalType, sequenceType = optionalType?.elemType?.sequenceType } = proto;
  if (!optionalType && !sequenceType) return undefined;
  const kind = !optionalType ? 'sequence' : sequenceType ? 'optional(sequence)' : 'optional';
  const held = (sequenceType ?? optionalType)?.elemType?.tensorType;
  const dtype = dtypeFromOnnx(held?.elemType ?? 0);
  if (!held || !dtype)
    return `${optionalType ? 'an optional' : 'a sequence'} of ${held ? dataTypeName(held.elemType) : 'no tensors'}, which Espalier does not have`;
  return { dtype, shape: [], container: { kind, shape: openShape(held.shape) } };
}

/** A type that an attribute tells. Sizes that are not told are open in tensors too. */
export function readType(proto: TypeProto): ValueType | string {
  const { tensorType } = proto;
  const dtype = dtypeFromOnnx(tensorType?.elemType ?? 0);
  if (tensorType && dtype) return { dtype, shape: openShape(tensorType.shape) };
  return readContainer(proto) ?? `of ${dataTypeName(tensorType?.elemType)}, which Espalier does not have`;
}

/** Names of sizes mean nothing here: the tensors of a sequence may well differ in them. */
function openShape(proto: TensorShapeProto | undefined): readonly Dim[] {
  if (!proto) return ANY_SHAPE;
  const sizes = shapeOf(proto.dim.map(({ dimValue }) => dimValue ?? 0n));
  return proto.dim.map(({ dimValue }, axis) => (dimValue === undefined ? OPEN : sizes[axis]!));
}

export function writeType({ dtype, shape, container }: ValueType): TypeProto {
  const held: TypeProto = { tensorType: tensorType(dtypes[dtype].onnx, container ? container.shape : shape) };
  const write: Record<ValueKind, () => TypeProto> = {
    tensor: () => held,
    sequence: () => ({ sequenceType: { elemType: held } }),
    optional: () => ({ optionalType: { elemType: held } }),
    'optional(sequence)': () => ({ optionalType: { elemType: { sequenceType: { elemType: held } } } }),
  };
  return write[container?.kind ?? 'tensor']();
}

function tensorType(elemType: number, shape: readonly Dim[] | undefined): TensorTypeProto {
  if (!isRanked(shape)) return { elemType };
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: BigInt(d) } : d === OPEN ? {} : { dimParam: d }));
  return { elemType, shape: { dim } };
}
