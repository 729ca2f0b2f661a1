/** Activations: element by element, shape unchanged. */

import { floats, numbers } from '../dtype.ts';
import type { OpSchema } from '../schema.ts';
import { op } from './define.ts';

export const activations: readonly OpSchema[] = [
  op('Relu', [1, 6, 13, 14], { types: { T: numbers } }),
  op('Sigmoid', [1, 6, 13], { types: { T: floats } }),
];
