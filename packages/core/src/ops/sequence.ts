/** Sequences and optionals: how they are made, read and taken apart. The runtime executes these ops. */

import { containerOf, formatType, hideSizes, isRanked, joinShapes, OPEN } from '../container.ts';
import type { Dim } from '../dim.ts';
import { allDTypes, dtypes } from '../dtype.ts';
import type { Container, ValueType } from '../graph.ts';
import type { Inference } from '../schema.ts';
import { normalizeAxis, type Shape } from '../shape.ts';
import { dtypeAttribute } from './cast.ts';
import { ranked, single } from './check.ts';
import { graphOf } from './control.ts';
import { attr, op, params, schemas, valueKinds } from './define.ts';

const held = allDTypes.filter((dtype) => dtypes[dtype].bits !== 4);
const types = { T: held, S: held, I: ['int32', 'int64'] } as const;
const kinds = { S: ['sequence'] } as const;

function sayContainer(c: Inference, kind: Container['kind'], shape: Shape | undefined, { dtype }: ValueType): void {
  c.output(0, [], { dtype, container: containerOf(kind, shape) });
}

/** The shape of a tensor that input `index` holds, its sizes as they are written there. */
function heldShape(c: Inference, index: number): Shape {
  const type = c.input(index);
  const shape = type.container!.shape;
  if (!isRanked(shape))
    c.unsupported(`how many axes the tensors in its input ${index} have is not known: it is ${formatType(type)}`);
  return shape;
}

/** Says output 0: a tensor whose open sizes only the run knows. */
function sayTensor(c: Inference, shape: Shape, { dtype }: ValueType): void {
  const sizes = shape.map((d, axis) => (d === OPEN ? c.fresh(0, axis) : d));
  c.output(0, sizes, { dtype });
}

function construct(c: Inference): void {
  const shapes = Array.from({ length: c.inputCount }, (_, i) => c.shape(i));
  sayContainer(c, 'sequence', shapes.reduce<Shape | undefined>(joinShapes, undefined), c.input(0));
}

function insert(c: Inference): void {
  const [sequence, tensor] = [c.input(0), c.input(1)];
  if (sequence.dtype !== tensor.dtype) c.fail(`inserts ${formatType(tensor)} into ${formatType(sequence)}`);
  single(c, 2);
  sayContainer(c, 'sequence', joinShapes(sequence.container!.shape, tensor.shape), sequence);
}

function erase(c: Inference): void {
  single(c, 1);
  sayContainer(c, 'sequence', c.input(0).container!.shape, c.input(0));
}

function at(c: Inference): void {
  single(c, 1);
  sayTensor(c, heldShape(c, 0), c.input(0));
}

function concat(c: Inference): void {
  const shape = heldShape(c, 0);
  const added = c.int('new_axis');
  if (added !== 0 && added !== 1) c.fail(`its attribute "new_axis" is ${added}, not 0 or 1`);
  const axis = normalizeAxis(c.int('axis'), shape.length + added);
  sayTensor(c, shape.toSpliced(axis, 1 - added, OPEN), c.input(0));
}

function split(c: Inference): void {
  const shape = ranked(c, 0, 1, true);
  const axis = normalizeAxis(c.int('axis'), shape.length);
  const keeps = c.has(1) || c.int('keepdims') !== 0;
  const size = c.has(1) ? partSize(c, shape[axis]!) : 1;
  sayContainer(c, 'sequence', shape.toSpliced(axis, 1, ...(keeps ? [size] : [])), c.input(0));
}

/** The size of all parts that a tensor is split into, where it is one. */
function partSize(c: Inference, extent: Dim): Dim {
  if (c.shape(1).length > 1) c.fail('its input 1 (split) is neither a number nor a list of numbers');
  const [size = 0, ...more] = c.integers(1) ?? [];
  const isList = c.shape(1).length === 1;
  const isEven = isList ? more.every((other) => other === size) : typeof extent === 'number' && extent % size === 0;
  return size > 0 && isEven ? size : OPEN;
}

function map(c: Inference): void {
  const opened = new Set<Dim>();
  const elements = Array.from({ length: c.inputCount }, (_, i): ValueType => {
    const { dtype, shape, container } = c.input(i);
    if (!container) return { dtype, shape };
    const sizes = heldShape(c, i).map((d, axis) => (d === OPEN ? c.fresh(i, axis) : d));
    sizes.forEach((d, axis) => void (container.shape![axis] === OPEN && opened.add(d)));
    return { dtype, shape: sizes };
  });
  const { outputs, fresh } = c.subgraph(graphOf(c, 'body'), elements);
  if (outputs.length !== c.outputCount) c.fail(`its body has ${outputs.length} outputs, not ${c.outputCount}`);
  outputs.forEach((made, i) => {
    if (made.container) c.fail(`its body makes ${formatType(made)}; sequences are of tensors`);
    const container = hideSizes({ kind: 'sequence', shape: made.shape }, new Set<Dim>([...fresh, ...opened]));
    c.output(i, [], { dtype: made.dtype, container });
  });
}

