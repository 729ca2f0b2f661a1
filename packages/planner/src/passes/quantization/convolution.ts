/** Convolutions of what is quantised, in the ways that they are written. */

import { type Attributes, type Node, slidingWindow, Tensor } from '@espalier/core';
import { type Editor, isPlain } from '../../rewrite/editor.ts';
import { elementsOf, tensorOf } from '../../rewrite/values.ts';
import { perChannel, perTensor } from './static.ts';

/** A convolution with exact sums, and what becomes of them; by name. */
export interface QuantizedConvolution {
  /** What it stands for. */
  readonly nodes: readonly Node[];
  readonly output: string;
  /** The picture, channels first, and its one scale and zero point. */
  readonly x: string;
  readonly scale: string;
  readonly zeroPoint: string;
  /** Constant filters, with one scale and zero point or one for each. */
  readonly weights: string;
  readonly wScale: string;
  readonly wZero: string;
  readonly attrs: Attributes;
  /** Each pixel of the result comes from the same one of the picture. */
  readonly isPointwise: boolean;
  /** What is added to each channel, float32. */
  readonly bias?: string;
  /** Scale and zero point that the result is quantised with. */
  readonly quantize?: readonly [scale: string, zeroPoint: string];
}

/** What a node is as such a convolution; undefined for every other. */
export function quantizedConvolution(editor: Editor, node: Node): QuantizedConvolution | undefined {
  const found = isPlain(node, 'Conv')
    ? dequantized(editor, node)
    : isPlain(node, 'QLinearConv')
      ? linear(editor, node)
      : isPlain(node, 'ConvInteger')
        ? integer(editor, node)
        : undefined;
  if (!found) return undefined;
  const { dims } = editor.constant(found.weights)!;
  return { ...found, isPointwise: isPointwise(node.attrs, dims) };
}

type Found = Omit<QuantizedConvolution, 'isPointwise'>;

function isPointwise(attrs: Attributes, [, , ...kernel]: readonly number[]): boolean {
  if (kernel.some((k) => k !== 1) || ((attrs['group'] as number | undefined) ?? 1) !== 1) return false;
  const { strides, begin, end } = slidingWindow(attrs, kernel, kernel);
  return strides.every((stride) => stride === 1) && [...begin, ...end].every((pad) => pad === 0);
}

/** Conv of what DequantizeLinear makes. */
function dequantized(editor: Editor, node: Node): Found | undefined {
  const [x, w] = node.inputs.slice(0, 2).map((name) => editor.madeBy(name, 'DequantizeLinear'));
  if (!x || !w || editor.dtype(node.outputs[0]!) !== 'float32' || !isBytes(editor, x.inputs[0]!)) return undefined;
  return picked(editor, node, {
    ...{ x: x.inputs[0]!, weights: w.inputs[0]! },
    input: perTensor(editor, x, x.inputs[0]!),
    filters: perTensor(editor, w, w.inputs[0]!) ?? perChannel(editor, w, 0),
    ...(node.inputs[2] ? { bias: node.inputs[2] } : {}),
  });
}

function linear(editor: Editor, node: Node): Found | undefined {
  const [x, scale, zeroPoint, weights, wScale, wZero, yScale, yZero, bias] = node.inputs as string[];
  const [unit, units] = [editor.scalar(scale), editor.constant(wScale)];
  const values = editor.constant(bias);
  if (bias && !(values && unit !== undefined && units)) return undefined;
  const factors = units && elementsOf(units);
  const floats = values?.data.length
    ? Float32Array.from(elementsOf(values), (b, i) => b * Math.fround(unit! * factors![i % factors!.length]!))
    : undefined;
  return picked(editor, node, {
    ...{ x: x!, weights: weights!, input: { scale: scale!, zeroPoint: zeroPoint! } },
    filters: { scale: wScale!, zeroPoint: wZero! },
    ...(floats
      ? { bias: editor.addConstant(`${node.name}/bias`, new Tensor('float32', floats, [floats.length])) }
      : {}),
    quantize: [yScale!, yZero!],
  });
}

/** ConvInteger, the sums cast to float32. */
function integer(editor: Editor, node: Node): Found | undefined {
  const cast = editor.onlyReader(node.outputs[0]!);
  if (!cast || !isPlain(cast, 'Cast') || editor.dtype(cast.outputs[0]!) !== 'float32') return undefined;
  const [x, weights, zeroPoint = '', wZero = ''] = node.inputs as [string, string, string?, string?];
  const scale = editor.addConstant(`${node.name}/scale`, tensorOf('float32', [], [1]));
  return picked(editor, node, {
    ...{ x, weights, input: { scale, zeroPoint }, filters: { scale, zeroPoint: wZero } },
    nodes: [node, cast],
  });
}

interface Parameters {
  readonly scale: string;
  readonly zeroPoint: string;
}

interface Pick extends Partial<Found> {
  readonly x: string;
  readonly weights: string;
  readonly input: Parameters | undefined;
  readonly filters: Parameters | undefined;
}

function picked(editor: Editor, node: Node, { input, filters, ...rest }: Pick): Found | undefined {
  const constants = filters && [rest.weights, filters.scale, filters.zeroPoint];
  if (!input || !constants?.every((name) => name === '' || editor.constant(name)) || !isBytes(editor, rest.weights))
    return undefined;
  const nodes = rest.nodes ?? [node];
  return {
    ...{ ...input, ...rest, nodes, attrs: node.attrs, output: nodes.at(-1)!.outputs[0]! },
    ...{ wScale: filters!.scale, wZero: filters!.zeroPoint },
  };
}

const isBytes = (editor: Editor, name: string): boolean => ['int8', 'uint8'].includes(editor.dtype(name));
