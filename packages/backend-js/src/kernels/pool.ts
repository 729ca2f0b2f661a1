/** Pooling over windows and over everything, and its partial inverse. */

import {
  type Attributes,
  EspalierError,
  type HostKernel,
  type Phase,
  sizeOf,
  slidingWindow,
  stridesOf,
  transposedWindow,
} from '@espalier/core';
import { define, each, type JsOp, type Operand, type Operands, units } from '../define.ts';
import { floating } from '../float.ts';
import { PADDING, rejectSpatial, type WindowAxes, windowAxes } from '../windows.ts';

/** What a pool makes of the elements that one window sees. */
interface Pooling {
  /** Before the first element. */
  readonly initial: number;
  fold(sum: number, x: number): number;
  /** `seen` elements, of which `counted` are to be divided by (padding may count). */
  finish(sum: number, counted: number): number;
}

const reject: JsOp['reject'] = (call) => rejectSpatial(call.inputs[0]!.shape.length);

function axesOf(x: Operand, attrs: Attributes): WindowAxes {
  const spatial = x.dims.slice(2);
  return windowAxes(slidingWindow(attrs, spatial, attrs['kernel_shape'] as readonly number[]), spatial);
}

/** Multiply-adds of a pool: every output sees one window. */
const macsOf: JsOp['macs'] = (_inputs, [y, indices], call) =>
  sizeOf((y ?? indices)!) * sizeOf(call.attrs['kernel_shape'] as readonly number[]);

/**
 * One unit per row of outputs. `visit` is told of the elements that one window sees, by their place in the input, and then
 * `store` of the output's place and of how many taps were inside the input, and inside its padding.
 */
function windows(
  x: Operand,
  [depth, height, width]: WindowAxes,
  visit: (at: number) => void,
  store: (at: number, inside: number, padding: number) => void,
): Phase {
  const rows = height.output * depth.output;
  const run = (unit: number): void => {
    const image = Math.floor(unit / rows);
    const od = Math.floor((unit % rows) / height.output);
    const oh = unit % height.output;
    for (let ow = 0; ow < width.output; ow++) {
      let inside = 0;
      let padding = 0;
      for (let kd = 0; kd < depth.kernel; kd++) {
        const d = depth.index[kd * depth.output + od];
        for (let kh = 0; kh < height.kernel; kh++) {
          const h = height.index[kh * height.output + oh];
          for (let kw = 0; kw < width.kernel; kw++) {
            const w = width.index[kw * width.output + ow];
            if (d >= 0 && h >= 0 && w >= 0) {
              visit(((image * depth.input + d) * height.input + h) * width.input + w);
              inside++;
            } else if (d >= PADDING && h >= PADDING && w >= PADDING) padding++;
          }
        }
      }
      store(unit * width.output + ow, inside, padding);
    }
  };
  return units(x.dims[0] * x.dims[1] * rows, run);
}

function pool({ inputs: [x], outputs: [y], attrs }: Operands, how: Pooling, countsPadding: boolean): readonly Phase[] {
  const { data, before } = floating(x!);
  let sum = how.initial;
  const visit = (at: number): void => {
    sum = how.fold(sum, data[at]);
  };
  const phase = windows(x!, axesOf(x!, attrs), visit, (at, inside, padding) => {
    y!.data[at] = how.finish(sum, countsPadding ? inside + padding : inside);
    sum = how.initial;
  });
  return [...before, phase];
}

/** One unit per channel of an image, all of whose elements are one window. */
function globalPool({ inputs: [x], outputs: [y] }: Operands, how: Pooling): Phase {
  const length = sizeOf(x!.dims.slice(2));
  return units(y!.size, (unit) => {
    let sum = how.initial;
    for (let i = unit * length; i < (unit + 1) * length; i++) sum = how.fold(sum, x!.data[i]);
    y!.data[unit] = how.finish(sum, length);
  });
}

