/** QuantizeLinear and DequantizeLinear between float32 and 8 bits, and DynamicQuantizeLinear. */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  dim,
  EspalierError,
  normalizeAxis,
  sizeOf,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import { addressOf, sameSize, unitElements } from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { Vectors } from '../../math/index.ts';
import type { NativeCall, NativeOperand, NativeProgram } from '../../program.ts';
import { type Cost, programOf } from '../elements.ts';
import type { LevelType } from '../levels.ts';
import { widths } from '../row.ts';
import { dynamicWords, emitDynamic, emitExtremes } from './dynamic.ts';
import { emitQuantization, quantizeWords, type Variant } from './emit.ts';

type Width = (typeof widths)[number];

const costs: Readonly<Record<string, Cost>> = {
  QuantizeLinear: [5, 6],
  DequantizeLinear: [2, 3],
  DynamicQuantizeLinear: [7, 8],
};

const name = (op: string, width: Width): string => `${op.toLowerCase()}_f32u8_dense_${width.lanes}__${width.name}`;

function work({ op, inputs, outputs }: Call, at: Binding, { isWide }: Width): Work {
  const bytes = [...inputs, ...outputs].map((desc) =>
    desc ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0,
  );
  return {
    macs: costs[op]![isWide ? 0 : 1] * sizeOf(bindShape(inputs[0]!.shape, at)),
    bytes: bytes.reduce((a, b) => a + b, 0),
    resident: 0,
  };
}

const isOne = ({ shape }: TensorDesc): boolean => dim.equal(dim.product(shape), 1) === true;

/** Where the parameter of each run of elements is. */
type Runs = Pick<Record<(typeof quantizeWords)[number], number>, 'run' | 'outer' | 'blocks' | 'block' | 'step'>;

/** @throws EspalierError `SHAPE_MISMATCH` where there are not as many parameters as there must be */
function runs(
  x: NativeOperand,
  scale: NativeOperand,
  zero: NativeOperand | undefined,
  { attrs }: Call,
  each: boolean,
): Runs {
  const { dims } = x;
  const count = sizeOf(scale.dims);
  const check = (expected: number): void => {
    if (count !== expected || (zero && sizeOf(zero.dims) !== expected))
      throw new EspalierError('SHAPE_MISMATCH', `there are ${count} scales where there must be ${expected}`);
  };
  const one = { outer: 1, blocks: 0, block: 1, step: 0 };
  if (count === 1 && !each) {
    check(1);
    return { run: Math.max(1, sizeOf(dims)), ...one };
  }
  const axis = dims.length === 1 ? 0 : normalizeAxis(attrs['axis'] as number, dims.length);
  const blockSize = attrs['block_size'] as number;
  const extent = dims[axis]!;
  const inner = sizeOf(dims.slice(axis + 1));
  const isLast = axis === dims.length - 1;
  if (blockSize === 0) {
    check(extent);
    return isLast
      ? { run: Math.max(1, extent), ...one }
      : { run: Math.max(1, inner), outer: Math.max(1, extent), blocks: 0, block: 1, step: 1 };
  }
  const blocks = Math.ceil(extent / blockSize);
  check(sizeOf(dims.slice(0, axis)) * blocks * inner);
  return isLast
    ? { run: blockSize, outer: 1, blocks: 1, block: 1, step: 1 }
    : { run: Math.max(1, inner), outer: Math.max(1, extent), blocks, block: blockSize, step: inner };
}

/** Elements of a run have a scale each: along the last axis, and in blocks along another. */
function hasEach({ inputs: [x, scale], attrs }: Call): boolean {
  if (isOne(scale!)) return false;
  const rank = x!.shape.length;
  const isLast = rank === 1 || normalizeAxis(attrs['axis'] as number, rank) === rank - 1;
  return isLast === (attrs['block_size'] === 0);
}

