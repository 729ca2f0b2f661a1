/** Ops that make a tensor from sizes and single values. */

import { type HostKernel, readNibble, type Tensor } from '@espalier/core';
import { define, each, type Operands } from '../define.ts';
import { isBig } from '../elementwise.ts';
import { zero } from '../movement.ts';
import { fill } from '../strided.ts';

function range({ inputs: [start, , delta], outputs: [y] }: Operands) {
  return each(y!.size, (from, to) => {
    const [first, step] = [start!.data[0], delta!.data[0]];
    const number: (i: number) => typeof first = isBig(y!.dtype) ? BigInt : Number;
    for (let i = from; i < to; i++) y!.data[i] = first + number(i) * step;
  });
}

function constantOfShape({ outputs: [y], attrs }: Operands) {
  const value = attrs.value as Tensor | undefined;
  const isPacked = value?.type === 'int4' || value?.type === 'uint4';
  return fill(y!, () => {
    if (!value) return 0;
    return isPacked ? readNibble(value.data as Uint8Array, 0, value.type === 'int4') : value.data[0];
  });
}

function eyeLike({ outputs: [y], attrs }: Operands) {
  const [, columns] = y!.dims;
  const one = isBig(y!.dtype) ? 1n : 1;
  return each(y!.size, (from, to) => {
    for (let i = from; i < to; i++) {
      const row = Math.floor(i / columns);
      y!.data[i] = i - row * columns === row + (attrs.k as number) ? one : zero(y!.dtype);
    }
  });
}

function oneHot({ inputs: [indices, , values], outputs: [y], attrs }: Operands) {
  const axis = (attrs.axis as number) + ((attrs.axis as number) < 0 ? y!.dims.length : 0);
  const depth = y!.dims[axis];
  const inner = y!.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const mark = each(indices!.size, (from, to) => {
    for (let i = from; i < to; i++) {
      const given = Math.trunc(Number(indices!.data[i]));
      const index = given < 0 ? given + depth : given;
      if (!(index >= 0 && index < depth)) continue;
      const outer = Math.floor(i / inner);
      y!.data[(outer * depth + index) * inner + (i - outer * inner)] = values!.data[1];
    }
  });
  return [fill(y!, () => values!.data[0]), mark];
}

export const generators: readonly HostKernel[] = [
  define({ op: 'Range', compute: range }),
  define({ op: 'ConstantOfShape', raw: true, compute: constantOfShape }),
  define({ op: 'EyeLike', compute: eyeLike }),
  define({ op: 'OneHot', compute: oneHot }),
];