const average: Pooling = {
  initial: 0,
  fold: (sum, x) => sum + x,
  // A window that sees padding only gives 0.
  finish: (sum, counted) => (counted === 0 ? 0 : sum / counted),
};
const greatest: Pooling = {
  initial: Number.NEGATIVE_INFINITY,
  fold: (sum, x) => (x > sum || Number.isNaN(x) ? x : sum),
  finish: (sum) => sum,
};
function norm({ attrs }: Operands): Pooling {
  const p = attrs['p'] as number;
  if (p === 1) return { initial: 0, fold: (sum, x) => sum + Math.abs(x), finish: (sum) => sum };
  if (p === 2) return { initial: 0, fold: (sum, x) => sum + x * x, finish: Math.sqrt };
  return { initial: 0, fold: (sum, x) => sum + Math.abs(x) ** p, finish: (sum) => sum ** (1 / p) };
}

export const pooling: readonly HostKernel[] = [
  define({
    op: 'MaxPool',
    reject,
    macs: macsOf,
    compute: ({ inputs: [x], outputs: [y, indices], attrs }) => {
      const { data, before } = floating(x!);
      const isColumnMajor = attrs['storage_order'] === 1;
      const spatial = x!.dims.slice(2);
      const size = sizeOf(spatial);
      const steps = stridesOf([...spatial].reverse()).reverse();
      const rowSteps = stridesOf(spatial);
      const columnMajor = (at: number): number => {
        const place = at % size;
        return spatial.reduce((sum, d, i) => sum + (Math.floor(place / rowSteps[i]) % d) * steps[i], at - place);
      };
      let best = -1;
      const visit = (at: number): void => {
        if (best < 0 || data[at] > data[best] || Number.isNaN(data[at])) best = at;
      };
      const none = x!.dtype === 'uint8' ? 0 : x!.dtype === 'int8' ? -128 : Number.NEGATIVE_INFINITY;
      const phase = windows(x!, axesOf(x!, attrs), visit, (at) => {
        if (y) y.data[at] = best < 0 ? none : data[best];
        if (indices) indices.data[at] = BigInt(isColumnMajor && best >= 0 ? columnMajor(best) : best);
        best = -1;
      });
      return [...before, phase];
    },
  }),
  define({
    op: 'AveragePool',
    reject,
    macs: macsOf,
    compute: (io) => pool(io, average, io.attrs['count_include_pad'] === 1),
  }),
  define({ op: 'LpPool', reject, macs: macsOf, compute: (io) => pool(io, norm(io), false) }),
  define({ op: 'GlobalAveragePool', macs: ([x]) => sizeOf(x!), compute: (io) => globalPool(io, average) }),
  define({ op: 'GlobalMaxPool', macs: ([x]) => sizeOf(x!), compute: (io) => globalPool(io, greatest) }),
  define({ op: 'GlobalLpPool', macs: ([x]) => sizeOf(x!), compute: (io) => globalPool(io, norm(io)) }),
  define({
    op: 'MaxUnpool',
    macs: ([x]) => sizeOf(x!),
    compute: ({ inputs: [x, indices], outputs: [y], attrs }) => {
      // The indices count in the smallest shape that pools to the input's, wherever "output_shape" puts that.
      const kernel = attrs['kernel_shape'] as readonly number[];
      const counted = [...x!.dims.slice(0, 2), ...transposedWindow(attrs, x!.dims.slice(2), kernel).output];
      const [steps, target] = [stridesOf(counted), stridesOf(y!.dims)];
      const place = (index: number): number => {
        if (!(index >= 0 && index < sizeOf(counted))) fail(index);
        return counted.reduce((sum, extent, axis) => {
          const i = Math.floor(index / steps[axis]) % extent;
          if (i >= y!.dims[axis]) fail(index);
          return sum + i * target[axis];
        }, 0);
      };
      const fail = (index: number): never => {
        throw new EspalierError('BAD_INPUT', `the index ${index} lies outside of the output [${y!.dims}]`);
      };
      const scatter = (i: number): void => {
        y!.data[place(Number(indices!.data[i]))] = x!.data[i];
      };
      return [each(y!.size, (from, to) => y!.data.fill(0, from, to)), units(x!.size, scatter, true)];
    },
  }),
];
