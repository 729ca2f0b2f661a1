/**
 * Recurrent layers of float32 with constant weights: the products of all steps' inputs at once by the packed product, then the
 * recurrence, sequence by sequence.
 */

import {
  bindShape,
  type Call,
  type Constants,
  isRejection,
  type Rejection,
  runGenerator,
  Slicer,
  Tensor,
} from '@espalier/core';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeOperand, NativeProgram } from '../../program.ts';
import { denseProduct, streamedBytes } from '../matmul/index.ts';
import { widths } from '../row.ts';
import { type Activation, activationsOf, type Layer, layers } from './cell.ts';
import { argumentWords, emitRecurrence, type Shape, threadBytesOf } from './emit.ts';
import { directionFloats, packRecurrence, turned } from './pack.ts';

type Width = (typeof widths)[number];

/** Elements of the state before that a gate's element costs the time of, beside those that it is made from. */
const GATE_ELEMENTS = 10;

function recurrentKernel(op: string, layer: Layer, width: Width): NativeKernel {
  const inner = denseProduct(width.name);
  return {
    name: `${op.toLowerCase()}_f32_dense_1x${width.lanes}__${width.name}`,
    op,
    requires: width.requires,
    types: { T: ['float32'] },
    work(call, at, constants) {
      const shape = shapeOf(op, layer, width, call, constants);
      if (isRejection(shape)) return shape;
      const { directions, hidden, gates } = shape;
      const x = bindShape(call.inputs[0]!.shape, at);
      const rows = x[0]! * x[1]!;
      const columns = directions * gates * hidden;
      const product = innerCall([rows, x[2]!], columns);
      // The numbers are in another order; only how many there are matters here.
      const { tensor, structure } = constants[1]!;
      const answer = inner.work(product, at, [undefined, { tensor: tensor.reshape([x[2]!, columns]), structure }]);
      if (isRejection(answer)) return answer;
      const states = 4 * directionFloats(shape.passes, shape, shape.has.peepholes) * directions;
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
    prepare: (call, constants, engine) => prepare(inner, op, layer, width, call, constants, engine),
  };
}

/** What is emitted for a call, or why it cannot be. */
function shapeOf(op: string, layer: Layer, width: Width, call: Call, constants: Constants): Shape | Rejection {
  const { inputs, outputs, attrs } = call;
  for (const [i, what] of [
    [1, 'W'],
    [2, 'R'],
    [3, 'B'],
    [7, 'P'],
  ] as const)
    if (inputs[i] && !constants[i]) return { reason: `its ${what} is not constant` };
  const [directions, , hidden] = constants[2]!.tensor.dims as [number, number, number];
  if (hidden === 0) return { reason: 'it has no state' };
  const activations = activationsOf(attrs, layer, directions);
  if (typeof activations === 'string') return { reason: `it has no code for the activation ${activations}` };
  const [y, lastH, lastC] = [0, 1, 2].map((i) => outputs[i] !== undefined) as [boolean, boolean, boolean];
  const [lengths, h, c, peepholes] = [4, 5, 6, 7].map((i) => inputs[i] !== undefined) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  return {
    ...{ op, attrs, directions, hidden, lanes: width.lanes, gates: layer.gates },
    passes: layer.passes(attrs),
    activations: activations as readonly (readonly Activation[])[],
    has: { lengths, h, c, peepholes, y, lastH, lastC },
  };
}

/** The product of all inputs with the weights of all directions; its third operand is what is added to each column. */
function innerCall(x: readonly (number | string)[], columns: number): Call {
  const desc = (...shape: (number | string)[]) => ({ dtype: 'float32', shape }) as const;
  return {
    ...{ node: 'input', op: 'MatMul', domain: '', attrs: {} },
    inputs: [desc(...x), desc(x.at(-1)!, columns), desc(columns)],
    outputs: [desc(...x.slice(0, -1), columns)],
    epilogue: [{ op: 'Add', attrs: {}, inputs: [2], position: 0 }],
  };
}

async function prepare(
  kernel: NativeKernel,
  op: string,
  layer: Layer,
  width: Width,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const shape = shapeOf(op, layer, width, call, constants) as Shape;
  const { directions, hidden, gates, has, passes } = shape;
  const data = (i: number): Float32Array | undefined => constants[i]?.tensor.data as Float32Array | undefined;
  const columns = directions * gates * hidden;
  const inputs = constants[1]!.tensor.dims[2]!;
  const matrix = new Tensor('float32', turned(data(1)!, columns, inputs), [inputs, columns]);
  const structure = constants[1]!.structure;
  const [first, second] = call.inputs[0]!.shape;
  const x = [typeof first === 'number' && typeof second === 'number' ? first * second : 'rows', inputs];
  const product = await kernel.prepare(innerCall(x, columns), [undefined, { tensor: matrix, structure }], engine);
  const recurrence = directionFloats(passes, shape, has.peepholes) * directions;
  const weights = engine.memory.alloc(4 * (recurrence + columns));
  const floats = new Float32Array(weights.view.buffer, weights.view.byteOffset, weights.bytes / 4);
  await runGenerator(packRecurrence(layer, passes, shape, [data(2)!, data(3), data(7)], floats), new Slicer());
  for (let d = 0; data(3) && d < directions; d++) {
    const rows = gates * hidden;
    floats.set(data(3)!.subarray(2 * d * rows, (2 * d + 1) * rows), recurrence + d * rows);
  }
  const bias: NativeOperand = { dtype: 'float32', dims: [columns], address: weights.address + 4 * recurrence };
  const code = loadCode(engine.addon, [emitRecurrence(width.isWide, shape)]);
  const isBatchFirst = call.attrs['layout'] !== 0;
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
  const sizes = ({ inputs: [input] }: Omit<NativeCall, 'scratch'>): [steps: number, batch: number] => {
    const [first, second] = input!.dims as [number, number];
    return isBatchFirst ? [second, first] : [first, second];
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
        units: (bound) => directions * sizes(bound)[1],
        args(bound) {
          const [steps, batch] = sizes(bound);
          const { states, gatesAt } = layout(bound);
          const row = 4 * hidden;
          const address = (operand: NativeOperand | undefined): number => operand?.address ?? 0;
          const [gatesSequence, gatesStep] = isBatchFirst ? [steps, 1] : [1, batch];
          const words: Record<string, number> = {
            ...{ scratch: bound.scratch + states, threadBytes, weights: weights.address, batch, steps },
            lengths: address(bound.inputs[4]),
            gates: bound.scratch + gatesAt,
            gatesSequence: 4 * columns * gatesSequence,
            gatesStep: 4 * columns * gatesStep,
            ...{ y: address(bound.outputs[0]), lastH: address(bound.outputs[1]), lastC: address(bound.outputs[2]) },
            yDirection: row * (isBatchFirst ? 1 : batch),
            ySequence: row * (isBatchFirst ? steps * directions : 1),
            yStep: row * directions * (isBatchFirst ? 1 : batch),
            ...{ h: address(bound.inputs[5]), c: address(bound.inputs[6]) },
            stateDirection: row * (isBatchFirst ? 1 : batch),
            stateSequence: row * (isBatchFirst ? directions : 1),
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
  Object.entries(layers).map(([op, layer]) => recurrentKernel(op, layer, width)),
);
