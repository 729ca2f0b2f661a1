/** Convolutions of float32 as products of matrices, with pixels or filters in the lanes of vectors. */

import {
  bindShape,
  type Call,
  type Constants,
  isRejection,
  type Rejection,
  runGenerator,
  Slicer,
  sizeOf,
  type Work,
} from '@espalier/core';
import {
  type Convolution,
  checkPlaneOperands,
  convolutionOf,
  insideOf,
  type PlaneEpilogue,
  planeEpilogue,
  type Windows,
  windowsOf,
} from '@espalier/lowering';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeProgram } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { keptLayout, planeDims } from '../layouts.ts';
import { streamedBytes } from '../matmul/index.ts';
import { avx2, avx512, type Isa, panelWidth } from '../matmul/isa.ts';
import { blocksOf, emitConvolution, type Lanes, readsPixels, tileOf } from './emit.ts';
import { argumentWords, scratchLayout, sumBytes } from './frame.ts';
import { packFilters } from './pack.ts';

/** What a register tile costs beside its steps, in rows of it. */
const TILE_ROWS = 0.3;
/** What is beside, in multiply-adds, of which the processor does so many a cycle: */
const CYCLE = 16;
/** a channel of a tile of pixels that are copied; a piece of one, once and for each channel; */
const COPY = { avx512: 8, avx2: 5 } as const;
const PIECE = { once: 9, channel: 5 } as const;
/** a vector of the result, or a tile that is turned before it is stored. */
const FINISH = { pixels: { avx512: 5, avx2: 3.5 }, filters: { avx512: 400, avx2: 400 } } as const;
const BIAS = 2;
/** A register for the address of each. */
const MOST_OPERANDS = 6;

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: PlaneEpilogue;
}

