/** Sequences and optionals: the ops of ONNX that make and read them, on values in host memory. */

import {
  type Attributes,
  EspalierError,
  isSequence,
  normalizeAxis,
  Tensor,
  type TensorData,
  type Value,
} from '@espalier/core';
import { copyOf } from './constants.ts';

type Inputs = readonly (Value | undefined)[];
type Sequence = readonly Tensor[];

/** What such an op makes, yielding every few milliseconds. */
export function* sequenceOp(op: string, inputs: Inputs, attrs: Attributes): Generator<void, Value> {
  const made = ops[op]!(inputs, attrs);
  return made !== null && 'next' in made ? yield* made : made;
}

/**
 * By op: its one result. Tensors that a sequence or an optional is to keep are copied, as those of a run lie in memory that
 * will be used again; what is kept never changes, and may be shared.
 */
const ops: Readonly<Record<string, (inputs: Inputs, attrs: Attributes) => Value | Generator<void, Value>>> = {
  SequenceConstruct: (tensors) => (tensors as Sequence).map(copyOf),
  SequenceEmpty: () => [],
  SequenceInsert: ([given, tensor, position]) => {
    const sequence = given as Sequence;
    return sequence.toSpliced(positionIn(sequence, position, sequence.length), 0, copyOf(tensor as Tensor));
  },
  SequenceErase: ([given, position]) => {
    const sequence = given as Sequence;
    return sequence.toSpliced(positionIn(sequence, position, sequence.length - 1), 1);
  },
  SequenceAt: ([given, position]) => {
    const sequence = given as Sequence;
    return sequence[positionIn(sequence, position, sequence.length - 1)]!;
  },
  SequenceLength: ([sequence]) => new Tensor('int64', [(sequence as Sequence).length], []),
  ConcatFromSequence: ([given], attrs) => {
    const sequence = given as Sequence;
    if (sequence.length === 0) throw new EspalierError('BAD_INPUT', 'its sequence is empty, with nothing to join');
    const axis = attrs['axis'] as number;
    return attrs['new_axis'] === 1
      ? stack(sequence, axis)
      : concat(sequence, normalizeAxis(axis, sequence[0]!.dims.length));
  },
  SplitToSequence: ([tensor, split], attrs) => splitTensor(tensor as Tensor, split as Tensor | undefined, attrs),
  Optional: ([element = null]) => keep(element),
  OptionalGetElement: ([element = null]) => {
    if (element === null) throw new EspalierError('BAD_INPUT', 'its optional is empty: ask OptionalHasElement first');
    return keep(element);
  },
  OptionalHasElement: ([element = null]) => new Tensor('bool', [element !== null], []),
};

function keep(value: Value): Value {
  return value === null || isSequence(value) ? value : copyOf(value);
}

/** The position that an input says, counted from the end where it is negative; `last` without one. */
function positionIn({ length }: Sequence, input: Value | undefined, last: number): number {
  const given = input ? Number((input as Tensor).data[0]) : last;
  const position = given < 0 ? given + length : given;
  if (position < 0 || position > last)
    throw new EspalierError('BAD_INPUT', `position ${given} is out of a sequence of ${length} tensors`);
  return position;
}

function* splitTensor(
  tensor: Tensor,
  split: Tensor | undefined,
  attrs: Attributes,
): Generator<void, readonly Tensor[]> {
  const axis = normalizeAxis(attrs['axis'] as number, tensor.dims.length);
  const extent = tensor.dims[axis]!;
  const given = split ? Array.from(split.data as ArrayLike<number | bigint>, Number) : [1];
  const isList = split?.dims.length === 1;
  if (isList ? given.some((size) => size < 0) || sum(given) !== extent : given[0]! < 1)
    throw new EspalierError('BAD_INPUT', `an axis of ${extent} cannot be split into parts of ${given}`);
  const parts: Tensor[] = [];
  for (let from = 0, i = 0; isList ? i < given.length : from < extent; i++) {
    const to = Math.min(extent, from + given[isList ? i : 0]!);
    const part = slice(tensor, axis, from, to);
    parts.push(split || attrs['keepdims'] !== 0 ? part : part.reshape(part.dims.toSpliced(axis, 1)));
    from = to;
    yield;
  }
  return parts;
}

/** Elements `from` to `to` along an axis. */
export function slice(tensor: Tensor, axis: number, from: number, to: number): Tensor {
  const { dims, data } = tensor;
  const inner = product(dims.slice(axis + 1));
  const outer = product(dims.slice(0, axis));
  const run = (to - from) * inner;
  const target = arrayLike(data, outer * run);
  for (let o = 0; o < outer; o++) copy(data, (o * dims[axis]! + from) * inner, target, o * run, run);
  return new Tensor(tensor.type, target, dims.with(axis, to - from));
}

/** At least one tensor, joined along an axis. @throws EspalierError `SHAPE_MISMATCH` where they differ on another */
function* concat(tensors: Sequence, axis: number): Generator<void, Tensor> {
  const [{ type, dims, data }] = tensors as [Tensor];
  for (const other of tensors) {
    if (other.dims.length !== dims.length || String(other.dims.with(axis, 0)) !== String(dims.with(axis, 0)))
      throw new EspalierError('SHAPE_MISMATCH', `[${dims}] and [${other.dims}] cannot be joined along axis ${axis}`);
  }
  const extent = sum(tensors.map((tensor) => tensor.dims[axis]!));
  const inner = product(dims.slice(axis + 1));
  const outer = product(dims.slice(0, axis));
  const target = arrayLike(data, outer * extent * inner);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const tensor of tensors) {
      const run = tensor.dims[axis]! * inner;
      copy(tensor.data, o * run, target, at, run);
      at += run;
      yield;
    }
  }
  return new Tensor(type, target, dims.with(axis, extent));
}

/** At least one tensor, all of one shape, joined along a new axis. */
export function stack(tensors: Sequence, at: number): Generator<void, Tensor> {
  const { dims } = tensors[0]!;
  for (const other of tensors) {
    if (String(other.dims) !== String(dims))
      throw new EspalierError('SHAPE_MISMATCH', `tensors of [${dims}] and [${other.dims}] cannot be stacked`);
  }
  const axis = normalizeAxis(at, dims.length + 1);
  const wide = dims.toSpliced(axis, 0, 1);
  return concat(
    tensors.map((tensor) => tensor.reshape(wide)),
    axis,
  );
}

function arrayLike(data: TensorData, length: number): TensorData {
  if (Array.isArray(data)) return new Array<string>(length).fill('');
  return new (data.constructor as Uint8ArrayConstructor)(length);
}

function copy(source: TensorData, from: number, target: TensorData, to: number, count: number): void {
  // Both are of one kind, which the type does not tell. A view costs more than a few elements.
  const [a, b] = [source as Uint8Array, target as Uint8Array];
  if (Array.isArray(source) || count < SHORT_RUN) for (let i = 0; i < count; i++) b[to + i] = a[from + i]!;
  else b.set(a.subarray(from, from + count), to);
}

const SHORT_RUN = 16;

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
