/** Shapes as values, and other shapes for the same elements. */

import { type Dim, dim, ESPALIER, type HostKernel } from '@espalier/core';
import { agree } from '../agree.ts';
import { define, type JsOp, type Operand, once } from '../define.ts';
import { isBig } from '../elementwise.ts';
import { movement } from '../movement.ts';
import { copyAll } from '../strided.ts';

/** A phase that writes a few sizes. */
function write({ data, dtype }: Operand, sizes: readonly number[]) {
  return once(() => {
    sizes.forEach((size, i) => {
      data[i] = isBig(dtype) ? BigInt(size) : size;
    });
  });
}

// Runtimes treat these as views and never come here; as definitions they are copies.
const view = (op: string): JsOp => ({
  op,
  compute: ({ inputs: [x], outputs: [y] }) => {
    agree(x!.size, y!.size, 'the number of elements before and after');
    return copyAll(y!, x!);
  },
});

export const shapes: readonly HostKernel[] = [
  ...movement({
    op: 'Shape',
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const at = (name: string): number | undefined => {
        const given = attrs[name] as number | undefined;
        return given === undefined ? undefined : Math.max(given < 0 ? given + x!.dims.length : given, 0);
      };
      return write(y!, x!.dims.slice(at('start'), at('end')));
    },
  }),
  ...movement({ op: 'Size', compute: ({ inputs: [x], outputs: [y] }) => write(y!, [x!.size]) }),
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].flatMap((op) => movement(view(op))),
  define({
    op: 'Dims',
    domain: ESPALIER,
    compute: ({ outputs: [y], attrs, at }) =>
      write(
        y!,
        (attrs.dims as readonly Dim[]).map((d) => dim.evaluate(d, at)),
      ),
  }),
];
