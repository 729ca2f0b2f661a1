/**
 * Recurrent layers of float32 with constant weights: the products of all steps' inputs at once by the packed product, then the
 * recurrence, sequence by sequence.
 */

import { bindShape, type Call, type Constants, isRejection, Tensor } from '@espalier/core';
import {
  addressOf,
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
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall, WasmOperand, WasmProgram } from '../../program.ts';
import { denseProduct } from '../matmul/index.ts';
import { argumentWords, emitRecurrence, threadBytes } from './emit.ts';

const LANES = 4;
/** What an element of a gate costs beside its product, in multiply-adds. */
const GATE = 40;

function recurrentKernel(op: string, isa: Isa): WasmKernel {
  const inner = denseProduct(isa);
  const name = `${op.toLowerCase()}_f32_dense_1x${LANES}__${isa.name}`;
  return {
    name,
    op,
    requires: isa.requires,
    types: { T: ['float32'] },
    work(call, at, constants) {
      const shape = recurrentOf(call, constants, LANES);
      if (isRejection(shape)) return shape;
      const { directions, hidden, gates } = shape;
      const x = bindShape(call.inputs[0]!.shape, at);
      const [rows, columns] = [x[0]! * x[1]!, directions * gates * hidden];
      // The numbers are in another order; only how many there are matters here.
      const { tensor, structure } = constants[1]!;
      const weights = { tensor: tensor.reshape([x[2]!, columns]), structure };
      const answer = inner.work(recurrentProduct([rows, x[2]!], columns), at, [undefined, weights]);
      if (isRejection(answer)) return answer;
      const states = 4 * directionFloats(shape) * directions;
      return {
        ...answer,
        macs: answer.macs + rows * columns * hidden,
        bytes: answer.bytes + states + 4 * rows * directions * hidden,
        resident: answer.resident + states,
        // One thread does a sequence from its first step to its last.
        recurrent: rows * columns * (hidden + GATE),
        chains: directions * recurrentSizes(shape, { dims: x })[1],
      };
    },
    law: (work, rates) =>
      inner.law!(work, rates) +
      rates['call']! +
      work['recurrent']! / (rates['fma']! * Math.max(1, Math.min(rates['threads']!, work['chains']!))),
    prepare: (call, constants, engine) => prepare(name, inner, isa, call, constants, engine),
  };
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

async function prepare(
  name: string,
  kernel: WasmKernel,
  isa: Isa,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<WasmProgram> {
  const shape = recurrentOf(call, constants, LANES) as Recurrent;
  const { directions, hidden, gates } = shape;
  const data = (i: number): Float32Array | undefined => constants[i]?.tensor.data as Float32Array | undefined;
  const columns = directions * gates * hidden;
  const inputs = constants[1]!.tensor.dims[2]!;
  const matrix = new Tensor('float32', inputWeights(data(1)!, columns, inputs), [inputs, columns]);
  const { structure } = constants[1]!;
  const [first, second] = call.inputs[0]!.shape;
  const rows = typeof first === 'number' && typeof second === 'number' ? first * second : 'rows';
  const constant = [undefined, { tensor: matrix, structure }];
  const product = await kernel.prepare(recurrentProduct([rows, inputs], columns), constant, engine);
  const code = await engine.code.load(name, shape, (module) => emitRecurrence(module, shape, isa.isRelaxed));
  const recurrence = directionFloats(shape) * directions;
  const weights = await engine.memory.pack(4 * (recurrence + columns), ({ buffer, byteOffset, byteLength }) => {
    const to = new Float32Array(buffer, byteOffset, byteLength / 4).fill(0);
    return packRecurrence(shape, [data(2)!, data(3), data(7)], to);
  });
  const bias: WasmOperand = { dtype: 'float32', dims: [columns], address: weights.address + 4 * recurrence };
  /** Scratch memory: what the product needs, the threads' states, the gates. */
  const layout = (bound: Omit<WasmCall, 'scratch'>) => {
    const { dims, address } = bound.inputs[0]!;
    const all = dims[0]! * dims[1]!;
    const inner = {
      ...bound,
      inputs: [{ dtype: 'float32', dims: [all, inputs], address }, undefined, bias],
      outputs: [{ dtype: 'float32', dims: [all, columns], address: 0 }],
    } as const;
    const states = align(product.scratch?.(inner) ?? 0);
    const gatesAt = states + align(bound.threads * threadBytes(shape));
    // A vector of the last gate may be read beyond its end.
    return { inner, states, gatesAt, bytes: gatesAt + 4 * all * columns + 64 };
  };
  const innerOf = (bound: WasmCall): WasmCall => {
    const { inner, gatesAt } = layout(bound);
    return { ...inner, outputs: [{ ...inner.outputs[0], address: bound.scratch + gatesAt }], scratch: bound.scratch };
  };
  return {
    resident: product.resident + code.bytes + weights.bytes,
    packed: [1, 2, 3, 7].filter((i) => constants[i]),
    scratch: (bound) => layout(bound).bytes,
    phases: [
      ...product.phases.map((phase) => ({
        code: phase.code,
        units: (bound: WasmCall) => phase.units(innerOf(bound)),
        args: (bound: WasmCall) => phase.args(innerOf(bound)),
      })),
      {
        code,
        units: (bound) => directions * recurrentSizes(shape, bound.inputs[0])[1],
        args(bound) {
          const [steps, batch] = recurrentSizes(shape, bound.inputs[0]);
          const { states, gatesAt } = layout(bound);
          const [, , , , lengths, h, c] = bound.inputs.map(addressOf);
          const [y, lastH, lastC] = bound.outputs.map(addressOf);
          const words = {
            ...{ scratch: bound.scratch + states, weights: weights.address, gates: bound.scratch + gatesAt },
            ...{ batch, steps, lengths: lengths ?? 0, h: h ?? 0, c: c ?? 0 },
            ...{ y: y ?? 0, lastH: lastH ?? 0, lastC: lastC ?? 0 },
            ...recurrentStrides(shape, bound.inputs[0]),
          };
          return argumentWords.map((word) => words[word]);
        },
      },
    ],
    dispose() {
      product.dispose!();
      code.release();
      engine.memory.free(weights);
    },
  };
}

export const recurrent: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  Object.keys(recurrentLayers).map((op) => recurrentKernel(op, isa)),
);
