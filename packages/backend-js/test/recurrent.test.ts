import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { noise } from './noise.ts';
import { runAll, tensor, values } from './run.ts';

const numbers = (x: Tensor): number[] => values(x) as number[];
const f32 = (data: readonly number[], dims: readonly number[]) => tensor('float32', data, [...dims]);

const close = (actual: readonly number[], expected: readonly number[], digits = 5): void => {
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(expected[i], digits);
  });
};

const layers = [
  { op: 'RNN', gates: 1, states: 1 },
  { op: 'GRU', gates: 3, states: 1 },
  { op: 'LSTM', gates: 4, states: 2 },
];
const [steps, batch, inputs, hidden] = [5, 3, 4, 2];

/** Weights and bias for some directions. */
const weights = (gates: number, directions: number) => [
  noise(directions, gates * hidden, inputs),
  noise(directions, gates * hidden, hidden),
  noise(directions, 2 * gates * hidden),
];
/** The part of direction `d` of a tensor whose first axis is directions. */
const direction = (x: Tensor, d: number): Tensor => {
  const size = x.size / x.dims[0];
  return f32(numbers(x).slice(d * size, (d + 1) * size), [1, ...x.dims.slice(1)]);
};
/** Swaps the first two axes of three, or of four. */
const swap = (x: Tensor): Tensor => {
  const [a, b, ...rest] = x.dims;
  const inner = rest.reduce((p, d) => p * d, 1);
  const data = Array.from({ length: x.size }, (_, at) => {
    const [i, j] = [Math.floor(at / inner / a), Math.floor(at / inner) % a];
    return numbers(x)[(j * b + i) * inner + (at % inner)];
  });
  return f32(data, [b, a, ...rest]);
};

describe.each(layers)('$op', ({ op, gates, states }) => {
  const run = (x: Tensor, w: Tensor[], more: (Tensor | undefined)[] = [], attrs = {}) =>
    runAll(op, [x, ...w, ...more], attrs, 1 + states);
  const x = noise(steps, batch, inputs);

  it('continues from the states it ended in', async () => {
    const w = weights(gates, 1);
    const [all, ...ends] = await run(x, w);
    const cut = 2 * batch * inputs;
    const [first, ...between] = await run(f32(numbers(x).slice(0, cut), [2, batch, inputs]), w);
    const rest = f32(numbers(x).slice(cut), [steps - 2, batch, inputs]);
    const [second, ...last] = await run(rest, w, [undefined, ...between]);
    close([...numbers(first), ...numbers(second)], numbers(all));
    last.forEach((state, i) => {
      close(numbers(state), numbers(ends[i]));
    });
    close(numbers(ends[0]), numbers(all).slice(-batch * hidden));
  });

  it('runs both directions as it runs each', async () => {
    const w = weights(gates, 2);
    const both = await run(x, w, [], { direction: 'bidirectional' });
    for (const [d, name] of ['forward', 'reverse'].entries()) {
      const one = await run(
        x,
        w.map((t) => direction(t, d)),
        [],
        { direction: name },
      );
      const own = numbers(both[0]).filter((_, i) => Math.floor(i / (batch * hidden)) % 2 === d);
      close(own, numbers(one[0]));
      for (let k = 1; k <= states; k++) close(numbers(direction(both[k], d)), numbers(one[k]));
    }
  });

  it('reads time backwards', async () => {
    const w = weights(gates, 1);
    const backwards = f32(
      Array.from({ length: steps }, (_, t) =>
        numbers(x).slice((steps - 1 - t) * batch * inputs, (steps - t) * batch * inputs),
      ).flat(),
      x.dims,
    );
    const [forward] = await run(x, w);
    const [reverse] = await run(backwards, w, [], { direction: 'reverse' });
    const row = batch * hidden;
    for (let t = 0; t < steps; t++)
      close(
        numbers(forward).slice(t * row, (t + 1) * row),
        numbers(reverse)
          .slice((steps - 1 - t) * row)
          .slice(0, row),
      );
  });

  it('stops where each sequence ends', async () => {
    for (const name of ['forward', 'reverse']) {
      const w = weights(gates, 1);
      const lengths = [3, 5, 0];
      const initial = Array.from({ length: states }, () => noise(1, batch, hidden));
      const more = [tensor('int32', lengths), ...initial];
      const [y, ...ends] = await run(x, w, more, { direction: name });
      const pick = (t: Tensor, n: number, count: number, width: number): number[] =>
        Array.from({ length: count }, (_, at) =>
          numbers(t).slice((at * batch + n) * width, (at * batch + n + 1) * width),
        ).flat();
      for (const [n, length] of lengths.entries()) {
        const padding = pick(y, n, steps, hidden).slice(length * hidden);
        expect(padding.every((v) => v === 0)).toBe(true);
        const states = initial.map((t) => f32(pick(t, n, 1, hidden), [1, 1, hidden]));
        const alone = f32(pick(x, n, length, inputs), [length, 1, inputs]);
        const [own, ...ownEnds] = await run(alone, w, [undefined, ...states], { direction: name });
        close(pick(y, n, length, hidden), numbers(own));
        ownEnds.forEach((end, k) => {
          close(pick(ends[k], n, 1, hidden), numbers(end));
        });
      }
    }
    const bad = run(x, weights(gates, 1), [tensor('int32', [1, 6, 1])]);
    await expect(bad).rejects.toThrow(/sequence 1 has length 6; there are 5 steps/);
  });

  it('takes batches first', async () => {
    const w = weights(gates, 2);
    const initial = Array.from({ length: states }, () => noise(2, batch, hidden));
    const attrs = { direction: 'bidirectional' };
    const [y, ...ends] = await run(x, w, [undefined, ...initial], attrs);
    const [z, ...last] = await run(swap(x), w, [undefined, ...initial.map(swap)], { ...attrs, layout: 1 });
    expect(z.dims).toEqual([batch, steps, 2, hidden]);
    last.forEach((state, i) => {
      close(numbers(swap(state)), numbers(ends[i]));
    });
    // [batch, steps, 2, hidden] against [steps, 2, batch, hidden].
    const at = (n: number, t: number, d: number) => ((t * 2 + d) * batch + n) * hidden;
    for (let n = 0; n < batch; n++)
      for (let t = 0; t < steps; t++)
        for (let d = 0; d < 2; d++)
          close(
            numbers(z)
              .slice(((n * steps + t) * 2 + d) * hidden)
              .slice(0, hidden),
            numbers(y)
              .slice(at(n, t, d))
              .slice(0, hidden),
          );
  });

  it('clips, and knows its activations', async () => {
    const w = weights(gates, 1);
    const count = op === 'RNN' ? 1 : op === 'GRU' ? 2 : 3;
    const [clipped] = await run(x, w, [], { clip: 0 });
    const [still] = await run(
      x,
      w.map((t) =>
        f32(
          numbers(t).map(() => 0),
          t.dims,
        ),
      ),
    );
    close(numbers(clipped), numbers(still));
    const names = new Array(count).fill('LeakyRelu');
    const scaled = await run(x, w, [], { activations: names, activation_alpha: new Array(count).fill(1) });
    const affine = await run(x, w, [], { activations: new Array(count).fill('Affine') });
    close(numbers(scaled[0]), numbers(affine[0]), 4);
    const unknown = run(x, w, [], { activations: new Array(count).fill('Gauss') });
    await expect(unknown).rejects.toThrow(/no activation "Gauss"/);
    await expect(run(x, w, [], { activations: [] })).rejects.toThrow(/activations: 0 is not/);
  });

  it('runs no steps, and no sequences', async () => {
    const w = weights(gates, 1);
    const [y, end] = await run(noise(0, batch, inputs), w);
    expect([y.dims, end.dims, numbers(end).every((v) => v === 0)]).toEqual([
      [0, 1, batch, hidden],
      [1, batch, hidden],
      true,
    ]);
    expect((await run(noise(steps, 0, inputs), w))[0].dims).toEqual([steps, 1, 0, hidden]);
  });

  it('computes halves and doubles', async () => {
    const w = weights(gates, 1);
    const expected = numbers((await run(x, w))[0]);
    for (const dtype of ['float16', 'float64'] as const) {
      const as = (t: Tensor) => tensor(dtype, values(t), [...t.dims]);
      const [y] = await run(as(x), w.map(as));
      expect(y.type).toBe(dtype);
      close(numbers(y), expected, dtype === 'float64' ? 5 : 1);
    }
  });

  it('names weights that do not fit', async () => {
    const w = weights(gates, 1);
    await expect(run(noise(steps, batch, 3), w)).rejects.toThrow(/axis 2 of its input 1: 4 is not 3/);
    await expect(run(x, weights(gates, 2))).rejects.toThrow(/axis 0 of its input 1: 2 is not 1/);
  });
});

