/** Windows that slide over planes of float32: convolutions of each channel by itself, and pools. */

import { bindShape, type Call, type Constants, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import {
  type Convolution,
  checkPlaneOperands,
  depthwiseOf,
  type PlaneEpilogue,
  planeEpilogue,
  poolOf,
  unitElements,
  type Windows,
  windowsOf,
} from '@espalier/lowering';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeProgram } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { keptLayout, planeDims } from '../layouts.ts';
import { avx2, avx512, type Isa } from '../matmul/isa.ts';
import { emitWindows, type Fold, MOST_OPERANDS, type Shape, spreadBytes } from './emit.ts';
import { argumentWords, SPREAD_AT } from './frame.ts';

/** Larger windows than this are rare, and their code is long. */
const MOST_TAPS = 1024;

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: PlaneEpilogue;
}

interface Kind extends Pick<NativeKernel, 'op'> {
  readonly fold: Fold;
  readonly isFused: boolean;
  window(call: Call, constants: Constants): Convolution | Rejection;
}

const depthwise: Kind = { op: 'Conv', fold: 'product', isFused: true, window: depthwiseOf };
const pool = (op: string, fold: Fold): Kind => ({ op, fold, isFused: false, window: poolOf });

function planOf(kind: Kind, call: Call, constants: Constants): Plan | Rejection {
  const conv = kind.window(call, constants);
  if (isRejection(conv)) return conv;
  if (conv.kernel[0] !== 1 || call.inputs[0]!.shape.length > 4) return { reason: 'it has more than 2 spatial axes' };
  if (conv.taps > MOST_TAPS) return { reason: `its window has ${conv.taps} taps, more than ${MOST_TAPS}` };
  const epilogue = planeEpilogue(call, kind.isFused ? 2 : undefined, MOST_OPERANDS);
  if (isRejection(epilogue)) return epilogue;
  return { conv, epilogue };
}

/** What an element of the result takes beside its taps, an element of the input by the stride, and a plane, in multiply-adds. */
const ELEMENT = 7;
const COPIED = [3, 5, 40] as const;
const PLANE = { avx512: 600, avx2: 1500 } as const;
/** Elements, for vectors that are half as long. */
const NARROW = 1.3;

function row(isa: Isa, kind: Kind): NativeKernel {
  return {
    name: `${kind.op.toLowerCase()}_f32_${kind.isFused ? 'planes' : 'dense'}_4x${isa.lanes}__${isa.name}`,
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
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const wide = (dims: readonly number[]): number =>
        sizeOf(dims.slice(0, -1)) * Math.ceil(dims.at(-1)! / isa.lanes) * isa.lanes;
      return {
        macs: sizeOf(y) * conv.taps,
        bytes: 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: 0,
        // With lanes that are left over.
        lanes:
          (isa === avx512 ? 1 : NARROW) *
            (wide(y) * (conv.taps + ELEMENT) + wide(x) * COPIED[Math.min(conv.strides[2]!, 3) - 1]!) +
          PLANE[isa === avx512 ? 'avx512' : 'avx2'] * y[0]! * y[1]!,
      };
    },
    law: ({ lanes, bytes }, rates) =>
      rates['call']! +
      (lanes! / (rates[isa.rate] ?? rates['fma']!) + bytes / (2 * rates['bytes']!)) / rates['threads']!,
    prepare: async (call, constants, engine) => prepare(isa, kind, call, constants, engine),
  };
}

function prepare(isa: Isa, kind: Kind, call: Call, constants: Constants, engine: Engine): NativeProgram {
  const { conv, epilogue } = planOf(kind, call, constants) as Plan;
  const shape: Shape = {
    ...{ isa, fold: kind.fold, epilogue, multiplier: conv.filters },
    kernel: [conv.kernel[1]!, conv.kernel[2]!],
    strides: [conv.strides[1]!, conv.strides[2]!],
    dilations: [conv.dilations[1]!, conv.dilations[2]!],
  };
  const code = loadCode(engine.addon, [emitWindows(shape)]);
  const weights = kind.fold === 'product' ? constants[1]!.tensor.bytes : undefined;
  const packed = weights && engine.memory.alloc(weights.byteLength);
  if (weights) packed!.view.set(weights);
  const others = epilogue.operands.map(({ input }) => input);
  const layout = keptLayout(planeDims([0, ...others]), ({ inputs, outputs, threads }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    const all = kind.fold === 'product' ? conv : { ...conv, groups: x[1]! };
    return layOut(shape, all, windowsOf(all, x, y), threads);
  });
  return {
    resident: code.bytes + (weights?.byteLength ?? 0),
    packed: weights ? [1] : [],
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => layout(bound).units,
        args(bound) {
          const { words, parts } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const addresses = { scratch, x: inputs[0]!.address, y: outputs[0]!.address, weights: packed?.address ?? 0 };
          const all: Record<string, number> = { ...words, ...addresses };
          return [
            ...argumentWords.map((name) => all[name]!),
            ...parts,
            ...others.map((input) => inputs[input]!.address),
          ];
        },
      },
    ],
    scratch: (bound) => bound.threads * layout(bound).words.threadBytes,
    dispose() {
      code.dispose();
      if (packed) engine.memory.free(packed);
    },
  };
}

