/**
 * The weights of the recurrence, as they are read: for each direction and pass, for each vector of the state its gates' biases and then,
 * for each element of the state before, one vector for each gate. Behind a direction's passes its peepholes.
 */

import type { Recurrent, RecurrentPass } from './recurrent.ts';

type Sizes = Pick<Recurrent, 'hidden' | 'lanes'>;

const vectorsOf = ({ hidden, lanes }: Sizes): number => Math.ceil(hidden / lanes);

/** Floats of a pass. */
export const passFloats = (pass: RecurrentPass, sizes: Sizes): number =>
  vectorsOf(sizes) * pass.gates.length * (sizes.hidden + 1) * sizes.lanes;

/** Floats of a state, or of a peephole, in whole vectors. */
export const stateFloats = (sizes: Sizes): number => vectorsOf(sizes) * sizes.lanes;

/** Floats of a direction. */
export function directionFloats(shape: Recurrent): number {
  const peepholes = shape.has.peepholes ? 3 * stateFloats(shape) : 0;
  return shape.passes.reduce((sum, pass) => sum + passFloats(pass, shape), peepholes);
}

/**
 * Packs `R`, `B` and `P`; behind them what `B` adds to the inputs' products. Yields after each vector of the state.
 * @param to all of it, which is zero: floats of all directions, and of all their gates
 */
export function* packRecurrence(
  shape: Recurrent,
  [r, b, p]: readonly [Float32Array, Float32Array | undefined, Float32Array | undefined],
  to: Float32Array,
): Generator<void, void> {
  const { directions, hidden, lanes, gates, passes } = shape;
  const rows = gates * hidden;
  let write = 0;
  for (let d = 0; d < directions; d++) {
    for (const pass of passes) {
      for (let first = 0; first < hidden; first += lanes) {
        const count = Math.min(lanes, hidden - first);
        for (const gate of pass.gates) {
          if (b) to.set(b.subarray((2 * d + 1) * gates * hidden + gate * hidden + first).subarray(0, count), write);
          write += lanes;
        }
        for (let k = 0; k < hidden; k++) {
          for (const gate of pass.gates) {
            const read = (d * gates * hidden + gate * hidden + first) * hidden + k;
            for (let i = 0; i < count; i++) to[write + i] = r[read + i * hidden]!;
            write += lanes;
          }
        }
        yield;
      }
    }
    for (let which = 0; p && which < 3; which++) {
      to.set(p.subarray((3 * d + which) * hidden, (3 * d + which + 1) * hidden), write);
      write += stateFloats(shape);
    }
  }
  for (let d = 0; b && d < directions; d++) to.set(b.subarray(2 * d * rows, (2 * d + 1) * rows), write + d * rows);
}

/** `W` of `[directions, rows, inputs]` as one matrix of `[inputs, directions * rows]`. */
export function inputWeights(w: Float32Array, rows: number, inputs: number): Float32Array {
  const matrix = new Float32Array(w.length);
  for (let row = 0; row < rows; row++) for (let i = 0; i < inputs; i++) matrix[i * rows + row] = w[row * inputs + i]!;
  return matrix;
}
