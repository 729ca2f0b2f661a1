/** Short forms for writing schemas. */

import type { ValueKind } from '../graph.ts';
import type { AttributeSchema, Inference, OpSchema, ParamSchema } from '../schema.ts';

/**
 * Parameters from `'name:type'`: `'B?:T'` is optional, `'...inputs:T'` variadic, `'...~inputs:V'` variadic with mixed dtypes.
 * @__NO_SIDE_EFFECTS__
 */
export function params(...texts: readonly string[]): ParamSchema[] {
  return texts.map((text) => {
    const match = /^(\.\.\.)?(~)?([\w]+)(\?)?:(\w+)$/.exec(text);
    if (!match) throw new TypeError(`"${text}" is not a parameter`);
    const [, variadic, mixed, name, optional, type] = match;
    return {
      name: name!,
      type: type!,
      ...(optional ? { optional: true } : {}),
      ...(variadic ? { variadic: mixed ? 'mixed' : true } : {}),
    };
  });
}

export const valueKinds: readonly ValueKind[] = ['tensor', 'sequence', 'optional', 'optional(sequence)'];

/** A schema in ONNX's domain, with one input `X:T` and one output `Y:T` unless said otherwise. */
export function op(
  name: string,
  versions: readonly number[],
  rest: Pick<OpSchema, 'types'> & Partial<Omit<OpSchema, 'name' | 'versions'>>,
): OpSchema {
  return {
    name,
    domain: '',
    versions,
    inputs: params('X:T'),
    outputs: params('Y:T'),
    attributes: {},
    infer: sameShape,
    ...rest,
  };
}

export const attr = {
  int: (value?: number): AttributeSchema => (value === undefined ? { type: 'int' } : { type: 'int', default: value }),
  float: (value?: number): AttributeSchema =>
    value === undefined ? { type: 'float' } : { type: 'float', default: value },
  string: (value?: string): AttributeSchema =>
    value === undefined ? { type: 'string' } : { type: 'string', default: value },
  ints: (value?: readonly number[]): AttributeSchema =>
    value === undefined ? { type: 'ints' } : { type: 'ints', default: value },
  required: (type: AttributeSchema['type']): AttributeSchema => ({ type, required: true }),
};

/**
 * Schemas, made in a function so that bundlers leave out those that a program does not name.
 * @__NO_SIDE_EFFECTS__
 */
export function schemas(make: () => readonly OpSchema[]): readonly OpSchema[] {
  return make();
}

/** The output has the first input's shape. */
export function sameShape(c: Inference): void {
  c.output(0, c.shape(0));
}
