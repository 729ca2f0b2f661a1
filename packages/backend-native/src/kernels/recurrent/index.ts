/**
 * Recurrent layers of float32 with constant weights: the products of all steps' inputs at once by the packed product, then the
 * recurrence, sequence by sequence.
 */

import { bindShape, type Call, type Constants, isRejection, runGenerator, Slicer, Tensor } from '@espalier/core';
import {
  directionFloats,
  inputWeights,
  packRecurrence,
  type Recurrent,
  recurrentLayers,
  recurrentOf,
  recurrentProduct,
  recurrentSizes,
  recurrentStrides,
} from '@espalier/lowering';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeOperand, NativeProgram } from '../../program.ts';
import { denseProduct, streamedBytes } from '../matmul/index.ts';
import { widths } from '../row.ts';
import { argumentWords, emitRecurrence, threadBytesOf } from './emit.ts';

type Width = (typeof widths)[number];

/** Elements of the state before that a gate's element costs the time of, beside those that it is made from. */
const GATE_ELEMENTS = 10;

function recurrentKernel(op: string, width: Width): NativeKernel {
  const inner = denseProduct(width.name);
  return {
    name: `${op.toLowerCase()}_f32_dense_1x${width.lanes}__${width.name}`,
    op,
    requires: width.requires,
    types: { T: ['float32'] },
    work(call, at, constants) {
      const shape = recurrentOf(call, constants, width.lanes);
      if (isRejection(shape)) return shape;
      const { directions, hidden, gates } = shape;
      const x = bindShape(call.inputs[0]!.shape, at);
      const rows = x[0]! * x[1]!;
      const columns = directions * gates * hidden;
      const product = recurrentProduct([rows, x[2]!], columns);
      // The numbers are in another order; only how many there are matters here.
      const { tensor, structure } = constants[1]!;
      const answer = inner.work(product, at, [undefined, { tensor: tensor.reshape([x[2]!, columns]), structure }]);
      if (isRejection(answer)) return answer;
      const states = 4 * directionFloats(shape) * directions;
      return {
        ...answer,
        macs: answer.macs + rows * columns * hidden,
        bytes: answer.bytes + states + 4 * rows * directions * hidden,
        resident: answer.resident + states,
        // Each step of a sequence reads the weights of its direction.
        streamedBefore: rows * directions * streamedBytes(4 * gates * hidden * (hidden + GATE_ELEMENTS)),
        chains: directions * x[call.attrs['layout'] ? 0 : 1]!,
      };
    },
    law: (work, rates) =>
      inner.law!(work, rates) +
      rates['call']! +
      work['streamedBefore']! / (rates['bytes']! * Math.max(1, Math.min(rates['threads']!, work['chains']!))),
    prepare: (call, constants, engine) => prepare(inner, width, call, constants, engine),
  };
}

async function prepare(
  kernel: NativeKernel,
  width: Width,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const shape = recurrentOf(call, constants, width.lanes) as Recurrent;
  const { directions, hidden, gates } = shape;
  const data = (i: number): Float32Array | undefined => constants[i]?.tensor.data as Float32Array | undefined;
  const columns = directions * gates * hidden;
  const inputs = constants[1]!.tensor.dims[2]!;
  const matrix = new Tensor('float32', inputWeights(data(1)!, columns, inputs), [inputs, columns]);
  const structure = constants[1]!.structure;
  const [first, second] = call.inputs[0]!.shape;
  const x = [typeof first === 'number' && typeof second === 'number' ? first * second : 'rows', inputs];
  const product = await kernel.prepare(
    recurrentProduct(x, columns),
    [undefined, { tensor: matrix, structure }],
    engine,
  );
  const recurrence = directionFloats(shape) * directions;
  const weights = engine.memory.alloc(4 * (recurrence + columns));
  const floats = new Float32Array(weights.view.buffer, weights.view.byteOffset, weights.bytes / 4);
  await runGenerator(packRecurrence(shape, [data(2)!, data(3), data(7)], floats), new Slicer());
  const bias: NativeOperand = { dtype: 'float32', dims: [columns], address: weights.address + 4 * recurrence };
  const code = loadCode(engine.addon, [emitRecurrence(width.isWide, shape)]);
  const threadBytes = threadBytesOf(shape);
  /** The call of the product, whose scratch memory begins where the recurrence's does. */
  const innerOf = (bound: Omit<NativeCall, 'scratch'>): Omit<NativeCall, 'scratch'> => {
    const { dims, address } = bound.inputs[0]!;
    const rows = dims[0]! * dims[1]!;
    return {
      ...bound,
      inputs: [{ dtype: 'float32', dims: [rows, inputs], address }, undefined, bias],
      outputs: [{ dtype: 'float32', dims: [rows, columns], address: 0 }],
    };
  };
  /** Scratch memory: what the product needs, the threads' states, the gates. */
  const layout = (bound: Omit<NativeCall, 'scratch'>) => {
    const inner = innerOf(bound);
    const states = align(product.scratch!(inner));
    const gatesAt = states + align(bound.threads * threadBytes);
    const [rows] = inner.inputs[0]!.dims;
    // A vector of the last gate may be read beyond its end.
    return { inner, states, gatesAt, bytes: gatesAt + 4 * rows! * columns + 64 };
  };
  const [phase] = product.phases;
  const withScratch = (bound: NativeCall): NativeCall => {
    const { inner, gatesAt } = layout(bound);
    const output = { ...inner.outputs[0]!, address: bound.scratch + gatesAt };
    return { ...inner, outputs: [output], scratch: bound.scratch };
  };
  return {
    resident: product.resident + code.bytes + weights.bytes,
    packed: [1, 2, 3, 7].filter((i) => constants[i]),
    scratch: (bound) => layout(bound).bytes,
    phases: [
      {
        code: phase!.code,
        units: (bound) => phase!.units(withScratch(bound)),
        args: (bound) => phase!.args(withScratch(bound)),
      },
      {
        code: code.addresses[0]!,
        units: (bound) => directions * recurrentSizes(shape, bound.inputs[0])[1],
        args(bound) {
          const [steps, batch] = recurrentSizes(shape, bound.inputs[0]);
          const { states, gatesAt } = layout(bound);
          const address = (operand: NativeOperand | undefined): number => operand?.address ?? 0;
          const words: Record<string, number> = {
            ...{ scratch: bound.scratch + states, threadBytes, weights: weights.address, batch, steps },
            lengths: address(bound.inputs[4]),
            gates: bound.scratch + gatesAt,
            ...recurrentStrides(shape, bound.inputs[0]),
            ...{ y: address(bound.outputs[0]), lastH: address(bound.outputs[1]), lastC: address(bound.outputs[2]) },
            ...{ h: address(bound.inputs[5]), c: address(bound.inputs[6]) },
          };
          return argumentWords.map((name) => words[name]!);
        },
      },
    ],
    dispose() {
      product.dispose!();
      code.dispose();
      engine.memory.free(weights);
    },
  };
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

export const recurrent: readonly NativeKernel[] = widths.flatMap((width) =>
  Object.keys(recurrentLayers).map((op) => recurrentKernel(op, width)),
);