function planOf(call: Call, constants: Constants): Plan | Rejection {
  const conv = convolutionOf(call, constants);
  if (isRejection(conv)) return conv;
  const epilogue = planeEpilogue(call, BIAS, MOST_OPERANDS);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

function row(isa: Isa, lanes: Lanes): NativeKernel {
  const [rows, width] = [isa.rows, panelWidth(isa)];
  return {
    name: `conv_f32_${lanes}_${rows}x${width}__${isa.name}`,
    op: 'Conv',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    work(call, at, constants): Work | Rejection {
      const plan = planOf(call, constants);
      if (isRejection(plan)) return plan;
      const { groups, channels, filters, taps } = plan.conv;
      const y = bindShape(call.outputs[0]!.shape, at);
      const [images, pixels, depth] = [y[0]! * groups, sizeOf(y.slice(2)), channels * taps];
      const weights = 4 * groups * depth * packedFilters(isa, lanes, filters);
      const [across, down] = lanes === 'pixels' ? [pixels, filters] : [filters, pixels];
      const tileRows = down + TILE_ROWS * Math.ceil(down / rows);
      const tensors = [call.inputs[0], call.outputs[0], ...plan.epilogue.operands.map((o) => call.inputs[o.input])];
      return {
        macs: images * pixels * filters * depth,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: weights,
        // What the tiles multiply, lanes that are left over included.
        tiled: images * tileRows * Math.ceil(across / isa.lanes) * isa.lanes * depth,
        beside: images * CYCLE * cyclesBeside(isa, lanes, plan.conv, y),
        streamed: streamedBytes(weights),
      };
    },
    law: ({ tiled, beside, streamed }, rates) =>
      rates['call']! +
      Math.max((tiled! + beside!) / (rates[isa.rate] ?? rates['fma']!), streamed! / rates['bytes']!) /
        rates['threads']!,
    prepare: (call, constants, engine) => prepare(isa, lanes, call, constants, engine),
  };
}

/** Cycles that an image takes beside its products: patches are gathered, results stored. */
function cyclesBeside(isa: Isa, lanes: Lanes, conv: Convolution, y: readonly number[]): number {
  const { channels, filters, taps, isPointwise } = conv;
  const name = isa === avx512 ? 'avx512' : 'avx2';
  const tile = tileOf(isa, lanes);
  const [pixels, width] = [sizeOf(y.slice(2)), y.at(-1)!];
  const tiles = Math.ceil(pixels / tile.pixels);
  // Pieces end with a row, a vector or a tile.
  const pieces = width > 0 ? taps * ((pixels / width) * Math.ceil(width / isa.lanes) + tiles) : 0;
  const copied = readsPixels(isa, lanes, conv) ? tiles - Math.floor(pixels / tile.pixels) : tiles;
  const gathered = isPointwise ? copied * channels * COPY[name] : pieces * (PIECE.once + channels * PIECE.channel);
  const stored =
    lanes === 'pixels' ? filters * Math.ceil(tile.pixels / isa.lanes) : Math.ceil(filters / panelWidth(isa));
  return gathered + tiles * stored * FINISH[lanes][name];
}

/** Filters of a group as they are packed, those that fill up the last panel included. */
const packedFilters = (isa: Isa, lanes: Lanes, filters: number): number =>
  lanes === 'pixels' ? filters : Math.ceil(filters / panelWidth(isa)) * panelWidth(isa);

async function prepare(
  isa: Isa,
  lanes: Lanes,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const { conv, epilogue } = planOf(call, constants) as Plan;
  const weights = await pack(isa, lanes, conv, constants[1]!.tensor.data as Float32Array, engine);
  const spatial = call.outputs[0]!.shape.slice(2);
  const pixels = spatial.every((d) => typeof d === 'number') ? sizeOf(spatial as number[]) : undefined;
  const code = loadCode(engine.addon, [emitConvolution({ isa, lanes, conv, pixels, epilogue })]);
  const others = epilogue.operands.map(({ input }) => input);
  const layout = keptLayout(planeDims([0, ...others]), ({ inputs, outputs, threads }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    return layOut(isa, lanes, conv, windowsOf(conv, x, y), threads);
  });
  return {
    resident: code.bytes + weights.bytes,
    packed: [1],
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => layout(bound).units,
        args(bound) {
          const { words, taps } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const addresses = { scratch, x: inputs[0]!.address, y: outputs[0]!.address, weights: weights.address };
          const all: Record<string, number> = { ...words, ...addresses };
          return [
            ...argumentWords.map((name) => all[name]!),
            ...others.map((input) => inputs[input]!.address),
            ...taps,
          ];
        },
      },
    ],
    scratch: (bound) => bound.threads * layout(bound).words.threadBytes,
    dispose() {
      code.dispose();
      engine.memory.free(weights);
    },
  };
}

async function pack(
  isa: Isa,
  lanes: Lanes,
  { groups, channels, filters, taps }: Convolution,
  data: Float32Array,
  { memory }: Engine,
): Promise<NativeBuffer> {
  const depth = channels * taps;
  const buffer = memory.alloc(4 * groups * depth * packedFilters(isa, lanes, filters));
  const blocks = blocksOf(isa, lanes, filters);
  const width = lanes === 'pixels' ? undefined : panelWidth(isa);
  const slicer = new Slicer();
  for (let g = 0, offset = 0; g < groups; g++) {
    const group = data.subarray(g * filters * depth, (g + 1) * filters * depth);
    offset = await runGenerator(packFilters(group, depth, blocks, width, buffer, offset), slicer);
  }
  return buffer;
}

/** What follows from the sizes of a call. */
interface Layout {
  readonly units: number;
  /** The argument block but for addresses. */
  readonly words: { readonly threadBytes: number } & Readonly<Record<string, number>>;
  readonly taps: readonly number[];
}

/** Steps of a chunk at most: patches and filters of so many stay in the caches next to each other. */
const MOST_STEPS = 768;
/** Multiply-adds of a unit, about 50 microseconds of one core; no fewer than the least, so that taking it costs little. */
const MOST = 3e6;
const LEAST = 3e5;
/** Bytes of patches that stay in the second-level cache, and of filters that are better read once for several tiles. */
const NEAR_PATCHES = 1 << 18;
const FAR_FILTERS = 1 << 19;

