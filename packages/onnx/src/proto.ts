/**
 * The messages of onnx.proto (IR version 14), as far as they matter to inference. Names are those of the specification, in
 * camel case; fields that are not listed (doc strings, training, sharding) are skipped.
 */

import { type Message, many, message, one } from './wire.ts';

export interface StringStringEntryProto {
  key?: string;
  value?: Uint8Array;
}

export interface OperatorSetIdProto {
  domain?: string;
  version?: bigint;
}

export interface TensorProto {
  dims: bigint[];
  dataType?: number;
  segment?: Uint8Array;
  name?: string;
  rawData?: Uint8Array;
  /** Typed data, undecoded; see {@link Message}. */
  floatData: Uint8Array[];
  int32Data: Uint8Array[];
  int64Data: Uint8Array[];
  doubleData: Uint8Array[];
  uint64Data: Uint8Array[];
  stringData: Uint8Array[];
  externalData: StringStringEntryProto[];
  /** 0: here, 1: in another file. */
  dataLocation?: number;
}

export interface DimensionProto {
  dimValue?: bigint;
  dimParam?: string;
}

export interface TensorShapeProto {
  dim: DimensionProto[];
}

export interface TensorTypeProto {
  elemType?: number;
  shape?: TensorShapeProto;
}

/** `TypeProto.Sequence` and `TypeProto.Optional`. */
export interface ElementTypeProto {
  elemType?: TypeProto;
}

/** Types that Espalier lacks are only told apart. */
export interface TypeProto {
  tensorType?: TensorTypeProto;
  sequenceType?: ElementTypeProto;
  mapType?: Uint8Array;
  opaqueType?: Uint8Array;
  sparseTensorType?: Uint8Array;
  optionalType?: ElementTypeProto;
}

export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
}

export interface AttributeProto {
  name?: string;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  tp?: TypeProto;
  /** `AttributeProto.AttributeType` of the specification. */
  type?: number;
  refAttrName?: string;
}

export interface NodeProto {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  attribute: AttributeProto[];
  domain?: string;
  overload?: string;
}

export interface GraphProto {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  sparseInitializer: Uint8Array[];
}

export interface FunctionProto {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  node: NodeProto[];
  opsetImport: OperatorSetIdProto[];
  domain?: string;
  attributeProto: AttributeProto[];
  overload?: string;
}

export interface ModelProto {
  irVersion?: bigint;
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: bigint;
  docString?: Uint8Array;
  graph?: GraphProto;
  opsetImport: OperatorSetIdProto[];
  metadataProps: StringStringEntryProto[];
  functions: FunctionProto[];
}

const stringStringEntryProto = message<StringStringEntryProto>('StringStringEntryProto', {
  key: one(1, 'string'),
  value: one(2, 'bytes'),
});

const operatorSetIdProto = message<OperatorSetIdProto>('OperatorSetIdProto', {
  domain: one(1, 'string'),
  version: one(2, 'int64'),
});

export const tensorProto: Message<TensorProto> = message('TensorProto', {
  dims: many(1, 'int64'),
  dataType: one(2, 'int32'),
  segment: one(3, 'bytes'),
  floatData: many(4, 'float32s'),
  int32Data: many(5, 'varints'),
  stringData: many(6, 'bytes'),
  int64Data: many(7, 'varints'),
  name: one(8, 'string'),
  rawData: one(9, 'bytes'),
  doubleData: many(10, 'float64s'),
  uint64Data: many(11, 'varints'),
  externalData: many(13, () => stringStringEntryProto),
  dataLocation: one(14, 'int32'),
});

const dimensionProto = message<DimensionProto>('TensorShapeProto.Dimension', {
  dimValue: one(1, 'int64'),
  dimParam: one(2, 'string'),
});

const tensorShapeProto = message<TensorShapeProto>('TensorShapeProto', { dim: many(1, () => dimensionProto) });

const tensorTypeProto = message<TensorTypeProto>('TypeProto.Tensor', {
  elemType: one(1, 'int32'),
  shape: one(2, () => tensorShapeProto),
});

const elementTypeProto: Message<ElementTypeProto> = message('TypeProto.Sequence', {
  elemType: one(1, () => typeProto),
});