/** What follows from the sizes of a call. */
interface Layout {
  readonly units: number;
  /** The argument block but for addresses. */
  readonly words: { readonly threadBytes: number } & Readonly<Record<string, number>>;
  /** Where columns go, by their remainder by the stride. */
  readonly parts: readonly number[];
}

/** Bytes of a band that stays in the second-level cache. */
const NEAR = 1 << 18;
const LINE = 64;
const align = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;

function layOut(
  shape: Shape,
  conv: Convolution,
  { batch, input, output, begin, end }: Windows,
  threads: number,
): Layout {
  const { isa, kernel, strides, dilations } = shape;
  const [inHeight, inWidth] = input.slice(1) as [number, number];
  const [outHeight, outWidth] = output.slice(1) as [number, number];
  const [top, side] = begin.slice(1) as [number, number];
  const channels = conv.groups * conv.filters;
  const planes = outHeight * outWidth > 0 ? batch * channels : 0;
  const stride = strides[1];
  // A part has room for what is copied, for what is seen, and for a vector that is longer than either.
  const seen = Math.floor(((kernel[1] - 1) * dilations[1]) / stride) + Math.ceil(outWidth / isa.lanes) * isa.lanes;
  const copied = Math.ceil((inWidth + side) / stride) + isa.lanes;
  const partPitch = align(4 * Math.max(seen, copied));
  const rowPitch = stride * partPitch;
  const extent = (kernel[0] - 1) * dilations[0] + 1;
  const mostRows = Math.max(1, Math.floor((NEAR / rowPitch - extent) / strides[0]) + 1);
  const bands = Math.max(1, Math.ceil(outHeight / mostRows));
  const bandRows = Math.ceil(outHeight / bands);
  const elements = inHeight * inWidth + conv.taps * outHeight * outWidth;
  const unit = unitElements((planes * elements) / 4, threads) * 4;
  const planesPerUnit = Math.max(1, Math.min(planes, Math.floor(unit / elements)));
  const rowCounts = SPREAD_AT + align(spreadBytes(shape));
  const columnCounts = rowCounts + align(4 * bandRows);
  const band = columnCounts + align(4 * (outWidth + isa.lanes));
  const bandBytes = ((bandRows - 1) * strides[0] + extent) * rowPitch;
  /** Which positions of an axis count in a mean, from its first one that may. */
  const counts = (axis: 1 | 2): { begin: number; limit: number } => {
    if (conv.attrs['count_include_pad'] !== 1) return { begin: begin[axis]!, limit: input[axis]! };
    return { begin: 0, limit: begin[axis]! + input[axis]! + end[axis]! };
  };
  const [rows, columns] = [counts(1), counts(2)];
  return {
    units: planes === 0 ? 0 : Math.ceil(planes / planesPerUnit) * Math.ceil(outHeight / bandRows),
    words: {
      threadBytes: align(band + bandBytes + LINE),
      ...{ planes, planesPerUnit, bands: Math.ceil(outHeight / Math.max(1, bandRows)), bandRows, channels },
      ...{ xPlane: 4 * inHeight * inWidth, xRow: 4 * inWidth, yPlane: 4 * outHeight * outWidth, yRow: 4 * outWidth },
      ...{ inHeight, inWidth, outHeight, outWidth, top, rowPitch, partPitch },
      ...{ rowBegin: rows.begin, rowLimit: rows.limit, columnBegin: columns.begin, columnLimit: columns.limit },
      ...{ rowCounts, columnCounts, band },
    },
    parts: Array.from({ length: stride }, (_, column) => {
      const place = column + side;
      return (place % stride) * partPitch + 4 * Math.floor(place / stride);
    }),
  };
}

export const windows: readonly NativeKernel[] = [avx512, avx2].flatMap((isa) =>
  [depthwise, pool('MaxPool', 'greatest'), pool('AveragePool', 'mean')].map((kind) => row(isa, kind)),
);
