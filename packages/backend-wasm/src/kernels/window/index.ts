/** Windows that slide over planes of float32: convolutions of each channel by itself, and pools. */

import { bindShape, type Call, type Constants, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import {
  type Convolution,
  checkPlaneOperands,
  depthwiseOf,
  type PlaneEpilogue,
  planeEpilogue,
  poolOf,
  tapOffsets,
  unitRows,
  windowCounts,
  windowsOf,
} from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { epilogueSteps, plainSteps } from '../epilogue.ts';
import { emitWindows, type Fold, type Shape, windowWords } from './emit.ts';
import { copyCost, copySeen, seenBy } from './seen.ts';

interface Kind extends Pick<WasmKernel, 'op'> {
  readonly fold: Fold;
  readonly isFused: boolean;
  window(call: Call, constants: Constants): Convolution | Rejection;
}

const kinds: readonly Kind[] = [
  { op: 'Conv', fold: 'product', isFused: true, window: depthwiseOf },
  { op: 'MaxPool', fold: 'greatest', isFused: false, window: poolOf },
  { op: 'AveragePool', fold: 'mean', isFused: false, window: poolOf },
];

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: PlaneEpilogue;
}

function planOf(kind: Kind, call: Call, constants: Constants): Plan | Rejection {
  const conv = kind.window(call, constants);
  if (isRejection(conv)) return conv;
  const epilogue = planeEpilogue(call, kind.isFused ? 2 : undefined);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

/** A pool has a window for each channel. */
const ownGroups = ({ fold }: Kind, conv: Convolution, x: readonly number[]): Convolution =>
  fold === 'product' ? conv : { ...conv, groups: x[1]! };

/** In multiply-adds of an element: a tap by the stride, what is beside taps; and in those of all, a row. */
const TAP = [2, 3.5, 7] as const;
const BESIDE = 6;
const ROW = 200;

function row(isa: Isa, kind: Kind): WasmKernel {
  const name = `${kind.op.toLowerCase()}_f32_planes_4__${isa.name}`;
  return {
    name,
    op: kind.op,
    requires: isa.requires,
    types: { T: ['float32'] },
    ...(kind.isFused ? { fuses: epilogueSteps } : {}),
    work(call, at, constants): Work | Rejection {
      const plan = planOf(kind, call, constants);
      if (isRejection(plan)) return plan;
      const { conv, epilogue } = plan;
      const [x, y] = [call.inputs[0]!, call.outputs[0]!].map(({ shape }) => bindShape(shape, at)) as [
        number[],
        number[],
      ];
      const own = ownGroups(kind, conv, x);
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const [rows, columns] = [sizeOf(y.slice(0, -1)), y.at(-1)!];
      const tap = TAP[Math.min(conv.strides[2]!, TAP.length) - 1]!;
      const wide = Math.ceil(columns / 4) * 4;
      return {
        macs: sizeOf(y) * conv.taps,
        bytes: 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: kind.fold === 'product' ? 4 * conv.groups * conv.filters * conv.taps : 0,
        // What vectors do, lanes that are left over included.
        lanes: rows * (wide * (conv.taps * tap + BESIDE) + ROW) + copyCost(own, x, y),
      };
    },
    law: ({ lanes, bytes }, rates) =>
      2 * rates['call']! + Math.max(lanes! / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, kind, call, constants, engine),
  };
}

async function prepare(
  name: string,
  isa: Isa,
  kind: Kind,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<WasmProgram> {
  const { conv, epilogue } = planOf(kind, call, constants) as Plan;
  const { taps, filters: multiplier } = conv;
  const shape: Shape = {
    ...{ isRelaxed: isa.isRelaxed, fold: kind.fold, taps, stride: conv.strides[2]!, multiplier },
    ...{ steps: plainSteps(epilogue.steps), operands: epilogue.operands },
  };
  const code = await engine.code.load(name, shape, (_, recipe) => emitWindows(recipe));
  const data = kind.fold === 'product' ? constants[1]!.tensor.bytes : new Uint8Array();
  const weights = engine.memory.put(data);
  const layout = bySizes(({ inputs, outputs, threads }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    const own = ownGroups(kind, conv, x);
    const seen = seenBy(own, windowsOf(own, x, y), x[1]!);
    const { windows, extents } = seen;
    const steps = [extents[1]! * extents[2]!, extents[2]!, 1];
    const [slices, rows, columns] = windows.output as [number, number, number];
    const total = sizeOf(y) > 0 ? y[0]! * y[1]! * slices * rows : 0;
    const words = {
      ...{ total, unit: unitRows(total, (columns * taps) / 2, threads), rows, slices, columns, channels: y[1]! },
      ...{ rowStep: 4 * steps[1]! * conv.strides[1]!, sliceStep: 4 * steps[0]! * conv.strides[0]! },
      planeStep: 4 * sizeOf(extents),
    };
    const counts = kind.fold === 'mean' ? [2, 1, 0].flatMap((axis) => windowCounts(own, windows, axis)) : [];
    return { seen, words, more: [...tapOffsets(own, steps), ...new Int32Array(Float32Array.from(counts).buffer)] };
  });
  const fill = kind.fold === 'greatest' ? Number.NEGATIVE_INFINITY : 0;
  const copy = await copySeen(engine, fill, (bound) => layout(bound).seen);
  return {
    resident: code.bytes + data.byteLength + copy.resident,
    packed: kind.fold === 'product' ? [1] : [],
    phases: [
      ...copy.phases,
      {
        code,
        units: (bound) => Math.ceil(layout(bound).words.total / layout(bound).words.unit),
        args(bound) {
          const { seen, words, more } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const x = seen.bytes > 0 ? scratch : inputs[0]!.address;
          const values = { ...words, x, y: outputs[0]!.address, weights: weights.address };
          const others = epilogue.operands.map(({ input }) => inputs[input]!.address);
          return [...windowWords.map((word) => values[word]), ...others, ...more];
        },
      },
    ],
    scratch: (bound) => layout(bound).seen.bytes,
    dispose() {
      code.release();
      copy.dispose!();
      engine.memory.free(weights);
    },
  };
}

export const windows: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  kinds.map((kind) => row(isa, kind)),
);
