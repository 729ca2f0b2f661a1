/** What one direction of a recurrent layer does to a vector's worth of its state, once the products are there. */

import type { Activation, Recurrent, RecurrentPass } from '@espalier/lowering';
import type { Local } from '@espalier/wasm';
import type { Expr, V128, Vectors } from '../../vectors.ts';
import { activations } from '../activations.ts';

/** Pointers to the vector's elements. */
export interface Places {
  /** In what the input's product left: the first gate, the others behind it. */
  readonly gates: Local<'i32'>;
  /** The state before and after the step. */
  readonly before: Local<'i32'>;
  readonly after: Local<'i32'>;
  /** The cell state of an LSTM, or what the reset gate lets through. */
  readonly state: Local<'i32'>;
  /** The update gate of a GRU. */
  readonly update: Local<'i32'>;
  readonly peepholes: Local<'i32'>;
}

/** From the sums of a pass's gates to the state. @param peepholeBytes from one of the three to the next */
export function emitCell(
  v: Vectors,
  { op, attrs, hidden, has }: Recurrent,
  [first, second, last]: readonly Activation[],
  pass: RecurrentPass,
  sums: readonly V128[],
  places: Places,
  peepholeBytes: number,
): void {
  const { f } = v;
  const load = (pointer: Local<'i32'>, offset = 0): V128 => v.keep(() => f.v128_load(pointer.get(), offset));
  const store = (pointer: Local<'i32'>, x: V128): void => f.v128_store(pointer.get(), x.get());
  const activate = ({ op: name, attrs: own }: Activation, x: V128): V128 => v.keep(activations[name]!(v, x, own));
  const most = attrs['clip'] as number | undefined;
  const apply = (activation: Activation, x: V128): V128 =>
    activate(activation, most === undefined ? x : v.keep(v.atLeast(v.atMost(x, most), -most)));
  /** A sum with what the input gives the gate. */
  const total = (sum: V128, gate: number): V128 => v.keep(v.add(sum, load(places.gates, 4 * hidden * gate)));
  if (op === 'RNN') {
    store(places.after, apply(first!, total(sums[0]!, 0)));
    return;
  }
  if (op === 'GRU') {
    const before = load(places.before);
    let update: V128;
    let candidate: V128;
    if (pass.by === 'h') {
      update = apply(first!, total(sums[0]!, 0));
      const reset = apply(first!, total(sums[1]!, 1));
      if (pass.gates.length === 2) {
        store(places.state, v.keep(v.mul(reset, before)));
        store(places.update, update);
        return;
      }
      candidate = v.keep(v.mul(sums[2]!, reset));
    } else {
      update = load(places.update);
      candidate = sums[0]!;
    }
    const next = apply(second!, total(candidate, 2));
    store(places.after, v.keep(v.madd(v.keep(v.sub(1, update)), next, v.mul(update, before))));
    return;
  }
  const [enter, output, forget, candidate] = sums.map((sum, gate) => total(sum, gate)) as [V128, V128, V128, V128];
  const old = load(places.state);
  const peep = (x: V128, state: V128, which: number): V128 =>
    has.peepholes ? v.keep(v.madd(state, load(places.peepholes, which * peepholeBytes), x)) : x;
  const i = apply(first!, peep(enter, old, 0));
  const kept: Expr = attrs['input_forget'] ? v.sub(1, i) : apply(first!, peep(forget, old, 2));
  const state = v.keep(v.madd(i, apply(second!, candidate), v.mul(old, kept)));
  store(places.state, state);
  // Not clipped: onnxruntime clips gates only.
  const seen = activate(last!, state);
  store(places.after, v.keep(v.mul(seen, apply(first!, peep(output, state, 1)))));
}