function rejection({ op, inputs: [x, scale, zero], outputs: [y], attrs }: Call): string | undefined {
  const levels = (op === 'QuantizeLinear' ? y : x)!.dtype;
  if (levels !== 'uint8' && levels !== 'int8') return `it has levels of ${levels}`;
  if (isOne(scale!)) return undefined;
  const rank = x!.shape.length;
  const axis = rank === 1 ? 0 : normalizeAxis(attrs['axis'] as number, rank);
  const block = attrs['block_size'] as number;
  if (block > 0 && axis === rank - 1 && dim.equal(dim.mod(x!.shape[axis]!, block), 0) !== true)
    return 'its last block is not known to be whole';
  if (zero && isOne(zero)) return 'it has one zero point for several scales';
  return undefined;
}

function linear(op: 'QuantizeLinear' | 'DequantizeLinear', width: Width): NativeKernel {
  const isQuantize = op === 'QuantizeLinear';
  return {
    name: name(op, width),
    op,
    requires: width.requires,
    types: isQuantize
      ? { T1: ['float32'], T2: ['float32'], T3: ['uint8', 'int8'] }
      : { T1: ['uint8', 'int8'], T2: ['float32'], T3: ['float32'] },
    work(call, at) {
      const reason = rejection(call);
      return reason === undefined ? work(call, at, width) : { reason };
    },
    prepare: (call, _constants, engine) => {
      const [x, , zero] = call.inputs;
      const variant: Variant = {
        to: isQuantize ? 'levels' : 'floats',
        dtype: (isQuantize ? call.outputs[0] : x)!.dtype as LevelType,
        hasZero: zero !== undefined,
        each: hasEach(call),
      };
      const unit = ({ inputs, threads }: NativeCall): number => unitElements(sizeOf(inputs[0]!.dims), threads);
      return programOf(engine, width.isWide, [emitQuantization, variant], {
        units: (bound) => Math.ceil(sizeOf(bound.inputs[0]!.dims) / unit(bound)),
        args: (bound) => {
          const [from, scale, zeroPoint] = bound.inputs;
          const total = sameSize('input and output', from, bound.outputs[0]);
          const [floats, levels] = isQuantize ? [from, bound.outputs[0]] : [bound.outputs[0], from];
          const words = {
            ...{ total, unit: unit(bound), floats: addressOf(floats), levels: addressOf(levels) },
            ...{ scale: addressOf(scale), zero: addressOf(zeroPoint) },
            ...runs(from!, scale!, zeroPoint, call, variant.each),
          };
          return quantizeWords.map((word) => words[word]);
        },
      });
    },
  };
}

function dynamic(width: Width): NativeKernel {
  const op = 'DynamicQuantizeLinear';
  return {
    name: name(op, width),
    op,
    requires: width.requires,
    work: (call, at) => work(call, at, width),
    prepare: (_call, _constants, { addon }): NativeProgram => {
      const parts = [emitExtremes, emitDynamic].map((emit) => {
        const v = new Vectors(new Assembler(), width.isWide);
        emit(v);
        return v.a.finish();
      });
      const code = loadCode(addon, parts);
      const total = ({ inputs: [x] }: Pick<NativeCall, 'inputs'>): number => sizeOf(x!.dims);
      const unit = (bound: Pick<NativeCall, 'inputs' | 'threads'>): number => unitElements(total(bound), bound.threads);
      // Of no elements scale and zero point have to be stored too.
      const units = (bound: Pick<NativeCall, 'inputs' | 'threads'>): number =>
        Math.max(1, Math.ceil(total(bound) / unit(bound)));
      const args = (bound: NativeCall): number[] => {
        const [y, scale, zero] = bound.outputs;
        const words = {
          ...{ total: sameSize('input and output', bound.inputs[0], y), unit: unit(bound), units: units(bound) },
          ...{ x: addressOf(bound.inputs[0]), extremes: bound.scratch },
          ...{ y: addressOf(y), scale: addressOf(scale), zero: addressOf(zero) },
        };
        return dynamicWords.map((word) => words[word]);
      };
      return {
        resident: code.bytes,
        phases: code.addresses.map((address) => ({ code: address, units, args })),
        scratch: (bound) => 8 * units(bound),
        dispose: () => code.dispose(),
      };
    },
  };
}

export const quantization: readonly NativeKernel[] = widths.flatMap((width) => [
  linear('QuantizeLinear', width),
  linear('DequantizeLinear', width),
  dynamic(width),
]);
