/** What one direction of a recurrent layer does to a vector's worth of its state, once the products are there. */

import type { Attributes } from '@espalier/core';
import type { Activation, RecurrentPass } from '@espalier/lowering';
import { type Address, at, type Gpr, r8, r12, r13, r15, rbx, rdx, type Vector } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES, activations } from '../activations.ts';

/** Where things are while a vector of the state is made: r15 is its offset in bytes. */
export interface Places {
  /** Bytes of a gate in what the input's product left, which r8 points to. */
  readonly gateBytes: number;
  /** Behind rbx: the cell state of an LSTM, or what the reset gate lets through; the update gate of a GRU. */
  readonly state: number;
  readonly update: number;
  /** Peepholes, each of so many bytes, which rdx points to. */
  readonly peepholeBytes: number | undefined;
}

/** The state before and after the step, and where peepholes are. */
const [before, after, peepholes] = [r12, r13, rdx];
const TEMPORARIES = 8;

/**
 * From the sums of a pass's gates in registers 0 on, to the state. Clobbers registers up to 14.
 * @param pass 0, or 1 of a layer that multiplies twice in a step
 */
export function emitCell(
  v: Vectors,
  op: string,
  attrs: Attributes,
  [f, g, last]: readonly Activation[],
  pass: RecurrentPass,
  places: Places,
): void {
  const { a } = v;
  const x = (i: number): Vector => v.register(i);
  const t = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => x(TEMPORARIES + i));
  const here = (base: Gpr): Address => at(base, r15);
  const limit = attrs['clip'] as number | undefined;
  const apply = (activation: Activation, to: Vector): void => {
    if (limit !== undefined) {
      v.atMost(to, limit, t[0]!);
      v.atLeast(to, -limit, t[0]!);
    }
    activate(activation, to);
  };
  const activate = ({ op: name, attrs: own }: Activation, to: Vector): void => activations[name]!(v, to, t, own);
  const input = (to: Vector, gate: number): void => a.vaddps(to, to, here(r8), gate * places.gateBytes);
  /** `to = 1 - from`. */
  const complement = (to: Vector, from: Vector): void => {
    v.fill(t[0]!, 1);
    a.vsubps(to, t[0]!, from);
  };
  if (op === 'RNN') {
    input(x(0), 0);
    apply(f!, x(0));
    a.vmovups(here(after), 0, x(0));
    return;
  }
  if (op === 'GRU') {
    const [update, reset, candidate, old] = [x(0), x(1), x(2), x(5)];
    if (pass.by === 'h') {
      input(update, 0);
      apply(f!, update);
      input(reset, 1);
      apply(f!, reset);
      if (pass.gates.length === 2) {
        a.vmulps(reset, reset, here(before));
        a.vmovups(here(rbx), places.state, reset);
        a.vmovups(here(rbx), places.update, update);
        return;
      }
      a.vmulps(candidate, candidate, reset);
    } else {
      a.vmovaps(candidate, x(0));
      a.vmovups(update, here(rbx), places.update);
    }
    input(candidate, 2);
    apply(g!, candidate);
    a.vmulps(old, update, here(before));
    complement(update, update);
    a.vfmadd231ps(old, update, candidate);
    a.vmovups(here(after), 0, old);
    return;
  }
  const [enter, output, forget, candidate, state] = [x(0), x(1), x(2), x(3), x(4)];
  for (const [gate, to] of [enter, output, forget, candidate].entries()) input(to, gate);
  a.vmovups(state, here(rbx), places.state);
  const peep = (to: Vector, which: number): void => {
    if (places.peepholeBytes !== undefined) a.vfmadd231ps(to, state, here(peepholes), which * places.peepholeBytes);
  };
  peep(enter, 0);
  apply(f!, enter);
  if (attrs['input_forget']) complement(forget, enter);
  else {
    peep(forget, 2);
    apply(f!, forget);
  }
  apply(g!, candidate);
  a.vmulps(state, state, forget);
  a.vfmadd231ps(state, enter, candidate);
  a.vmovups(here(rbx), places.state, state);
  peep(output, 1);
  apply(f!, output);
  // Not clipped: onnxruntime clips gates only.
  activate(last!, state);
  a.vmulps(state, state, output);
  a.vmovups(here(after), 0, state);
}
