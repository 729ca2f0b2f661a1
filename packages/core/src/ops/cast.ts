/** Ops that give the same elements again: as they are, or as another dtype. */

import { allDTypes, type DType, dtypeFromOnnx, dtypes, floats } from '../dtype.ts';
import type { AttributeSchema, Inference } from '../schema.ts';
import { attr, op, params, schemas, valueKinds } from './define.ts';
import { element, elementContents } from './elementwise.ts';

/** The dtype that attribute `name` gives by ONNX's number, undefined where it is absent or 0. */
export function dtypeAttribute(c: Inference, name: string, allowed: readonly DType[]): DType | undefined {
  const code = c.attrs[name] === undefined ? 0 : c.int(name);
  if (code === 0) return undefined;
  const dtype = dtypeFromOnnx(code);
  if (dtype === undefined || !allowed.includes(dtype))
    c.unsupported(`its attribute "${name}" is ${dtype ?? `ONNX's data type ${code}`}; it can be ${allowed.join(', ')}`);
  return dtype;
}

function castTo(c: Inference, dtype: DType): void {
  const shape = c.shape(0);
  const rule = dtype === 'bool' ? element.toBool : element.same;
  const keeps = dtypes[dtype].kind !== 'float' && dtypes[dtype].bits > 4;
  c.output(0, shape, { dtype, contents: keeps ? elementContents(c, shape, 1, rule, dtype) : undefined });
}

/** How values leave the range of 8-bit floats, which are not among the dtypes. */
const outOfRange: Readonly<Record<string, AttributeSchema>> = { saturate: attr.int(1), round_mode: attr.string('up') };
const types = { T1: allDTypes, T2: allDTypes };

function dropout(c: Inference): void {
  c.output(0, c.shape(0));
  if (c.outputCount > 1) c.output(1, c.shape(0), { dtype: 'bool' });
}

export const cast = schemas(() => [
  op('Cast', [1, 6, 9, 13, 19, 21, 23, 24, 25, 28], {
    widened: [9, 13, 19, 21, 23, 24, 25, 28],
    types,
    inputs: params('input:T1'),
    outputs: params('output:T2'),
    attributes: { to: attr.required('int'), ...outOfRange },
    infer: (c) => castTo(c, dtypeAttribute(c, 'to', allDTypes) ?? c.fail('its attribute "to" is 0, which is no dtype')),
  }),
  op('CastLike', [15, 19, 21, 23, 24, 25], {
    widened: [19, 21, 23, 24, 25],
    types,
    inputs: params('input:T1', 'target_type:T2'),
    outputs: params('output:T2'),
    attributes: outOfRange,
    infer: (c) => castTo(c, c.input(1).dtype),
  }),
  op('Identity', [1, 13, 14, 16, 19, 21, 23, 24, 25], {
    widened: [13, 14, 16, 19, 21, 23, 24, 25],
    types: { V: allDTypes },
    kinds: { V: valueKinds },
    inputs: params('input:V'),
    outputs: params('output:V'),
    view: true,
    infer: (c) => c.output(0, c.shape(0), { contents: c.contents(0), container: c.input(0).container }),
  }),
  op('Dropout', [1, 6, 7, 10, 12, 13, 22], {
    widened: [13, 22],
    types: { T: floats, T1: floats, T2: ['bool'] },
    inputs: params('data:T', 'ratio?:T1', 'training_mode?:T2'),
    outputs: params('output:T', 'mask?:T2'),
    attributes: { seed: attr.int() },
    // Without training_mode it is the identity.
    view: 2,
    infer: dropout,
  }),
]);
