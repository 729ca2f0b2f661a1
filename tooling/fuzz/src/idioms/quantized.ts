/** Numbers of 8 and 4 bits, as quantised models have them. */

import { type DType, dtypes, integerRange, Tensor } from '@espalier/core';
import { positives, wholes, withPattern } from '../data.ts';
import { type Grower, type Idiom, sizes, type Value } from '../grower.ts';
import { drawGroups, drawWindow, picture } from './windows.ts';

const bytes: readonly DType[] = ['int8', 'uint8'];

/** Integers, some of them the zero point, as the patterns of sparse weights have it. */
function narrow(g: Grower, dtype: DType, dims: readonly number[], zero = 0): Tensor {
  const tensor = wholes(dtype, dims, g.random, ...integerRange(dtype));
  return dtypes[dtype].bits === 8 ? withPattern(tensor, g.source, g.random, zero) : tensor;
}

/** Positive numbers around 1/64. */
const scales = (g: Grower, ...dims: number[]): string => g.constant(positives(dims, g.random, 1 / 64));

/** What was rounded to levels that are so far apart. */
interface Rounded {
  readonly value: Value;
  readonly scale: number;
}

/** To 8 bits and back, with a scale and zero point that are known beforehand. */
function rounded(g: Grower, x: Value | undefined, steps = [0.02, 0.5]): Rounded | undefined {
  if (!x) return undefined;
  const dtype = g.source.pick(['uint8', 'int8'] as const);
  const zero = g.constant(new Tensor(dtype, [g.source.pick(dtype === 'uint8' ? [128, 0, 255, 7] : [0, -128, 5])], []));
  const step = g.source.pick(steps);
  const scale = g.scalar(step);
  const levels = g.op('QuantizeLinear', [x, scale, zero]);
  const value = levels && g.op('DequantizeLinear', [levels, scale, zero]);
  return value && { value, scale: step };
}

/** Weights of 8 bits made wide: one scale, or one for each of the columns along `axis`. */
function wideWeights(
  g: Grower,
  dims: readonly number[],
  axis: number,
): { readonly value: Value; readonly scales: Tensor } | undefined {
  const dtype = g.source.pick(bytes);
  const shape = g.source.chance(2) ? [dims[axis]!] : [];
  const zero = g.source.chance(3) ? 3 : 0;
  const scales = positives(shape, g.random, 1 / 64);
  const zeros = wholes(dtype, shape, g.random, zero, zero);
  const operands = [narrow(g, dtype, dims, zero), scales, zeros].map((tensor) => g.constant(tensor));
  const value = g.op('DequantizeLinear', operands, shape.length > 0 ? { axis } : {});
  return value && { value, scales };
}

/** As a quantised model has it: activations and weights of 8 bits. */
export const quantized: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  const wide = rounded(g, x)?.value;
  if (!wide || typeof depth !== 'number' || depth < 1 || x.shape.length < 2 || g.source.chance(3)) return wide;
  const matrix = wideWeights(g, [depth, g.source.pick(sizes)], 1)?.value;
  const product = matrix && g.op('MatMul', [wide, matrix]);
  return g.source.chance(3) ? rounded(g, product)?.value : product;
};

/** As models have it that were quantised op by op. */
export const quantizedProduct: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  if (typeof depth !== 'number' || depth < 1 || x.shape.length < 2) return undefined;
  const [dtype, columns] = [g.source.pick(['uint8', 'int8'] as const), g.source.pick(sizes)];
  const zero = (type: DType): string => g.constant(new Tensor(type, [g.source.pick([0, 3, 100])], []));
  const input = [g.scalar(0.02), zero(dtype)] as const;
  const output = [g.scalar(g.source.pick([0.1, 0.5])), zero(dtype)] as const;
  const levels = g.op('QuantizeLinear', [x, ...input]);
  const weightType = g.source.pick(bytes);
  const shape = g.source.chance(2) ? [columns] : [];
  const zeros = g.constant(wholes(weightType, shape, g.random, 0, g.source.pick([0, 9])));
  const weights = [g.constant(narrow(g, weightType, [depth, columns])), scales(g, ...shape), zeros];
  const product = levels && g.op('QLinearMatMul', [levels, ...input, ...weights, ...output]);
  return product && g.op('DequantizeLinear', [product, ...output]);
};