function layOut(isa: Isa, lanes: Lanes, conv: Convolution, windows: Windows, threads: number): Layout {
  const { groups, channels, filters, taps } = conv;
  const { batch, input, output } = windows;
  const tile = tileOf(isa, lanes);
  const pixels = sizeOf(output);
  const images = pixels > 0 ? batch * groups : 0;
  const [tiles, blocks] = [Math.max(1, Math.ceil(pixels / tile.pixels)), blocksOf(isa, lanes, filters).length];
  const chunks = Math.ceil(channels / Math.max(1, Math.floor(MOST_STEPS / taps)));
  const chunk = Math.ceil(channels / chunks);
  const patchesStep = Math.ceil((chunk * taps * tile.pitch + 64) / 64) * 64;
  const depth = channels * taps;
  // Equal parts of at most `most`.
  const split = (count: number, most: number): { per: number; parts: number } => {
    const per = Math.ceil(count / Math.ceil(count / Math.max(1, Math.min(count, Math.floor(most)))));
    return { per, parts: Math.ceil(count / per) };
  };
  const ofTile = filters * tile.pixels * depth;
  const total = images * tiles * ofTile;
  const target = Math.min(MOST, Math.max(LEAST, total / (3 * threads)));
  const share = Math.ceil((images * tiles) / threads);
  const most = Math.max(target / ofTile, 4 * filters * depth > FAR_FILTERS ? Math.min(4, share) : 1);
  const ofTiles = split(tiles, Math.min(most, Math.max(1, NEAR_PATCHES / patchesStep)));
  const idle = threads / (images * ofTiles.parts);
  const ofBlocks = split(blocks, idle > 1 ? blocks / Math.ceil(2 * idle) : blocks);
  const isWhole = ofTiles.parts * ofBlocks.parts === 1;
  const ofImages = split(images, isWhole ? target / (tiles * ofTile) : 1);
  const { sums } = scratchLayout(isa, tile, conv.isPointwise ? 0 : taps);
  const sumsStep = chunks > 1 ? sumBytes(isa) : 0;
  const patches = sums + (chunks > 1 ? ofTiles.per * ofBlocks.per : 1) * sumBytes(isa);
  const [xChannel, yChannel] = [4 * sizeOf(input), 4 * pixels];
  return {
    units: images === 0 ? 0 : ofImages.parts * ofTiles.parts * ofBlocks.parts,
    words: {
      threadBytes: Math.ceil((patches + ofTiles.per * patchesStep) / 64) * 64,
      ...{ groups, images, imagesPerUnit: ofImages.per, pixels },
      ...{ tiles, tilesPerUnit: ofTiles.per, tileGroups: ofTiles.parts },
      ...{ blocks, blocksPerUnit: ofBlocks.per, blockGroups: ofBlocks.parts },
      ...{ channels, chunk, patchesStep, sumsStep, patches },
      ...{ xChannel, xImage: channels * xChannel, yChannel, yImage: filters * yChannel },
      ...{ inDepth: input[0]!, inHeight: input[1]!, inWidth: input[2]! },
      ...{ outHeight: output[1]!, outWidth: output[2]! },
    },
    taps: conv.isPointwise ? [] : tapsOf(conv, windows),
  };
}

/** The words of each tap. */
function tapsOf(conv: Convolution, windows: Windows): number[] {
  const { kernel, dilations } = conv;
  const { input, begin } = windows;
  const [, height, width] = input as [number, number, number];
  const words: number[] = [];
  for (let z = 0; z < kernel[0]!; z++)
    for (let y = 0; y < kernel[1]!; y++)
      for (let x = 0; x < kernel[2]!; x++) {
        const [plane, row, column] = [z, y, x].map((tap, axis) => tap * dilations[axis]! - begin[axis]!) as [
          number,
          number,
          number,
        ];
        words.push(4 * ((plane * height + row) * width + column), row, plane, ...insideOf(conv, windows, 2, x));
      }
  return words;
}

export const convolution: readonly NativeKernel[] = [avx512, avx2].flatMap((isa) =>
  (['pixels', 'filters'] as const).map((lanes) => row(isa, lanes)),
);