function optional(c: Inference): void {
  const given = c.has(0) ? c.input(0) : (c.attrs['type'] as ValueType | undefined);
  if (!given) c.fail('has neither an input nor the attribute "type"');
  const kind = given.container?.kind;
  if (kind !== undefined && kind !== 'sequence') c.fail(`is to hold ${formatType(given)}; optionals do not nest`);
  const shape = c.has(0) ? (given.container ? given.container.shape : given.shape) : undefined;
  sayContainer(c, kind ? 'optional(sequence)' : 'optional', shape, given);
}

function getElement(c: Inference): void {
  const given = c.input(0);
  if (given.container?.kind === 'optional') sayTensor(c, heldShape(c, 0), given);
  else if (given.container) sayContainer(c, 'sequence', given.container.shape, given);
  else c.output(0, given.shape, { dtype: given.dtype, contents: c.contents(0) });
}

function hasElement(c: Inference): void {
  const isOpen = c.has(0) && c.input(0).container?.kind.startsWith('optional');
  c.output(0, [], { dtype: 'bool', contents: isOpen ? undefined : [c.has(0) ? 1 : 0] });
}

export const sequences = schemas(() => [
  op('SequenceConstruct', [11], {
    types,
    inputs: params('...inputs:T'),
    outputs: params('output_sequence:S'),
    infer: construct,
  }),
  op('SequenceEmpty', [11], {
    types,
    inputs: [],
    outputs: params('output:S'),
    attributes: { dtype: attr.int() },
    infer: (c) =>
      sayContainer(c, 'sequence', undefined, { dtype: dtypeAttribute(c, 'dtype', held) ?? 'float32', shape: [] }),
  }),
  op('SequenceInsert', [11], {
    types,
    kinds,
    inputs: params('input_sequence:S', 'tensor:T', 'position?:I'),
    outputs: params('output_sequence:S'),
    infer: insert,
  }),
  op('SequenceErase', [11], {
    types,
    kinds,
    inputs: params('input_sequence:S', 'position?:I'),
    outputs: params('output_sequence:S'),
    infer: erase,
  }),
  op('SequenceAt', [11], {
    types,
    kinds,
    inputs: params('input_sequence:S', 'position:I'),
    outputs: params('tensor:T'),
    infer: at,
  }),
  op('SequenceLength', [11], {
    types,
    kinds,
    inputs: params('input_sequence:S'),
    outputs: params('length:int64'),
    infer: (c) => c.output(0, []),
  }),
  op('ConcatFromSequence', [11], {
    types,
    kinds,
    inputs: params('input_sequence:S'),
    outputs: params('concat_result:T'),
    attributes: { axis: attr.required('int'), new_axis: attr.int(0) },
    infer: concat,
  }),
  op('SplitToSequence', [11, 24], {
    widened: [24],
    types,
    inputs: params('input:T', 'split?:I'),
    outputs: params('output_sequence:S'),
    attributes: { axis: attr.int(0), keepdims: attr.int(1) },
    infer: split,
  }),
  op('SequenceMap', [17], {
    types: { ...types, V: held },
    kinds: { ...kinds, V: ['tensor', 'sequence'] },
    inputs: params('input_sequence:S', '...~additional_inputs?:V'),
    outputs: params('...~out_sequence:S'),
    attributes: { body: attr.required('graph') },
    infer: map,
  }),
  op('Optional', [15, 28], {
    widened: [28],
    types: { V: held, O: held },
    kinds: { V: ['tensor', 'sequence'] },
    inputs: params('input?:V'),
    outputs: params('output:O'),
    attributes: { type: { type: 'type' } },
    infer: optional,
  }),
  op('OptionalGetElement', [15, 18, 28], {
    widened: [18, 28],
    types: { V: held, O: held },
    kinds: { O: valueKinds },
    inputs: params('input:O'),
    outputs: params('output:V'),
    infer: getElement,
  }),
  op('OptionalHasElement', [15, 18, 28], {
    widened: [18, 28],
    types: { O: held },
    kinds: { O: valueKinds },
    inputs: params('input?:O'),
    outputs: params('output:bool'),
    infer: hasElement,
  }),
]);
