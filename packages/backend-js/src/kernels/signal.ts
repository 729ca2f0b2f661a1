/** Fourier transforms, and the windows and filter banks that go with them. */

import { type HostKernel, normalizeAxis, type Phase, sizeOf } from '@espalier/core';
import { agree } from '../agree.ts';
import { define, each, type Operand, type Operands, once, units } from '../define.ts';
import { Fourier } from '../fourier.ts';
import { converter } from '../numeric.ts';

/** n log2 n */
const macsOf = (n: number): number => n * Math.max(1, Math.log2(n));

/** One unit per transform. */
function dft({ inputs: [x, length, axisInput], outputs: [y], attrs }: Operands): Phase {
  const { dims } = x!;
  const axis = normalizeAxis(axisInput ? Number(axisInput.data[0]) : -2, dims.length);
  const [isInverse, isOnesided] = [attrs['inverse'] === 1, attrs['onesided'] === 1];
  const [given, out] = [dims[axis], y!.dims[axis]];
  const n = isOnesided && !isInverse ? Number(length?.data[0] ?? given) : out;
  const parts = dims.at(-1)!;
  const outParts = y!.dims.at(-1)!;
  const inner = sizeOf(dims.slice(axis + 1, -1));
  const fourier = new Fourier(n);
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  const used = Math.min(given, isOnesided && isInverse ? Math.floor(n / 2) + 1 : n);
  const run = (unit: number): void => {
    const outer = Math.floor(unit / inner);
    const lane = unit - outer * inner;
    re.fill(0);
    im.fill(0);
    for (let k = 0; k < used; k++) {
      const at = ((outer * given + k) * inner + lane) * parts;
      re[k] = x!.data[at];
      if (parts === 2) im[k] = x!.data[at + 1];
    }
    if (isOnesided && isInverse) {
      // The other half is the mirrored conjugate; what stands for itself is real.
      im[0] = 0;
      if (n % 2 === 0) im[n / 2] = 0;
      for (let k = 1; k < n / 2; k++) {
        re[n - k] = re[k];
        im[n - k] = -im[k];
      }
    }
    if (isInverse) fourier.backward(re, im);
    else fourier.forward(re, im);
    const scale = isInverse ? 1 / n : 1;
    for (let k = 0; k < out; k++) {
      const at = ((outer * out + k) * inner + lane) * outParts;
      y!.data[at] = re[k] * scale;
      if (outParts === 2) y!.data[at + 1] = im[k] * scale;
    }
  };
  return units(sizeOf(dims.slice(0, axis)) * inner, run);
}

/** One unit per frame. */
function stft({ inputs: [x, step, window, length], outputs: [y] }: Operands): Phase {
  const [batch, size, parts] = x!.dims;
  const n = Number(length?.data[0] ?? window?.size ?? size);
  const hop = Number(step!.data[0]);
  const [, frames, bins] = y!.dims;
  if (window) agree(window.size, n, 'elements of the window and of a frame');
  agree(frames, Math.floor((size - n) / hop) + 1, 'frames');
  const fourier = new Fourier(n);
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  return units(batch * frames, (unit) => {
    const first = Math.floor(unit / frames) * size + (unit % frames) * hop;
    for (let k = 0; k < n; k++) {
      const weight = window ? window.data[k] : 1;
      re[k] = x!.data[(first + k) * parts] * weight;
      im[k] = parts === 2 ? x!.data[(first + k) * parts + 1] * weight : 0;
    }
    fourier.forward(re, im);
    for (let k = 0; k < bins; k++) {
      y!.data[2 * (unit * bins + k)] = re[k];
      y!.data[2 * (unit * bins + k) + 1] = im[k];
    }
  });
}

/** A window of cosines: `a0 - a1 cos(2 pi k / n) + a2 cos(4 pi k / n)`. */
const window = (op: string, a0: number, a1: number, a2: number): HostKernel =>
  define({
    op,
    compute: ({ outputs: [y], attrs }) => {
      const n = attrs['periodic'] === 1 ? y!.size : y!.size - 1;
      const convert = converter('float64', y!.dtype);
      return each(y!.size, (from, to) => {
        for (let k = from; k < to; k++) {
          // A symmetric window of one element has no period.
          const angle = n === 0 ? Math.PI : (2 * Math.PI * k) / n;
          y!.data[k] = convert(a0 - a1 * Math.cos(angle) + a2 * Math.cos(2 * angle));
        }
      });
    },
  });

/** Triangles on the mel scale, each a column over the bins of a one-sided spectrum. */
function melWeights(y: Operand, length: number, rate: number, lower: number, upper: number): void {
  const [bins, filters] = y.dims;
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const hertz = (m: number): number => 700 * (10 ** (m / 2595) - 1);
  const step = (mel(upper) - mel(lower)) / (filters + 2);
  const edges = Array.from({ length: filters + 2 }, (_, i) =>
    Math.floor(((length + 1) * hertz(mel(lower) + i * step)) / rate),
  );
  const convert = converter('float64', y.dtype);
  y.data.fill(convert(0));
  const fill = (filter: number, from: number, to: number, value: (bin: number) => number): void => {
    for (let bin = Math.max(0, from); bin < Math.min(bins, to); bin++)
      y.data[bin * filters + filter] = convert(value(bin));
  };
  for (let f = 0; f < filters; f++) {
    const [left, centre, right] = edges.slice(f, f + 3);
    fill(f, left, centre, (bin) => (bin - left) / (centre - left));
    fill(f, centre, centre + 1, () => 1);
    fill(f, centre, right, (bin) => (right - bin) / (right - centre));
  }
}

export const signals: readonly HostKernel[] = [
  define({ op: 'DFT', macs: (_inputs, [y]) => macsOf(sizeOf(y!)), compute: dft }),
  define({ op: 'STFT', macs: (_inputs, [y]) => macsOf(sizeOf(y!)), compute: stft }),
  define({
    op: 'MelWeightMatrix',
    compute: ({ inputs: [, length, rate, lower, upper], outputs: [y] }) =>
      once(() => melWeights(y!, Number(length!.data[0]), Number(rate!.data[0]), lower!.data[0], upper!.data[0])),
  }),
  window('HannWindow', 0.5, 0.5, 0),
  window('HammingWindow', 25 / 46, 21 / 46, 0),
  window('BlackmanWindow', 0.42, 0.5, 0.08),
];
