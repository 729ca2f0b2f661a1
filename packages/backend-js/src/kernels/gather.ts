/** Ops that read or write where an index tensor says. */

import { EspalierError, type HostKernel, normalizeAxis, type Phase, sizeOf, stridesOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { define, each, type Operand, type Operands } from '../define.ts';
import { isBig } from '../elementwise.ts';
import { checkIndex, movement } from '../movement.ts';
import { copy, copyAll, walk } from '../strided.ts';

function gather({ inputs: [x, indices], outputs: [y], attrs }: Operands): Phase[] {
  const { dims, data } = x!;
  const axis = normalizeAxis(attrs.axis as number, dims.length);
  const [outer, extent, inner] = [sizeOf(dims.slice(0, axis)), dims[axis], sizeOf(dims.slice(axis + 1))];
  const starts = new Float64Array(indices!.size);
  const find = each(starts.length, (from, to) => {
    for (let i = from; i < to; i++) starts[i] = checkIndex(indices!.data[i], extent, axis) * inner;
  });
  const to = { data: y!.data, strides: [starts.length * inner, inner, 1] };
  return [find, copy([outer, starts.length, inner], to, { data, strides: [extent * inner, starts, 1] })];
}

/** Visits each element of `indices` with the place in `data` that it names along `axis`, its own place along the others. */
function named(data: Operand, indices: Operand, axis: number, visit: (index: number, place: number) => void): Phase {
  const strides = stridesOf(data.dims);
  indices.dims.forEach((extent, at) => {
    if (at !== axis && extent > data.dims[at])
      throw new EspalierError('SHAPE_MISMATCH', `${extent} indices for axis ${at} of extent ${data.dims[at]}`);
  });
  const step = strides[axis];
  const others = strides.map((stride, at) => (at === axis ? 0 : stride));
  return each(indices.size, (from, to) =>
    walk(indices.dims, others, from, to, (i, place) =>
      visit(i, place + checkIndex(indices.data[i], data.dims[axis], axis) * step),
    ),
  );
}

function gatherElements({ inputs: [x, indices], outputs: [y], attrs }: Operands): Phase {
  const axis = normalizeAxis(attrs.axis as number, x!.dims.length);
  return named(x!, indices!, axis, (i, place) => {
    y!.data[i] = x!.data[place];
  });
}

function scatterElements({ inputs: [x, indices, updates], outputs: [y], attrs }: Operands): Phase[] {
  const axis = normalizeAxis(attrs.axis as number, x!.dims.length);
  indices!.dims.forEach((extent, at) => void agree(updates!.dims[at], extent, `the updates along axis ${at}`));
  const reduce = reducer(attrs.reduction as string, y!);
  const write = named(x!, indices!, axis, (i, place) => {
    y!.data[place] = reduce(y!.data[place], updates!.data[i]);
  });
  return [copyAll(y!, x!), { ...write, sequential: true }];
}

/** Where the slices start that index tuples name, found in a phase of their own, and how many elements a slice has. */
function tuples(
  data: Operand,
  indices: Operand,
  batchDims: number,
): { starts: Float64Array; inner: number; find: Phase } {
  const length = indices.dims.at(-1)!;
  const strides = stridesOf(data.dims);
  const lead = indices.dims.slice(0, -1);
  lead.slice(0, batchDims).forEach((extent, axis) => void agree(extent, data.dims[axis], `the batch axis ${axis}`));
  const perBatch = sizeOf(lead.slice(batchDims));
  const batch = sizeOf(data.dims.slice(batchDims));
  const starts = new Float64Array(sizeOf(lead));
  const find = each(starts.length, (from, to) => {
    for (let t = from; t < to; t++) {
      starts[t] = Math.floor(t / perBatch) * batch;
      for (let part = 0; part < length; part++) {
        const axis = batchDims + part;
        starts[t] += checkIndex(indices.data[t * length + part], data.dims[axis], axis) * strides[axis];
      }
    }
  });
  return { starts, inner: sizeOf(data.dims.slice(batchDims + length)), find };
}

function gatherND({ inputs: [x, indices], outputs: [y], attrs }: Operands): Phase[] {
  const { starts, inner, find } = tuples(x!, indices!, attrs.batch_dims as number);
  const to = { data: y!.data, strides: [inner, 1] };
  return [find, copy([starts.length, inner], to, { data: x!.data, strides: [starts, 1] })];
}

function scatterND({ inputs: [x, indices, updates], outputs: [y], attrs }: Operands): Phase[] {
  const { starts, inner, find } = tuples(x!, indices!, 0);
  agree(updates!.size, starts.length * inner, 'the number of its updates');
  const reduce = reducer(attrs.reduction as string, y!);
  const write: Phase = {
    units: updates!.size,
    sequential: true,
    run: (from, to) => {
      for (let i = from; i < to; i++) {
        const place = starts[Math.floor(i / inner)] + (i % inner);
        y!.data[place] = reduce(y!.data[place], updates!.data[i]);
      }
    },
  };
  return [copyAll(y!, x!), find, write];
}

// biome-ignore lint/suspicious/noExplicitAny: numbers, bigints or strings.
type Reduce = (old: any, update: any) => any;

/** What becomes of an element that is written over; integers wrap around as they are stored. */
function reducer(reduction: string, { dtype }: Operand): Reduce {
  if (reduction === 'none') return (_, update) => update;
  if (reduction === 'add') return dtype === 'bool' ? (a, b) => a | b : (a, b) => a + b;
  if (reduction === 'mul') {
    // 32-bit products have more bits than a double.
    return dtype === 'int32' || dtype === 'uint32' ? Math.imul : (a, b) => a * b;
  }
  if (!isBig(dtype)) return reduction === 'max' ? Math.max : Math.min;
  const keeps: Reduce = reduction === 'max' ? (a, b) => a > b : (a, b) => a < b;
  return (a, b) => (keeps(a, b) ? a : b);
}

const scatters = [
  { op: 'ScatterElements', compute: scatterElements },
  { op: 'ScatterND', compute: scatterND },
];

export const gathers: readonly HostKernel[] = [
  ...movement({ op: 'Gather', compute: gather }),
  ...movement({ op: 'GatherElements', compute: gatherElements }),
  ...movement({ op: 'GatherND', compute: gatherND }),
  ...scatters.flatMap(({ op, compute }) => {
    const isPlain = (reduction: unknown): boolean => reduction === 'none';
    const [, strings] = movement({
      op,
      compute,
      reject: ({ attrs }) => (isPlain(attrs.reduction) ? undefined : `strings cannot be reduced by ${attrs.reduction}`),
    });
    return [define({ op, compute }), strings];
  }),
];
