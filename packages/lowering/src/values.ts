/** Ops whose result is a few integers that the sizes of a call tell. */

import { type Binding, type Call, type Dim, dim, ESPALIER, sizeOf } from '@espalier/core';
import { agree, type BoundCall } from './rearrange.ts';

interface SizedCall extends BoundCall {
  readonly at: Binding;
}

export interface SizeValues {
  readonly op: string;
  readonly domain?: string;
  /** Where not those that the op's schema tells. */
  readonly types?: Readonly<Record<string, never>>;
  /** Why a call cannot be served. */
  reject?(call: Call): string | undefined;
  /** @throws EspalierError `SHAPE_MISMATCH` where the result has other elements */
  values(call: Call, bound: SizedCall): readonly number[];
}

const shape = ({ attrs }: Call, { inputs: [x] }: SizedCall): readonly number[] => {
  const at = (name: string): number | undefined => {
    const given = attrs[name] as number | undefined;
    return given === undefined ? undefined : Math.max(given < 0 ? given + x!.dims.length : given, 0);
  };
  return x!.dims.slice(at('start'), at('end'));
};

/** Values of the op `op`, as many as its result holds. */
const checked = (
  op: string,
  values: SizeValues['values'],
  more: Pick<SizeValues, 'domain' | 'types' | 'reject'> = {},
): SizeValues => ({
  op,
  values(call, bound) {
    const found = values(call, bound);
    agree(found.length, sizeOf(bound.outputs[0]!.dims), 'the elements of its output');
    return found;
  },
  ...more,
});

export const sizeValues = (): readonly SizeValues[] => [
  checked('Shape', shape),
  checked('Size', (_, { inputs: [x] }) => [sizeOf(x!.dims)]),
  checked('Dims', ({ attrs }, { at }) => (attrs['dims'] as readonly Dim[]).map((d) => dim.evaluate(d, at)), {
    domain: ESPALIER,
    types: {},
    reject: ({ outputs: [y] }) =>
      y!.dtype === 'int64' || y!.dtype === 'int32' ? undefined : `its dtype is ${y!.dtype}`,
  }),
];
