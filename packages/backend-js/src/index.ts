/** The scalar backend: slow, short, complete. It is the definition of every op, and the last candidate for each. */

import { createHostBackend, type HostBackend } from '@espalier/core';
import { calibrate } from './calibrate.ts';
import { activations } from './kernels/activations.ts';
import { conv } from './kernels/conv.ts';
import { matmul } from './kernels/matmul.ts';
import { pooling } from './kernels/pool.ts';
import { reducing } from './kernels/reduce.ts';
import { regions } from './kernels/roi.ts';

export { define, each, type JsDynamicOp, type JsOp, type Operand, type Operands, once } from './define.ts';

export function createJsBackend(): HostBackend {
  return createHostBackend({
    id: 'js',
    kernels: [...activations, ...matmul, ...conv, ...pooling, ...regions, ...reducing],
    calibrate,
  });
}
