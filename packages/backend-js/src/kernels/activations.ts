/** Activations: one element in, one element out. */

import type { HostKernel } from '@espalier/core';
import { define, each } from '../define.ts';

export const activations: readonly HostKernel[] = [
  define({
    op: 'Relu',
    compute: ({ inputs: [x], outputs: [y] }) =>
      each(y!.size, (from, to) => {
        const [a, b] = [x!.data, y!.data];
        const zero = typeof a[0] === 'bigint' ? 0n : 0;
        for (let i = from; i < to; i++) b[i] = a[i] < zero ? zero : a[i];
      }),
  }),
];
