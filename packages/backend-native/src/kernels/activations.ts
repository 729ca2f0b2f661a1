/** Activations of ONNX as code: each changes a register of float32 in place. */

import type { Attributes, EpilogueOp } from '@espalier/core';
import type { Vector } from '@espalier/x64';
import {
  emitErf,
  emitExp,
  emitExpm1,
  emitGelu,
  emitGeluTanh,
  emitLog1p,
  emitSigmoid,
  emitTanh,
  type Vectors,
} from '../math/index.ts';

/** Changes `x`; clobbers the {@link ACTIVATION_TEMPORARIES} registers `t`, and k7. */
type Activation = (v: Vectors, x: Vector, t: readonly Vector[], attrs: Attributes) => void;

export const ACTIVATION_TEMPORARIES = 6;

const number = (attrs: Attributes, name: string, missing: number): number =>
  (attrs[name] as number | undefined) ?? missing;

function clamp01(v: Vectors, x: Vector, t: Vector): void {
  v.atMost(x, 1, t);
  v.atLeast(x, 0, t);
}

/** By op, for those of its attributes that ONNX gives a default too. */
export const activations: Readonly<Partial<Record<EpilogueOp, Activation>>> = {
  Relu: (v, x, [t]) => v.atLeast(x, 0, t!),
  LeakyRelu(v, x, [scaled, t], attrs) {
    v.fill(scaled!, number(attrs, 'alpha', 0.01));
    v.a.vmulps(scaled!, scaled!, x);
    v.select(x, x, v.splat(0), scaled!, x, t!);
  },
  HardSigmoid(v, x, [alpha, beta], attrs) {
    v.fill(alpha!, number(attrs, 'alpha', 0.2));
    v.fill(beta!, number(attrs, 'beta', 0.5));
    v.a.vfmadd213ps(x, alpha!, beta!);
    clamp01(v, x, alpha!);
  },
  HardSwish(v, x, [gate, t]) {
    v.fill(t!, 6);
    v.a.vdivps(gate!, x, t!);
    v.a.vaddps(gate!, gate!, ...v.splat(0.5));
    clamp01(v, gate!, t!);
    v.a.vmulps(x, x, gate!);
  },
  Elu(v, x, [y, alpha, ...t], attrs) {
    v.a.vmovaps(y!, x);
    emitExpm1(v, y!, t);
    v.fill(alpha!, number(attrs, 'alpha', 1));
    v.a.vmulps(y!, y!, alpha!);
    v.select(x, x, v.splat(0), y!, x, t[0]!);
  },
  // max(x, 0) + log(1 + e^-|x|)
  Softplus(v, x, [u, ...t]) {
    v.a.vorps(u!, x, ...v.bits(0x80000000));
    emitExp(v, u!, t);
    emitLog1p(v, u!, t);
    v.atLeast(x, 0, t[0]!);
    v.a.vaddps(x, x, u!);
  },
  // tanh(log(1 + w)) = w (w + 2) / (w (w + 2) + 2), which for w = e^20 rounds to 1.
  Mish(v, x, [w, y, ...t]) {
    v.a.vmovaps(w!, x);
    v.atMost(w!, 20, t[0]!);
    emitExp(v, w!, t);
    v.a.vaddps(y!, w!, ...v.splat(2));
    v.a.vmulps(w!, w!, y!);
    v.a.vaddps(y!, w!, ...v.splat(2));
    v.a.vdivps(w!, w!, y!);
    v.a.vmulps(x, x, w!);
  },
  Sigmoid: emitSigmoid,
  Tanh: emitTanh,
  Erf: emitErf,
  Gelu: (v, x, t, { approximate }) => (approximate === 'tanh' ? emitGeluTanh : emitGelu)(v, x, t),
};
