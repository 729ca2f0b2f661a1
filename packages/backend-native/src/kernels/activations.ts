/** Activations of ONNX as code: each changes a register of float32 in place. */

import type { Attributes, EpilogueOp } from '@espalier/core';
import type { Vector } from '@espalier/x64';
import { emitErf, emitGelu, emitGeluTanh, emitSigmoid, emitTanh, type Vectors } from '../math/index.ts';

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
  Sigmoid: emitSigmoid,
  Tanh: emitTanh,
  Erf: emitErf,
  Gelu: (v, x, t, { approximate }) => (approximate === 'tanh' ? emitGeluTanh : emitGelu)(v, x, t),
};