describe('the cells, by hand', () => {
  const one = (value: number, rows: number) => f32(new Array(rows).fill(value), [1, rows, 1]);
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

  it('LSTM has peepholes and couples its gates', async () => {
    const x = f32([0.5], [1, 1, 1]);
    const [h, c] = [f32([0.25], [1, 1, 1]), f32([2], [1, 1, 1])];
    const p = f32([0.1, 0.2, 0.3], [1, 3]);
    const sum = 0.5 * 1 + 0.25 * 2;
    const step = (isCoupled: boolean) => {
      const i = sigmoid(sum + 0.1 * 2);
      const f = isCoupled ? 1 - i : sigmoid(sum + 0.3 * 2);
      const state = f * 2 + i * Math.tanh(sum);
      return [sigmoid(sum + 0.2 * state) * Math.tanh(state), state];
    };
    for (const input_forget of [0, 1]) {
      const inputs = [x, one(1, 4), one(2, 4), undefined, undefined, h, c, p];
      const [, yH, yC] = await runAll('LSTM', inputs, { input_forget }, 3);
      close([...numbers(yH), ...numbers(yC)], step(input_forget === 1));
    }
  });

  it('GRU multiplies before or after its reset gate', async () => {
    const [x, h] = [f32([0.5], [1, 1, 1]), f32([0.25], [1, 1, 1])];
    const bias = f32([0, 0, 0.3, 0, 0, 0.7], [1, 6]);
    const gate = sigmoid(0.5 + 0.5);
    for (const linear_before_reset of [0, 1]) {
      const inner = linear_before_reset ? gate * (0.25 * 2 + 0.7) : gate * 0.25 * 2 + 0.7;
      const expected = (1 - gate) * Math.tanh(0.5 + 0.3 + inner) + gate * 0.25;
      const inputs = [x, one(1, 3), one(2, 3), bias, undefined, h];
      const [, yH] = await runAll('GRU', inputs, { linear_before_reset }, 2);
      close(numbers(yH), [expected]);
    }
  });
});