const typeProto: Message<TypeProto> = message('TypeProto', {
  tensorType: one(1, () => tensorTypeProto),
  sequenceType: one(4, () => elementTypeProto),
  mapType: one(5, 'bytes'),
  opaqueType: one(7, 'bytes'),
  sparseTensorType: one(8, 'bytes'),
  optionalType: one(9, () => elementTypeProto),
});

const valueInfoProto = message<ValueInfoProto>('ValueInfoProto', {
  name: one(1, 'string'),
  type: one(2, () => typeProto),
});

const attributeProto: Message<AttributeProto> = message('AttributeProto', {
  name: one(1, 'string'),
  f: one(2, 'float'),
  i: one(3, 'int64'),
  s: one(4, 'bytes'),
  t: one(5, () => tensorProto),
  g: one(6, () => graphProto),
  floats: many(7, 'float'),
  ints: many(8, 'int64'),
  strings: many(9, 'bytes'),
  tensors: many(10, () => tensorProto),
  graphs: many(11, () => graphProto),
  tp: one(14, () => typeProto),
  type: one(20, 'int32'),
  refAttrName: one(21, 'string'),
});

const nodeProto: Message<NodeProto> = message('NodeProto', {
  input: many(1, 'string'),
  output: many(2, 'string'),
  name: one(3, 'string'),
  opType: one(4, 'string'),
  attribute: many(5, () => attributeProto),
  domain: one(7, 'string'),
  overload: one(8, 'string'),
});

const graphProto: Message<GraphProto> = message('GraphProto', {
  node: many(1, () => nodeProto),
  name: one(2, 'string'),
  initializer: many(5, () => tensorProto),
  input: many(11, () => valueInfoProto),
  output: many(12, () => valueInfoProto),
  sparseInitializer: many(15, 'bytes'),
});

const functionProto: Message<FunctionProto> = message('FunctionProto', {
  name: one(1, 'string'),
  input: many(4, 'string'),
  output: many(5, 'string'),
  attribute: many(6, 'string'),
  node: many(7, () => nodeProto),
  opsetImport: many(9, () => operatorSetIdProto),
  domain: one(10, 'string'),
  attributeProto: many(11, () => attributeProto),
  overload: one(13, 'string'),
});

export const modelProto: Message<ModelProto> = message('ModelProto', {
  irVersion: one(1, 'int64'),
  producerName: one(2, 'string'),
  producerVersion: one(3, 'string'),
  domain: one(4, 'string'),
  modelVersion: one(5, 'int64'),
  docString: one(6, 'bytes'),
  graph: one(7, () => graphProto),
  opsetImport: many(8, () => operatorSetIdProto),
  metadataProps: many(14, () => stringStringEntryProto),
  functions: many(25, () => functionProto),
});

/** Of tensors; what else a sequence may hold is skipped. */
export interface SequenceProto {
  name?: string;
  elemType?: number;
  tensorValues: TensorProto[];
}

export interface OptionalProto {
  name?: string;
  elemType?: number;
  tensorValue?: TensorProto;
  sequenceValue?: SequenceProto;
}

export const sequenceProto: Message<SequenceProto> = message('SequenceProto', {
  name: one(1, 'string'),
  elemType: one(2, 'int32'),
  tensorValues: many(3, () => tensorProto),
});

export const optionalProto: Message<OptionalProto> = message('OptionalProto', {
  name: one(1, 'string'),
  elemType: one(2, 'int32'),
  tensorValue: one(3, () => tensorProto),
  sequenceValue: one(5, () => sequenceProto),
});

/** `AttributeProto.AttributeType`, by number, and the field that holds such a value. */
export const attributeTypes = new Map([
  [1, ['float', 'f']],
  [2, ['int', 'i']],
  [3, ['string', 's']],
  [4, ['tensor', 't']],
  [5, ['graph', 'g']],
  [6, ['floats', 'floats']],
  [7, ['ints', 'ints']],
  [8, ['strings', 'strings']],
  [9, ['tensors', 'tensors']],
  [10, ['graphs', 'graphs']],
  [13, ['type', 'tp']],
] as const);

/** `TensorProto.DataType` of those that Espalier has no dtype for. */
export const otherDataTypes: Readonly<Record<number, string>> = {
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
  27: 'float6e2m3',
  28: 'float6e3m2',
};
