/** Weights that are stored as integers and written out as floats: DequantizeLinear, or Cast and Mul as torch exports it. */

import { type DType, dtypes, type Node, normalizeAxis, type Tensor } from '@espalier/core';
import type { Editor } from './editor.ts';

/** A matrix `q` of few bits with `(q - zeroPoint) * scale`, in DequantizeLinear's terms. */
export interface QuantizedMatrix {
  /** Names of constants. */
  readonly q: string;
  readonly scale: string;
  readonly zeroPoint: string | undefined;
  /** The axis along which scales differ; undefined for one scale. */
  readonly axis: number | undefined;
  /** Elements that share a scale along the axis; 0 where there is one for each index. */
  readonly blockSize: number;
}

const small: readonly DType[] = ['int8', 'uint8', 'int4', 'uint4'];

/** What a float matrix is dequantised from; undefined where it is not, or in another way. */
export function quantizedMatrix(editor: Editor, name: string): QuantizedMatrix | undefined {
  const node = editor.madeBy(name, 'DequantizeLinear', 'Mul');
  if (!node) return undefined;
  const found = node.op === 'Mul' ? fromMul(editor, node) : fromDequantizeLinear(editor, node);
  if (!found || editor.shape(found.q).length !== 2 || !small.includes(editor.dtype(found.q))) return undefined;
  return editor.dtype(found.scale) === editor.dtype(name) ? found : undefined;
}

function fromDequantizeLinear(editor: Editor, { inputs, attrs }: Node): QuantizedMatrix | undefined {
  const [q, scale, zeroPoint] = inputs;
  if (![q, scale, zeroPoint].every((name) => !name || editor.constant(name))) return undefined;
  const isOne = editor.constant(scale)!.size === 1;
  const axis = normalizeAxis((attrs['axis'] as number | undefined) ?? 1, 2);
  const blockSize = isOne ? 0 : ((attrs['block_size'] as number | undefined) ?? 0);
  return { q: q!, scale: scale!, zeroPoint: zeroPoint || undefined, axis: isOne ? undefined : axis, blockSize };
}

/** `Cast(q) * scale`. */
function fromMul(editor: Editor, node: Node): QuantizedMatrix | undefined {
  for (const [value, scale] of [node.inputs, node.inputs.toReversed()] as [string, string][]) {
    const [q, tensor] = [editor.madeBy(value, 'Cast')?.inputs[0], editor.constant(scale)];
    const matrix = editor.constant(q);
    if (!matrix || !tensor) continue;
    const axis = scaleAxis(tensor.dims, matrix.dims);
    if (axis === undefined) continue;
    return { q: q!, scale, zeroPoint: undefined, axis: axis < 0 ? undefined : axis, blockSize: 0 };
  }
  return undefined;
}

/** The only axis of the matrix along which a tensor that broadcasts to it varies; -1 for none. */
function scaleAxis(dims: readonly number[], matrix: readonly number[]): number | undefined {
  if (dims.length > 2 || matrix.length !== 2) return undefined;
  const [rows, columns] = [dims.at(-2) ?? 1, dims.at(-1) ?? 1];
  if (rows === 1 && columns === 1) return -1;
  if (rows === 1) return columns === matrix[1] ? 1 : undefined;
  return columns === 1 && rows === matrix[0] ? 0 : undefined;
}

/** True for dtypes that hold numbers in fewer bits than floats do. */
export function isNarrow(dtype: DType): boolean {
  const { bits, kind } = dtypes[dtype];
  return bits <= 16 && (kind === 'int' || kind === 'uint' || kind === 'float');
}

/** The tensor as a vector, or as a scalar where it has one element. */
export function flattened(tensor: Tensor): Tensor {
  return tensor.reshape(tensor.size === 1 ? [] : [tensor.size]);
}
