/** Attributes as files have them: their kinds, and the tensors that Constant makes of them. */

import { type Attribute, EspalierError, Tensor } from '@espalier/core';
import { type AttributeProto, attributeTypes } from './proto.ts';

/** An attribute as the file has it, and built where its node stands. */
export interface Argument {
  readonly proto: AttributeProto;
  readonly value: Attribute;
}

/** The kind of an attribute: what it declares, or in the first files, that of the only field with a value. */
export function typeOfAttribute(proto: AttributeProto): string {
  const present = [...attributeTypes.values()].filter(([, field]) => {
    const value = proto[field];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  const declared = attributeTypes.get(proto.type as 1);
  // Some writers leave out zeros and empty texts, so that nothing at all is fine.
  if (declared && (present.length === 0 || present.includes(declared))) return declared[0];
  if (proto.type && !declared) return `value of attribute type ${proto.type} (a sparse tensor or a list of types)`;
  if (declared || present.length !== 1) throw new EspalierError('BAD_GRAPH', 'does not hold a value of its type');
  return present[0]![0];
}

const constantTypes: Readonly<Record<string, string>> = {
  value: 'tensor',
  value_float: 'float',
  value_floats: 'floats',
  value_int: 'int',
  value_ints: 'ints',
  value_string: 'string',
  value_strings: 'strings',
};

/** What a Constant makes of its attribute `name`. @throws EspalierError `BAD_GRAPH` where it has no such one */
export function constantOf(name: string, { proto, value }: Argument): Tensor {
  if (!Object.hasOwn(constantTypes, name))
    throw new EspalierError('BAD_GRAPH', `"${name}" is no attribute of Constant`);
  if (typeOfAttribute(proto) !== constantTypes[name])
    throw new EspalierError('BAD_GRAPH', `its attribute "${name}" is of another type`);
  switch (name) {
    case 'value':
      return value as Tensor;
    case 'value_int':
      return new Tensor('int64', [proto.i ?? 0n], []);
    case 'value_ints':
      return new Tensor('int64', proto.ints);
    case 'value_float':
      return new Tensor('float32', [value as number], []);
    case 'value_floats':
      return new Tensor('float32', value as number[]);
    case 'value_string':
      return new Tensor('string', [value as string], []);
    default:
      return new Tensor('string', value as string[]);
  }
}
