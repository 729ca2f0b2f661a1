import { slidingWindow, type Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { integer, integers, noise, random } from './noise.ts';
import { run, tensor, values } from './run.ts';

const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Every index of a shape. */
function* indices(dims: readonly number[]): Generator<number[]> {
  for (let at = 0; at < size(dims); at++) {
    let rest = at;
    const index: number[] = [];
    for (const d of [...dims].reverse()) {
      index.unshift(rest % d);
      rest = Math.floor(rest / d);
    }
    yield index;
  }
}

const flat = (dims: readonly number[], index: readonly number[]): number =>
  index.reduce((at, i, axis) => at * dims[axis] + i, 0);

/** A convolution by its definition, one product at a time. */
function plain(x: Tensor, w: Tensor, attrs: Record<string, number | number[] | string>): number[] {
  const [batch, channels, ...spatial] = x.dims;
  const [filters, perGroup, ...kernel] = w.dims;
  const { strides, dilations, begin, output } = slidingWindow(attrs, spatial, kernel);
  const group = (attrs.group as number) ?? 1;
  const [xs, ws] = [values(x) as number[], values(w) as number[]];
  expect(channels).toBe(perGroup * group);
  const result: number[] = [];
  for (const [n, m, ...o] of indices([batch, filters, ...output])) {
    let sum = 0;
    for (const [c, ...k] of indices([perGroup, ...kernel])) {
      const at = o.map((i, axis) => i * strides[axis] + k[axis] * dilations[axis] - begin[axis]);
      if (at.some((i, axis) => i < 0 || i >= spatial[axis])) continue;
      const channel = Math.floor((m * group) / filters) * perGroup + c;
      sum += xs[flat(x.dims, [n, channel, ...at])] * ws[flat(w.dims, [m, c, ...k])];
    }
    result.push(sum);
  }
  return result;
}

const close = (actual: Tensor, expected: readonly number[], digits = 4): void => {
  expect(actual.size).toBe(expected.length);
  values(actual).forEach((x, i) => {
    expect(x, `element ${i}`).toBeCloseTo(expected[i], digits);
  });
};

const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** A random convolution of 1 to 3 spatial axes. */
function someConvolution() {
  const rank = integer(1, 3);
  const [group, perGroup, filters] = [integer(1, 3), integer(1, 2), integer(1, 3)];
  const kernel = many(rank, () => integer(1, 3));
  const attrs = {
    group,
    strides: many(rank, () => integer(1, 3)),
    dilations: many(rank, () => integer(1, 2)),
    pads: many(2 * rank, () => integer(0, 2)),
  };
  const spatial = many(rank, () => integer(5, 7));
  return { attrs, x: [integer(1, 2), group * perGroup, ...spatial], w: [group * filters, perGroup, ...kernel] };
}

describe('Conv', () => {
  it('is what its definition says', async () => {
    for (let round = 0; round < 20; round++) {
      const { attrs, ...dims } = someConvolution();
      const [x, w] = [noise(...dims.x), noise(...dims.w)];
      close(await run('Conv', [x, w], attrs), plain(x, w, attrs));
    }
  });

  it('adds a bias, in every precision', async () => {
    const [x, w] = [noise(2, 1, 4), noise(3, 1, 2)];
    const bias = tensor('float32', [1, 2, 3]);
    const expected = plain(x, w, {}).map((sum, i) => sum + 1 + (Math.floor(i / 3) % 3));
    close(await run('Conv', [x, w, bias]), expected);
    for (const dtype of ['float64', 'float16', 'bfloat16'] as const) {
      const as = (t: Tensor) => tensor(dtype, values(t), [...t.dims]);
      close(await run('Conv', [as(x), as(w), as(bias)]), expected, dtype === 'float64' ? 5 : 1);
    }
  });

  it('pads on one side to keep the size', async () => {
    const x = tensor('float32', [1, 2, 3, 4], [1, 1, 4]);
    const w = tensor('float32', [1, 10], [1, 1, 2]);
    expect(values(await run('Conv', [x, w], { auto_pad: 'SAME_UPPER' }))).toEqual([21, 32, 43, 4]);
    expect(values(await run('Conv', [x, w], { auto_pad: 'SAME_LOWER' }))).toEqual([10, 21, 32, 43]);
    expect(values(await run('Conv', [x, w], { auto_pad: 'VALID' }))).toEqual([21, 32, 43]);
    expect(values(await run('Conv', [x, w], { auto_pad: 'SAME_UPPER', strides: [3] }))).toEqual([21, 4]);
  });

  it('works through more columns than it holds at a time', async () => {
    const [x, w] = [noise(1, 300, 70, 70), noise(2, 300, 1, 1)];
    const y = await run('Conv', [x, w], { pads: [0, 1, 0, 0] });
    const direct = await run('Conv', [x, w]);
    const [all, inside] = [values(y) as number[], values(direct) as number[]];
    expect(y.dims).toEqual([1, 2, 70, 71]);
    for (let row = 0; row < 140; row++) {
      expect(all[row * 71]).toBe(0);
      expect(all.slice(row * 71 + 1, (row + 1) * 71)).toEqual(inside.slice(row * 70, (row + 1) * 70));
    }
  });

  it('gives nothing for no images, and refuses windows larger than the image', async () => {
    expect((await run('Conv', [noise(0, 2, 5), noise(3, 2, 3)])).dims).toEqual([0, 3, 3]);
    await expect(run('Conv', [noise(1, 1, 3), noise(1, 1, 2)], { dilations: [5] })).rejects.toThrow(
      /over 6 elements does not fit into 3/,
    );
  });

  it('names what is wrong', async () => {
    const [x, w] = [noise(1, 2, 5), noise(4, 2, 3)];
    await expect(run('Conv', [x, w], { group: 2 })).rejects.toThrow(/channels of its input and its weight: 2 is not 4/);
    await expect(run('Conv', [x, w], { strides: [0] })).rejects.toThrow(/"strides".*at least 1/);
    await expect(run('Conv', [x, w], { pads: [1] })).rejects.toThrow(/"pads".*needs 2/);
    await expect(run('Conv', [x, w], { auto_pad: 'SAME' })).rejects.toThrow(/"auto_pad" is "SAME"/);
    await expect(run('Conv', [x, w], { kernel_shape: [5] })).rejects.toThrow(/"kernel_shape".*5 is not 3/);
    await expect(run('Conv', [noise(1, 1, 2, 2, 2, 2), noise(1, 1, 1, 1, 1, 1)])).rejects.toThrow(/4 spatial axes/);
  });
});

describe('ConvTranspose', () => {
  it('is the adjoint of Conv', async () => {
    const dot = (a: Tensor, b: Tensor): number =>
      values(a).reduce<number>((sum, x, i) => sum + (x as number) * (values(b)[i] as number), 0);
    for (let round = 0; round < 20; round++) {
      const { attrs, ...dims } = someConvolution();
      const [x, w] = [noise(...dims.x), noise(...dims.w)];
      const forward = await run('Conv', [x, w], attrs);
      const y = noise(...forward.dims);
      // Elements at the end that the convolution did not see come back as output_padding.
      const { pads, strides, ...rest } = attrs;
      const kernel = dims.w.slice(2);
      const natural = kernel.map(
        (k, i) =>
          (forward.dims[i + 2] - 1) * strides[i] + (k - 1) * rest.dilations[i] + 1 - pads[i] - pads[i + kernel.length],
      );
      const extra = natural.map((d, i) => dims.x[i + 2] - d);
      const exact = await run('ConvTranspose', [y, w], { ...attrs, output_padding: extra });
      expect(exact.dims).toEqual(dims.x);
      expect(dot(exact, x)).toBeCloseTo(dot(y, forward), 3);
    }
  });

  it('splits padding that an output shape asks for', async () => {
    const x = tensor('float32', [1, 2], [1, 1, 2]);
    const w = tensor('float32', [1, 10, 100], [1, 1, 3]);
    expect(values(await run('ConvTranspose', [x, w]))).toEqual([1, 12, 120, 200]);
    expect(values(await run('ConvTranspose', [x, w], { output_shape: [3] }))).toEqual([12, 120, 200]);
    const upper = { auto_pad: 'SAME_UPPER', output_shape: [3] };
    expect(values(await run('ConvTranspose', [x, w], upper))).toEqual([1, 12, 120]);
    expect(values(await run('ConvTranspose', [x, w], { auto_pad: 'SAME_UPPER' }))).toEqual([12, 120]);
    expect(values(await run('ConvTranspose', [x, w], { output_padding: [1], strides: [2] }))).toEqual([
      1, 10, 102, 20, 200, 0,
    ]);
  });
});

describe('DeformConv', () => {
  it('is Conv where nothing is moved, and reads elsewhere where something is', async () => {
    const [x, w] = [noise(2, 4, 6, 5), noise(4, 2, 2, 3)];
    const attrs = { group: 2, offset_group: 2, strides: [2, 1], pads: [1, 0, 0, 2], dilations: [1, 2] };
    const expected = await run('Conv', [x, w], { group: 2, strides: [2, 1], pads: [1, 0, 0, 2], dilations: [1, 2] });
    const [oh, ow] = expected.dims.slice(2);
    const offset = (value: () => number) => tensor('float32', many(2 * 24 * oh * ow, value), [2, 24, oh, ow]);
    close(await run('DeformConv', [x, w, offset(() => 0)], attrs), values(expected) as number[]);
    const half = tensor(
      'float32',
      many(2 * 12 * oh * ow, () => 0.5),
      [2, 12, oh, ow],
    );
    const bias = noise(4);
    const masked = await run('DeformConv', [x, w, offset(() => 0), bias, half], attrs);
    const biases = values(bias) as number[];
    close(
      masked,
      (values(expected) as number[]).map((v, i) => v / 2 + biases[Math.floor(i / (oh * ow)) % 4]),
    );
    const away = await run('DeformConv', [x, w, offset(() => 100 + random())], attrs);
    expect(values(away).every((v) => v === 0)).toBe(true);
  });

  it('interpolates between points', async () => {
    const x = tensor('float32', [0, 1, 2, 3], [1, 1, 2, 2]);
    const w = tensor('float32', [1], [1, 1, 1, 1]);
    const offset = tensor('float32', [0.5, 0, 0, 0, 0, 0.25, 0, 0], [1, 2, 2, 2]);
    expect(values(await run('DeformConv', [x, w, offset]))).toEqual([1, 0.75, 2, 3]);
  });
});

describe('integer convolutions', () => {
  it('pads with zero points and subtracts them per filter', async () => {
    const [x, w] = [integers('uint8', [1, 2, 5, 5], 0, 255), integers('int8', [3, 2, 3, 3], -128, 127)];
    const [zx, zw] = [tensor('uint8', [131], []), tensor('int8', [-5, 0, 90])];
    const attrs = { pads: [1, 0, 2, 1], strides: [2, 1] };
    const centred = tensor(
      'float64',
      (values(x) as number[]).map((v) => v - 131),
      [1, 2, 5, 5],
    );
    const zeros = values(zw) as number[];
    const weights = (values(w) as number[]).map((v, i) => v - zeros[Math.floor(i / 18)]);
    const expected = plain(centred, tensor('float64', weights, [3, 2, 3, 3]), attrs);
    expect(values(await run('ConvInteger', [x, w, zx, zw], attrs))).toEqual(expected);
    const scales = tensor('float32', [0.5, 0.25, 2]);
    const [one, zero] = [tensor('float32', [1], []), tensor('uint8', [3], [])];
    const bias = tensor('int32', [-1000, 0, 5]);
    const scaleY = tensor('float32', [1024], []);
    const y = await run('QLinearConv', [x, one, zx, w, scales, zw, scaleY, zero, bias], attrs);
    const perFilter = expected.length / 3;
    const scaled = expected.map((sum, i) => {
      const m = Math.floor(i / perFilter);
      const value = ((sum + [-1000, 0, 5][m]) * [0.5, 0.25, 2][m]) / 1024;
      const floor = Math.floor(value);
      const up = value - floor > 0.5 || (value - floor === 0.5 && floor % 2 !== 0);
      return Math.min(255, Math.max(0, floor + (up ? 1 : 0) + 3));
    });
    expect(values(y)).toEqual(scaled);
    const last = await run('Transpose', [x], { perm: [0, 2, 3, 1] });
    const floats = await run('espalier::QuantizedConv', [last, one, zx, w, scales, zw], attrs);
    const first = await run('Transpose', [floats], { perm: [0, 3, 1, 2] });
    expect(values(first)).toEqual(expected.map((sum, i) => sum * [0.5, 0.25, 2][Math.floor(i / perFilter)]!));
  });
});