/** A few layers over pictures, as a quantised model has them: rounded in front of each. */
export const quantizedPictures: Idiom = (g, input) => {
  let x = picture(g, input)?.x;
  const layers = [quantizedConvolution, quantizedConvolution, roundedPool, roundedSum];
  for (let left = 1 + g.source.below(4); x && left > 0; left--) {
    const wide = rounded(g, x, [0.02, 0.5, 4]);
    x = wide && g.source.pick(layers)(g, wide);
    if (x && !g.isSmall(x.shape)) return undefined;
  }
  return g.source.chance(3) ? x : rounded(g, x, [0.5, 0.02, 4])?.value;
};

function quantizedConvolution(g: Grower, { value, scale }: Rounded): Value | undefined {
  const channels = value.shape[1] as number;
  const group = drawGroups(g, channels);
  const { kernel, attrs } = drawWindow(g, value.shape.length - 2, true);
  const out = group * g.source.pick([1, 4, 17]);
  const weights = wideWeights(g, [out, channels / group, ...kernel], 0);
  if (!weights) return undefined;
  const bias = g.source.chance(2) ? [biasOf(g, out, scale, weights.scales)] : [];
  const product = g.op('Conv', [value, weights.value, ...bias], { group, kernel_shape: kernel, ...attrs });
  return product && g.source.chance(3) ? g.op('Relu', [product]) : product;
}

/** Integers in units of the products' sums. */
function biasOf(g: Grower, size: number, scale: number, scales: Tensor): Value | string {
  const units = (scales.data as Float32Array).map((each) => Math.fround(scale) * each);
  const operands = [wholes('int32', [size], g.random, -1000, 1000), new Tensor('float32', units, scales.dims)];
  const each = operands.map((tensor) => g.constant(tensor));
  return g.op('DequantizeLinear', each, scales.dims.length > 0 ? { axis: 0 } : {})!;
}

const roundedPool = (g: Grower, { value }: Rounded): Value | undefined => {
  const { kernel, attrs } = drawWindow(g, value.shape.length - 2, false);
  return g.op(g.source.pick(['MaxPool', 'AveragePool']), [value], { kernel_shape: kernel, ...attrs });
};

/** With another picture that was rounded too. */
const roundedSum = (g: Grower, { value }: Rounded): Value | undefined => {
  const other = rounded(g, g.op(g.source.pick(['Neg', 'Relu', 'Tanh']), [value]));
  return other && g.op('Add', g.source.chance(2) ? [other.value, value] : [value, other.value]);
};

/** As dynamic quantisation writes it. */
export const dynamic: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  if (typeof depth !== 'number' || x.shape.length < 2) return undefined;
  const made = g.all('DynamicQuantizeLinear', [x], {}, 3);
  if (!made) return undefined;
  const [levels, scale, zero] = made as [string, string, string];
  const dtype = g.source.pick(bytes);
  const columns = g.source.pick(sizes);
  const zeroOfWeights = g.source.pick([0, 0, 3]);
  const weights = g.constant(narrow(g, dtype, [depth, columns], zeroOfWeights));
  const sums = g.op('MatMulInteger', [levels, weights, zero, g.constant(new Tensor(dtype, [zeroOfWeights], []))]);
  const wide = sums && g.op('Cast', [sums], { to: dtypes.float32.onnx });
  if (g.source.chance(4)) return wide && g.op('Mul', [wide, g.scalar(1e-4)]);
  const factor = g.op('Mul', [scale, g.source.chance(2) ? scales(g, columns) : g.scalar(0.01)]);
  return wide && factor && g.op('Mul', [wide, factor]);
};

/** Weights of 8 or 4 bits alone, with scales for all, for each column or row, or for blocks. */
export const narrowWeights: Idiom = (g, x) => {
  const depth = x.shape.at(-1);
  if (typeof depth !== 'number' || depth < 1 || x.shape.length < 2) return undefined;
  const dims = [depth, g.source.pick([8, ...sizes, 128])];
  const dtype = g.source.pick<DType>(['int8', 'uint4', 'int4', 'uint8']);
  const [axis, block] = [g.source.below(2), g.source.pick([16, 32, 4])];
  const how = g.source.pick(['one', 'axis', 'block']);
  const blocks = dims.map((d, i) => (i === axis ? Math.ceil(d / block) : d));
  const shape = how === 'one' ? [] : how === 'axis' ? [dims[axis]!] : blocks;
  const zero = g.source.chance(2) ? [g.constant(wholes(dtype, shape, g.random, 0, 7))] : [];
  const attrs = { axis, ...(how === 'block' ? { block_size: block } : {}) };
  const weights = g.op('DequantizeLinear', [g.constant(narrow(g, dtype, dims)), scales(g, ...shape), ...zero], attrs);
  return weights && g.op('MatMul', [x, weights]);
};
