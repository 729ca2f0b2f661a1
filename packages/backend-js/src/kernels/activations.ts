/** Activations: one element in, one element out. */

import type { HostKernel } from '@espalier/core';
import { define, each } from '../define.ts';
import { binary, unary } from '../elementwise.ts';
import { erf } from '../erf.ts';
import { converter } from '../numeric.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** log(1 + exp(x)), where exp(x) overflows too. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp01 = (x: number): number => Math.max(0, Math.min(1, x));

const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
const gelu = (x: number): number => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

export const activations: readonly HostKernel[] = [
  unary('Relu', { number: (x) => Math.max(x, 0), bigint: (x) => (x < 0n ? 0n : x) }),
  unary('Sigmoid', { number: sigmoid }),
  unary('HardSigmoid', ({ alpha, beta }) => ({ number: (x) => clamp01(alpha * x + beta) })),
  unary('HardSwish', { number: (x) => x * clamp01(x / 6 + 0.5) }),
  unary('LeakyRelu', ({ alpha }) => ({ number: (x) => (x < 0 ? alpha * x : x) })),
  unary('Elu', ({ alpha }) => ({ number: (x) => (x < 0 ? alpha * Math.expm1(x) : x) })),
  unary('Celu', ({ alpha }) => ({ number: (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)) })),
  unary('Selu', ({ alpha, gamma }) => ({ number: (x) => gamma * (x <= 0 ? alpha * Math.expm1(x) : x) })),
  unary('Softplus', { number: softplus }),
  unary('Softsign', { number: (x) => x / (1 + Math.abs(x)) }),
  unary('Mish', { number: (x) => x * Math.tanh(softplus(x)) }),
  unary('Gelu', ({ approximate }) => ({ number: approximate === 'tanh' ? geluTanh : gelu })),
  unary('Swish', ({ alpha }) => ({ number: (x) => x * sigmoid(alpha * x) })),
  unary('ThresholdedRelu', ({ alpha }) => ({ number: (x) => (x > alpha ? x : 0) })),
  unary('Shrink', ({ bias, lambd }, [dtype]) => {
    const convert = converter('float64', dtype!);
    const number = (x: number): number => (x < -lambd ? convert(x + bias) : x > lambd ? convert(x - bias) : 0);
    const shift = (x: bigint): bigint => (Number.isInteger(bias) ? x + BigInt(bias) : convert(Number(x) + bias));
    return { number, bigint: (x: bigint) => (x < -lambd ? shift(x) : x > lambd ? -shift(-x) : 0n) };
  }),
  binary('PRelu', {
    number: (x, slope) => (x < 0 ? slope * x : x),
    integer: (x, slope) => (x < 0 ? Math.imul(slope, x) : x),
    bigint: (x, slope) => (x < 0n ? slope * x : x),
  }),
  define({
    op: 'Clip',
    compute: ({ inputs: [x, min, max], outputs: [y] }) =>
      each(y!.size, (from, to) => {
        // A bound that is left out limits nothing: infinities pass.
        const [low, high] = [min?.data[0], max?.data[0]];
        for (let i = from; i < to; i++) {
          let value = x!.data[i];
          if (low !== undefined && value < low) value = low;
          if (high !== undefined && value > high) value = high;
          y!.data[i] = value;
        }
      }),
  }),
];
