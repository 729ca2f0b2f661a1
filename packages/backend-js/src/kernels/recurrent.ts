/** Recurrent layers: RNN, GRU and LSTM. */

import { type Attributes, EspalierError, type HostKernel, type Phase, sizeOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { define, each, type Operand, type Operands, once, units } from '../define.ts';
import { type Floats, floatsLike } from '../float.ts';
import { multiply, product } from '../product.ts';

type Activation = (x: number) => number;

const sigmoid: Activation = (x) => 1 / (1 + Math.exp(-x));

/** Activations by name, with the defaults of alpha and beta for those that take them. */
const activations: Readonly<Record<string, { alpha?: number; beta?: number; make(a: number, b: number): Activation }>> =
  {
    relu: { make: () => (x) => Math.max(0, x) },
    tanh: { make: () => Math.tanh },
    sigmoid: { make: () => sigmoid },
    softsign: { make: () => (x) => x / (1 + Math.abs(x)) },
    softplus: { make: () => (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
    leakyrelu: { alpha: 0.01, make: (a) => (x) => (x >= 0 ? x : a * x) },
    thresholdedrelu: { alpha: 1, make: (a) => (x) => (x >= a ? x : 0) },
    elu: { alpha: 1, make: (a) => (x) => (x >= 0 ? x : a * Math.expm1(x)) },
    affine: { alpha: 1, beta: 0, make: (a, b) => (x) => a * x + b },
    scaledtanh: { alpha: 1, beta: 1, make: (a, b) => (x) => a * Math.tanh(b * x) },
    hardsigmoid: { alpha: 0.2, beta: 0.5, make: (a, b) => (x) => Math.min(Math.max(a * x + b, 0), 1) },
  };

function activationsOf(attrs: Attributes, defaults: readonly string[], directions: number): Activation[][] {
  const names = (attrs['activations'] as readonly string[] | undefined) ?? new Array(directions).fill(defaults).flat();
  const [alphas, betas] = ['activation_alpha', 'activation_beta'].map((name) => [
    ...((attrs[name] as readonly number[] | undefined) ?? []),
  ]);
  agree(names.length, defaults.length * directions, 'activations');
  const made = names.map((name) => {
    const known = Object.hasOwn(activations, name.toLowerCase()) ? activations[name.toLowerCase()] : undefined;
    if (!known) throw new EspalierError('BAD_GRAPH', `there is no activation "${name}"`);
    // The lists hold values only for those that take them, in order.
    const alpha = known.alpha === undefined ? 0 : (alphas.shift() ?? known.alpha);
    const beta = known.beta === undefined ? 0 : (betas.shift() ?? known.beta);
    return known.make(alpha, beta);
  });
  return Array.from({ length: directions }, (_, d) => made.slice(d * defaults.length, (d + 1) * defaults.length));
}

/** One direction of a layer while it runs. Gate `g` of a sequence begins `g * hidden` behind the sequence's own begin. */
interface Cell {
  readonly hidden: number;
  readonly activations: readonly Activation[];
  /** Clips what an activation is given. */
  readonly clip: (x: number) => number;
  /** `X W^T + Wb` for all sequences and steps. */
  readonly x: Floats;
  /** `H R^T` for all sequences, of the gates that were asked for. */
  readonly r: Floats;
  readonly recurrentBias: Floats;
  /** The states `[batch, hidden]`. */
  readonly h: Floats;
  readonly c: Floats;
  /** Peepholes of the input, output and forget gate. */
  readonly peepholes: Floats | undefined;
  /** Computes `from R^T` into `r` for gates `first` to `end`. */
  recur(from: Floats, first: number, end: number): void;
}

/** A sequence that is not at its end: its number, where its step's gates begin in `x`, and where the step's output goes. */
type Active = readonly [sequence: number, x: number, y: number];

interface Layer {
  readonly gates: number;
  readonly activations: readonly string[];
  /** One step of all active sequences. */
  step(cell: Cell, active: readonly Active[], attrs: Attributes): void;
}

const rnn: Layer = {
  gates: 1,
  activations: ['tanh'],
  step({ hidden, activations: [f], clip, x, r, recurrentBias, h, recur }, active) {
    recur(h, 0, 1);
    for (const [n, at] of active)
      for (let j = 0, s = n * hidden; j < hidden; j++, s++) h[s] = f(clip(x[at + j] + r[s] + recurrentBias[j]));
  },
};

const gru: Layer = {
  gates: 3,
  activations: ['sigmoid', 'tanh'],
  step({ hidden, activations: [f, g], clip, x, r, recurrentBias, h, c: reset, recur }, active, attrs) {
    const isLinearFirst = attrs['linear_before_reset'] !== 0;
    recur(h, 0, isLinearFirst ? 3 : 2);
    // The reset gate, or the state that it lets through.
    for (const [n, at] of active) {
      for (let j = 0, s = n * hidden; j < hidden; j++, s++) {
        const i = hidden + j;
        const gate = f(clip(x[at + i] + r[3 * n * hidden + i] + recurrentBias[i]));
        reset[s] = isLinearFirst ? gate : gate * h[s];
      }
    }
    if (!isLinearFirst) recur(reset, 2, 3);
    for (const [n, at] of active) {
      for (let j = 0, s = n * hidden; j < hidden; j++, s++) {
        const i = 2 * hidden + j;
        const update = f(clip(x[at + j] + r[3 * n * hidden + j] + recurrentBias[j]));
        const linear = r[3 * n * hidden + i] + recurrentBias[i];
        const candidate = g(clip(x[at + i] + (isLinearFirst ? reset[s] * linear : linear)));
        h[s] = (1 - update) * candidate + update * h[s];
      }
    }
  },
};

const lstm: Layer = {
  gates: 4,
  activations: ['sigmoid', 'tanh', 'tanh'],
  step(cell, active, attrs) {
    const { hidden, activations, clip, x, r, recurrentBias, h, c, peepholes, recur } = cell;
    const [f, g, last] = activations;
    const isCoupled = attrs['input_forget'] !== 0;
    recur(h, 0, 4);
    for (const [n, at] of active) {
      for (let j = 0, s = n * hidden; j < hidden; j++, s++) {
        const sum = (gate: number): number => {
          const i = gate * hidden + j;
          return x[at + i] + r[4 * n * hidden + i] + recurrentBias[i];
        };
        const peep = (which: number, state: number): number => (peepholes ? peepholes[which * hidden + j] * state : 0);
        const input = f(clip(sum(0) + peep(0, c[s])));
        const forget = isCoupled ? 1 - input : f(clip(sum(2) + peep(2, c[s])));
        const state = forget * c[s] + input * g(clip(sum(3)));
        const output = f(clip(sum(1) + peep(1, state)));
        c[s] = state;
        // Not clipped: onnxruntime clips gates only.
        h[s] = output * last(state);
      }
    }
  },
};

function run(layer: Layer, { inputs, outputs: [y, yH, yC], attrs }: Operands): Phase[] {
  const [x, w, r, b, lengths, initialH, initialC, p] = inputs;
  const isBatchFirst = attrs['layout'] !== 0;
  const [first, second, size] = x!.dims;
  const [steps, batch] = isBatchFirst ? [second, first] : [first, second];
  const [directions, rows, hidden] = r!.dims;
  agree(rows, layer.gates * hidden, 'rows of R');
  agree(w!.dims[2], size, 'columns of W');
  agree(w!.dims[1], rows, 'rows of W');
  const functions = activationsOf(attrs, layer.activations, directions);
  const limit = attrs['clip'] as number | undefined;
  const clip = limit === undefined ? (v: number) => v : (v: number) => Math.min(limit, Math.max(-limit, v));
  const none = floatsLike(x!, rows);
  const lengthOf = (n: number): number => {
    const length = lengths ? lengths.data[n] : steps;
    if (!(length >= 0 && length <= steps))
      throw new EspalierError('BAD_INPUT', `sequence ${n} has length ${length}; there are ${steps} steps`);
    return length;
  };
  /** Where the state of a sequence is in tensors of states. */
  const stateAt = (d: number, n: number): number => (isBatchFirst ? n * directions + d : d * batch + n) * hidden;
  const phases: Phase[] = y ? [each(y.size, (from, to) => y.data.fill(0, from, to))] : [];
  for (let d = 0; d < directions; d++) {
    const isReverse = d === 1 || attrs['direction'] === 'reverse';
    const gates = floatsLike(x!, steps * batch * rows);
    const cell: Cell = {
      hidden,
      activations: functions[d],
      clip,
      x: gates,
      r: floatsLike(x!, batch * rows),
      recurrentBias: b ? b.data.subarray((2 * d + 1) * rows, (2 * d + 2) * rows) : none,
      h: floatsLike(x!, batch * hidden),
      c: floatsLike(x!, batch * hidden),
      peepholes: p?.data.subarray(3 * d * hidden, 3 * (d + 1) * hidden),
      recur: (from, firstGate, endGate) =>
        multiply(
          {
            m: batch,
            n: (endGate - firstGate) * hidden,
            k: hidden,
            a: { data: from, row: hidden, column: 1 },
            b: { data: r!.data, row: 1, column: hidden },
            c: { data: cell.r, row: rows, column: 1 },
          },
          [0, (d * rows + firstGate * hidden) * hidden, firstGate * hidden],
        ),
    };
    const load = (to: Floats, from: Operand | undefined): void => {
      if (from)
        for (let n = 0; n < batch; n++) to.set(from.data.subarray(stateAt(d, n), stateAt(d, n) + hidden), n * hidden);
    };
    const save = (from: Floats, to: Operand | undefined): void => {
      if (to) for (let n = 0; n < batch; n++) to.data.set(from.subarray(n * hidden, (n + 1) * hidden), stateAt(d, n));
    };
    const step = (index: number): void => {
      const active: Active[] = [];
      for (let n = 0; n < batch; n++) {
        const length = lengthOf(n);
        if (index >= length) continue;
        const t = isReverse ? length - 1 - index : index;
        const from = isBatchFirst ? n * steps + t : t * batch + n;
        const to = isBatchFirst ? from * directions + d : (t * directions + d) * batch + n;
        active.push([n, from * rows, to * hidden]);
      }
      layer.step(cell, active, attrs);
      if (y) for (const [n, , to] of active) y.data.set(cell.h.subarray(n * hidden, (n + 1) * hidden), to);
    };
    phases.push(
      product(
        {
          m: steps * batch,
          n: rows,
          k: size,
          a: { data: x!.data, row: size, column: 1 },
          b: { data: w!.data, row: 1, column: size },
          c: { data: gates, row: rows, column: 1 },
        },
        1,
        () => [0, d * rows * size, 0],
      ),
      each(b ? steps * batch : 0, (from, to) => {
        for (let at = from * rows; at < to * rows; at++) gates[at] += b!.data[2 * d * rows + (at % rows)];
      }),
      once(() => {
        load(cell.h, initialH);
        if (layer === lstm) load(cell.c, initialC);
      }),
      units(steps, step, true),
      once(() => {
        save(cell.h, yH);
        if (layer === lstm) save(cell.c, yC);
      }),
    );
  }
  return phases;
}

const row = (op: string, layer: Layer): HostKernel =>
  define({
    op,
    // Each step multiplies one input and one state by the weights of every direction.
    macs: ([x, w, r]) => x![0] * x![1] * (sizeOf(w!) + sizeOf(r!)),
    compute: (io) => run(layer, io),
  });

export const recurrent: readonly HostKernel[] = [row('RNN', rnn), row('GRU', gru), row('LSTM', lstm)];
