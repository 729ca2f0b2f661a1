/** Matrix products, also with a bias and activations fused in. */

import type { Translation, Translator } from '../translation.ts';
import { activation } from './elementwise.ts';

/** The last two axes exchanged. */
function adjoint(c: Translation, x: string): string {
  const axes = c.shape(x).map((_, i) => i);
  return c.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

const matMul =
  (adjointA: string, adjointB: string): Translator =>
  (c) => {
    const a = c.attrs.bool(adjointA, false) ? adjoint(c, c.input(0)) : c.input(0);
    const b = c.attrs.bool(adjointB, false) ? adjoint(c, c.input(1)) : c.input(1);
    return withFused(c, c.emit('MatMul', [a, b]));
  };

/** What `fused_ops` asks for: a bias (input 2) and activations; Prelu's slope is input 3. */
export function fusedOps(c: Translation): { bias: string | undefined; activations: readonly string[] } {
  const names = c.attrs.strings('fused_ops');
  const hasBias = names[0] === 'BiasAdd';
  return { bias: hasBias ? c.input(2) : undefined, activations: hasBias ? names.slice(1) : names };
}

export function activate(
  c: Translation,
  x: string,
  names: readonly string[],
  slope: (input: string) => string,
): string {
  return names.reduce((result, name) => {
    const activated = activation(c, name, result, name === 'Prelu' ? slope(c.input(3)) : undefined);
    return activated ?? c.unsupported(`it fuses ${name}`);
  }, x);
}

/** A product whose channels are last, with what is fused to it. */
export function withFused(c: Translation, product: string): string {
  const { bias, activations } = fusedOps(c);
  return activate(c, bias === undefined ? product : c.emit('Add', [product, bias]), activations, (slope) => slope);
}

const einsum: Translator = (c) => {
  return c.emit('Einsum', c.inputs, { equation: c.attrs.string('equation', '') });
};

export const products: Readonly<Record<string, Translator>> = {
  MatMul: matMul('transpose_a', 'transpose_b'),
  _FusedMatMul: matMul('transpose_a', 'transpose_b'),
  BatchMatMul: matMul('adj_x', 'adj_y'),
  BatchMatMulV2: matMul('adj_x', 'adj_y'),
  Einsum: einsum,
};
