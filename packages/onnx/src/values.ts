/** Values in files of their own, as ONNX's test data has them. */

import { EspalierError, type Tensor, UnsupportedError, type Value, type ValueKind } from '@espalier/core';
import { optionalProto, type SequenceProto, sequenceProto, type TensorProto, tensorProto } from './proto.ts';
import { dataTypeName, readTensor } from './tensors.ts';
import { decode } from './wire.ts';

/**
 * The tensor in a file of ONNX's `TensorProto` (`input_0.pb`), over the file's bytes.
 * @throws UnsupportedError for a dtype that Espalier does not have
 * @throws EspalierError `BAD_FILE` or `LIMIT` for what is no tensor
 */
export function importTensor(bytes: Uint8Array): { name: string; tensor: Tensor } {
  const proto = decode(tensorProto, bytes);
  return { name: proto.name ?? '', tensor: tensorOf(proto) };
}

/**
 * The value in a file of ONNX's `TensorProto`, `SequenceProto` or `OptionalProto`: the bytes do not tell which. Tensors lie
 * over the file's bytes.
 * @throws UnsupportedError, EspalierError as {@link importTensor}
 */
export function importValue(bytes: Uint8Array, kind: ValueKind): { name: string; value: Value } {
  if (kind === 'tensor') {
    const { name, tensor } = importTensor(bytes);
    return { name, value: tensor };
  }
  if (kind === 'sequence') {
    const proto = decode(sequenceProto, bytes);
    return { name: proto.name ?? '', value: tensorsOf(proto) };
  }
  const { name = '', elemType = 0, tensorValue, sequenceValue } = decode(optionalProto, bytes);
  if (elemType === 0) return { name, value: null };
  if (elemType === TENSOR && tensorValue) return { name, value: tensorOf(tensorValue) };
  if (elemType === SEQUENCE && sequenceValue) return { name, value: tensorsOf(sequenceValue) };
  if (elemType === TENSOR || elemType === SEQUENCE)
    throw new EspalierError('BAD_FILE', 'the optional lacks the element that it says it has');
  throw new UnsupportedError('the optional holds neither a tensor nor a sequence', [`optional of type ${elemType}`]);
}

/** `OptionalProto.DataType` and `SequenceProto.DataType`. */
const TENSOR = 1;
const SEQUENCE = 3;

function tensorsOf({ elemType = TENSOR, tensorValues }: SequenceProto): Tensor[] {
  if (elemType !== TENSOR)
    throw new UnsupportedError('the sequence does not hold tensors', [`sequence of type ${elemType}`]);
  return tensorValues.map(tensorOf);
}

function tensorOf(proto: TensorProto): Tensor {
  const tensor = readTensor(proto);
  const dtype = dataTypeName(proto.dataType);
  if (!tensor) throw new UnsupportedError(`the tensor is ${dtype}, which Espalier does not have`, [dtype]);
  return tensor;
}
