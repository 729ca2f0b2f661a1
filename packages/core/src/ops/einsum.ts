/** Einstein summation: the notation, and the shape it gives. */

import type { Dim } from '../dim.ts';
import { dim } from '../dim.ts';
import { floats, ints } from '../dtype.ts';
import { EspalierError } from '../errors.ts';
import { attr, op, params, schemas } from './define.ts';

/** The labels of every axis; those of an ellipsis are `.0`, `.1`, ... counted from the right. */
export interface EinsumLabels {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function bad(equation: string, why: string): never {
  throw new EspalierError('BAD_GRAPH', `the equation "${equation}" ${why}`);
}

/** Reads an equation for operands of these ranks. @throws EspalierError `BAD_GRAPH` */
export function parseEinsum(equation: string, ranks: readonly number[]): EinsumLabels {
  const [left, right, ...rest] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (rest.length > 0) bad(equation, 'has more than one arrow');
  if (terms.length !== ranks.length) bad(equation, `has ${terms.length} terms for ${ranks.length} inputs`);
  let broadcast = 0;
  const letters = (term: string, wide: number): string[] => {
    const [before, after, ...more] = term.split('...');
    if (more.length > 0 || !/^[A-Za-z]*$/.test(before + (after ?? ''))) bad(equation, `has a malformed term "${term}"`);
    const dots = after === undefined ? [] : Array.from({ length: wide }, (_, i) => `.${wide - 1 - i}`);
    return [...before, ...dots, ...(after ?? '')];
  };
  const inputs = terms.map((term, i) => {
    const wide = term.includes('...') ? ranks[i] - (term.length - 3) : 0;
    const labels = letters(term, wide);
    if (wide < 0 || labels.length !== ranks[i])
      bad(equation, `names ${labels.length} axes for input ${i}, which has ${ranks[i]}`);
    broadcast = Math.max(broadcast, wide);
    return labels;
  });
  const all = inputs.flat();
  if (right !== undefined) {
    const output = letters(right, broadcast);
    for (const label of output)
      if (!all.includes(label) || output.indexOf(label) !== output.lastIndexOf(label))
        bad(equation, `cannot have "${label}" so in its output`);
    return { inputs, output };
  }
  const once = all.filter((label) => label.length === 1 && all.indexOf(label) === all.lastIndexOf(label));
  return { inputs, output: [...letters('...', broadcast), ...once.sort()] };
}

/** The extent of every label. @throws EspalierError `SHAPE_MISMATCH` */
export function einsumExtents(labels: EinsumLabels, shapes: readonly (readonly Dim[])[]): Map<string, Dim> {
  const extents = new Map<string, Dim>();
  labels.inputs.forEach((term, i) => {
    term.forEach((label, axis) => {
      extents.set(label, dim.broadcast(extents.get(label) ?? 1, shapes[i][axis]));
    });
  });
  return extents;
}

export const einsum = schemas(() => [
  op('Einsum', [12, 28], {
    widened: [28],
    types: { T: [...floats, ...ints] },
    inputs: params('...Inputs:T'),
    outputs: params('Output:T'),
    attributes: { equation: attr.required('string') },
    infer: (c) => {
      const shapes = Array.from({ length: c.inputCount }, (_, i) => c.shape(i));
      const labels = parseEinsum(
        c.string('equation'),
        shapes.map((shape) => shape.length),
      );
      const extents = einsumExtents(labels, shapes);
      c.output(
        0,
        labels.output.map((label) => extents.get(label)!),
      );
    },
  }),
]);
