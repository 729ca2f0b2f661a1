/** Convolutions of float32 as products of matrices: filters by patches, which are gathered panel by panel. */

import { bindShape, type Call, type Constants, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import {
  type Convolution,
  checkPlaneOperands,
  convolutionOf,
  type Geometry,
  type PlaneEpilogue,
  partition,
  planeEpilogue,
  tapOffsets,
  windowsOf,
} from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { epilogueSteps, plainSteps } from '../epilogue.ts';
import { emitProduct, type Product, threadBytes } from '../matmul/emit.ts';
import { productArgs } from '../matmul/layout.ts';
import { EFFICIENCY, TILE, WIDTH } from '../matmul/tile.ts';
import { copyCost, copySeen, type Seen, seenBy } from '../window/seen.ts';
import { emitGather, type Patches, patchWords } from './gather.ts';

/** The input that is added to each filter's pixels. */
const BIAS = 2;
/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;
/** What gathering a vector costs whose pixels lie together, or apart, in multiply-adds. */
const GATHER = { together: 14, apart: 28 } as const;
/** What an element of the result takes beside its sum where something is done to it. */
const FINISH = 12;

export interface ConvolutionPlan {
  readonly conv: Convolution;
  readonly epilogue: PlaneEpilogue;
}

export function planOf(call: Call, constants: Constants): ConvolutionPlan | Rejection {
  const conv = convolutionOf(call, constants);
  if (isRejection(conv)) return conv;
  const epilogue = planeEpilogue(call, BIAS);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

/** What gathering patches in so many vectors takes for all images, and what copying before it does, in multiply-adds. */
export function costBeside(conv: Convolution, x: readonly number[], y: readonly number[], vectors: number): number {
  const apart = conv.isPointwise ? 0 : conv.strides[2]! > 1 ? 1 : Math.min(1, 3 / Math.max(1, y.at(-1)!));
  const gather = apart * GATHER.apart + (1 - apart) * GATHER.together;
  return y[0]! * conv.groups * vectors * conv.channels * conv.taps * gather + copyCost(conv, x, y);
}

function row(isa: Isa): WasmKernel {
  const name = `conv_f32_dense_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: 'Conv',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    work(call, at, constants): Work | Rejection {
      const plan = planOf(call, constants);
      if (isRejection(plan)) return plan;
      const { conv, epilogue } = plan;
      const { groups, channels, filters, taps } = conv;
      const [x, y] = [call.inputs[0]!, call.outputs[0]!].map(({ shape }) => bindShape(shape, at)) as [
        number[],
        number[],
      ];
      const finish = epilogue.steps.length > 0 ? FINISH : 0;
      const [images, pixels, depth] = [y[0]! * groups, sizeOf(y.slice(2)), channels * taps];
      const weights = 4 * groups * filters * depth;
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const panels = Math.ceil(pixels / WIDTH);
      return {
        macs: images * pixels * filters * depth,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: weights,
        // What the tiles multiply, and what is done beside it.
        tiled: images * panels * depth * (filters + TILE_ROWS * Math.ceil(filters / TILE.rows)) * WIDTH,
        beside: images * pixels * filters * finish + costBeside(conv, x, y, panels * TILE.vectors),
      };
    },
    law: ({ tiled, beside, bytes }, rates) =>
      2 * rates['call']! +
      Math.max((tiled! / EFFICIENCY[isa.name] + beside!) / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, call, constants, engine),
  };
}

async function prepare(name: string, isa: Isa, call: Call, constants: Constants, engine: Engine): Promise<WasmProgram> {
  const { conv, epilogue } = planOf(call, constants) as ConvolutionPlan;
  const { channels, taps } = conv;
  const product: Product = {
    ...TILE,
    isRelaxed: isa.isRelaxed,
    of: 'f32',
    k: channels * taps,
    inRows: false,
    made: channels * taps,
    steps: plainSteps(epilogue.steps),
    operands: epilogue.operands.map(({ input, per }) => ({ input, perColumn: per === 'element' })),
  };
  const patches: Patches = { channels, taps, vectors: TILE.vectors };
  const code = await engine.code.load(name, { ...product, patches }, (module) =>
    emitProduct(module, product, emitGather(module, patches)),
  );
  const data = constants[1]!.tensor.bytes;
  const weights = engine.memory.put(data);
  const layout = bySizes(({ inputs, outputs, threads }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    const seen = seenBy(conv, windowsOf(conv, x, y), x[1]!);
    const geometry = geometryOf(conv, epilogue, seen);
    return { seen, geometry, cut: partition(geometry, product.rows, WIDTH, threads), more: patchArgs(conv, seen) };
  });
  const copy = await copySeen(engine, 0, (bound) => layout(bound).seen);
  return {
    resident: code.bytes + weights.bytes + copy.resident,
    packed: [1],
    phases: [
      ...copy.phases,
      {
        code,
        units: (bound) => (layout(bound).geometry.batch === 0 ? 0 : layout(bound).cut.units),
        args(bound) {
          const { seen, geometry, cut, more } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const x = seen.bytes > 0 ? scratch : inputs[0]!.address;
          const others = epilogue.operands.map(({ input }) => inputs[input]!.address);
          const addresses = [weights.address, x, outputs[0]!.address, ...others];
          return productArgs(product, geometry, cut, scratch + seen.bytes, addresses, more);
        },
      },
    ],
    scratch: (bound) => layout(bound).seen.bytes + bound.threads * threadBytes(product),
    dispose() {
      code.release();
      copy.dispose!();
      engine.memory.free(weights);
    },
  };
}

/** A product for each image and group: A holds its filters, B its patches, the result its planes. */
export function geometryOf(
  { groups, channels, filters, taps }: Convolution,
  { operands }: PlaneEpilogue,
  { windows, extents }: Seen,
): Geometry {
  const [pixels, area, depth] = [sizeOf(windows.output), sizeOf(extents), channels * taps];
  return {
    ...{ m: filters, n: pixels, k: depth, batch: pixels > 0 ? windows.batch * groups : 0 },
    rowSteps: operands.map(({ per }) => ({ tensor: 0, channel: 1, element: pixels })[per]),
    offsets(i) {
      const [group, planes] = [i % groups, i * filters * pixels];
      return [
        group * filters * depth,
        i * channels * area,
        planes,
        ...operands.map(({ per }) => ({ tensor: 0, channel: group * filters, element: planes })[per]),
      ];
    },
  };
}

export function patchArgs(conv: Convolution, { windows, extents }: Seen): number[] {
  const { output } = windows;
  const axes = [extents[1]! * extents[2]!, extents[2]!, 1];
  const [planeStep, rowStep, columnStep] = axes.map((step, axis) => 4 * step * conv.strides[axis]!);
  const values = {
    ...{ pixels: sizeOf(output), columns: output[2]!, rows: output[1]! },
    ...{ planeStep: planeStep!, rowStep: rowStep!, columnStep: columnStep!, channelStep: 4 * sizeOf(extents) },
  };
  return [...patchWords.map((word) => values[word]), ...tapOffsets(conv, axes)];
}

export const convolution: readonly WasmKernel[] = /* @__PURE__ */ isas.map(row);
