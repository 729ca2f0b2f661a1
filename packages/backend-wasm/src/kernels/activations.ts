/** Activations of ONNX as code, of float32. */

import type { Attributes, EpilogueOp } from '@espalier/core';
import { erf, exp, expm1, gelu, geluTanh, log1p, sigmoid, tanh } from '../math/index.ts';
import type { Expr, V128, Vectors } from '../vectors.ts';

type Activation = (v: Vectors, x: V128, attrs: Attributes) => Expr;

const number = (attrs: Attributes, name: string, missing: number): number =>
  (attrs[name] as number | undefined) ?? missing;

const clamp01 = (v: Vectors, x: Expr): Expr => v.atLeast(v.atMost(x, 1), 0);

/** By op, for those of its attributes that ONNX gives a default too. */
export const activations: Readonly<Partial<Record<EpilogueOp, Activation>>> = {
  Relu: (v, x) => v.atLeast(x, 0),
  LeakyRelu: (v, x, attrs) => v.select(v.bin('f32x4_lt', x, 0), v.mul(x, number(attrs, 'alpha', 0.01)), x),
  HardSigmoid: (v, x, attrs) => clamp01(v, v.madd(x, number(attrs, 'alpha', 0.2), number(attrs, 'beta', 0.5))),
  HardSwish: (v, x) => v.mul(x, clamp01(v, v.add(v.div(x, 6), 0.5))),
  Elu(v, x, attrs) {
    const below = v.keep(v.mul(expm1(v, x), number(attrs, 'alpha', 1)));
    return v.select(v.bin('f32x4_lt', x, 0), below, x);
  },
  // max(x, 0) + log(1 + e^-|x|)
  Softplus(v, x) {
    const u = v.keep(exp(v, v.un('f32x4_neg', v.un('f32x4_abs', x))));
    return v.add(v.atLeast(x, 0), log1p(v, u));
  },
  // tanh(log(1 + w)) = w (w + 2) / (w (w + 2) + 2), which for w = e^20 rounds to 1.
  Mish(v, x) {
    const w = v.keep(exp(v, v.atMost(x, 20)));
    const t = v.keep(v.mul(w, v.add(w, 2)));
    return v.mul(x, v.div(t, v.add(t, 2)));
  },
  Sigmoid: sigmoid,
  Tanh: tanh,
  Erf: erf,
  Gelu: (v, x, { approximate }) => (approximate === 'tanh' ? geluTanh : gelu)(v, x),
};
