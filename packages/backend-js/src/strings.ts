/** How ops are written that handle strings: on tensors, one element after the other, yielding now and then. */

import {
  broadcastShapes,
  byteLength,
  type Call,
  type DType,
  dtypes,
  EspalierError,
  type HostKernel,
  sizeOf,
  Tensor,
  writeNibble,
} from '@espalier/core';
import { broadcast } from './broadcast.ts';
import { define, type JsDynamicOp } from './define.ts';
import { reader } from './elements.ts';

/** Elements between two yields. */
const chunk = 1024;
const maxElements = 2 ** 27;

/** @throws EspalierError `LIMIT` for more strings than the heap should be asked for */
export function checkCount(node: string, count: number): void {
  if (count > maxElements)
    throw new EspalierError('LIMIT', `${node}: makes ${count} strings; at most ${maxElements} are handled`, { node });
}

/** `f` of the elements of all tensors, which broadcast together. */
export function* mapElements<T>(
  node: string,
  tensors: readonly Tensor[],
  // biome-ignore lint/suspicious/noExplicitAny: what the tensors hold.
  f: (...elements: any[]) => T,
): Generator<void, { readonly dims: readonly number[]; readonly elements: T[] }> {
  const dims = broadcastShapes(...tensors.map((tensor) => tensor.dims)) as number[];
  const size = sizeOf(dims);
  checkCount(node, size);
  const { steps, rows } = broadcast(dims, ...tensors.map((tensor) => tensor.dims));
  const readers = tensors.map(reader);
  const elements: T[] = [];
  for (let from = 0; from < size; from += chunk) {
    rows(from, Math.min(size, from + chunk), (_, count, offsets) => {
      for (let i = 0; i < count; i++) elements.push(f(...readers.map((read, k) => read(offsets[k]! + i * steps[k]!))));
    });
    yield;
  }
  return { dims, elements };
}

/** A tensor of elements as they are stored: raw bits for half types, bytes for 4-bit integers. */
export function toTensor(dtype: DType, elements: readonly unknown[], dims: readonly number[]): Tensor {
  if (dtype === 'string') return new Tensor(dtype, elements as string[], dims);
  const { array, bits } = dtypes[dtype];
  const data = new array(byteLength(dtype, elements.length) / array.BYTES_PER_ELEMENT);
  if (bits === 4) for (const [i, x] of elements.entries()) writeNibble(data as Uint8Array, i, x as number);
  else for (const [i, x] of elements.entries()) (data as { [index: number]: unknown })[i] = x;
  return new Tensor(dtype, data, dims);
}

interface StringOp extends Pick<JsDynamicOp, 'op' | 'types' | 'reject'> {
  /** Makes the function of one element (or of one of each input); what it returns is stored as it is. */
  // biome-ignore lint/suspicious/noExplicitAny: strings, or what another tensor holds.
  element(call: Call): (...elements: any[]) => unknown;
}

/** An element-wise op on strings. */
export function stringOp({ element, ...row }: StringOp): HostKernel {
  return define({
    ...row,
    variant: 'string',
    *evaluate(call, inputs) {
      const { dims, elements } = yield* mapElements(call.node, inputs as Tensor[], element(call));
      return [toTensor(call.outputs[0]!.dtype, elements, dims)];
    },
  });
}
