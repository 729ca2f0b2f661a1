/** Convolutions of 3 x 3 by Winograd's minimal filtering: fewer multiplications, in three phases over all squares of an image. */

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
import { checkPlaneOperands, convolutionOf, type PlaneEpilogue, planeEpilogue, windowsOf } from '@espalier/lowering';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { blocksOf } from '../conv/emit.ts';
import { epilogueSteps } from '../epilogue.ts';
import { streamedBytes } from '../matmul/index.ts';
import { avx512 } from '../matmul/isa.ts';
import { emitInput, inputScratch, inputWords } from './input.ts';
import { emitOutput, MOST_OPERANDS, outputScratch, outputWords } from './output.ts';
import { packTransforms } from './pack.ts';
import { type Plan, planOf } from './plan.ts';
import { type Side, TAPS } from './points.ts';
import { emitProduct, productWords } from './product.ts';

const isa = avx512;

/** Fewer channels are not worth the transforms. */
const LEAST_CHANNELS = 16;

interface Setting {
  readonly plan: Plan;
  readonly epilogue: PlaneEpilogue;
}

function settingOf(side: Side, call: Call, constants: Constants): Setting | Rejection {
  const conv = convolutionOf(call, constants);
  if (isRejection(conv)) return conv;
  const isPlain = conv.strides.every((s) => s === 1) && conv.dilations.every((d) => d === 1);
  if (`${conv.kernel}` !== `1,${TAPS},${TAPS}` || !isPlain || call.inputs[0]!.shape.length !== 4)
    return { reason: `its filters are not of ${TAPS} x ${TAPS} neighbours` };
  if (conv.groups > 1) return { reason: `it has ${conv.groups} groups` };
  if (conv.channels < LEAST_CHANNELS || conv.filters < LEAST_CHANNELS)
    return { reason: `it has fewer than ${LEAST_CHANNELS} channels or filters` };
  const [x, y] = [call.inputs[0]!.shape.slice(2), call.outputs[0]!.shape.slice(2)];
  if (![...x, ...y].every((d) => typeof d === 'number')) return { reason: 'the size of its images is not known' };
  const [height, width, outHeight, outWidth] = [...x, ...y] as [number, number, number, number];
  if (outHeight * outWidth === 0) return { reason: 'its result is empty' };
  const { begin } = windowsOf(conv, [1, conv.channels, height, width], [1, conv.filters, outHeight, outWidth]);
  const epilogue = planeEpilogue(call, 2, MOST_OPERANDS);
  if (isRejection(epilogue)) return epilogue;
  const { channels, filters } = conv;
  const sizes = { height, width, outHeight, outWidth, top: begin[1]!, left: begin[2]! };
  return { plan: planOf(isa, { side, channels, filters, ...sizes }), epilogue };
}

/** Cycles of a vector of squares: of a channel of the input, of a filter of the sums. */
const TRANSFORM = { 2: { input: 75, output: 70 }, 4: { input: 340, output: 320 } } as const;
const CYCLE = 16;
const TILE_ROWS = 0.3;

function row(side: Side): NativeKernel {
  return {
    name: `conv_f32_squares${side}_${isa.rows}x${2 * isa.lanes}__${isa.name}`,
    op: 'Conv',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    work(call, at, constants): Work | Rejection {
      const setting = settingOf(side, call, constants);
      if (isRejection(setting)) return setting;
      const { plan, epilogue } = setting;
      const { channels, filters, span, vectors } = plan;
      const images = bindShape(call.inputs[0]!.shape, at)[0]!;
      const weights = 4 * span ** 2 * channels * filters;
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const { input, output } = TRANSFORM[side];
      return {
        macs: images * plan.outHeight * plan.outWidth * channels * filters * TAPS ** 2,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: weights,
        multiplied:
          images * span ** 2 * channels * vectors * isa.lanes * (filters + TILE_ROWS * Math.ceil(filters / isa.rows)),
        transformed: images * vectors * CYCLE * (channels * input + filters * output),
        streamed: streamedBytes(weights),
      };
    },
    law: ({ multiplied, transformed, streamed }, rates) =>
      3 * rates['call']! +
      (Math.max(multiplied! / (isa.efficiency * rates['fma']!), streamed! / rates['bytes']!) +
        transformed! / rates['fma']!) /
        rates['threads']!,
    prepare: (call, constants, engine) => prepare(side, call, constants, engine),
  };
}

/** Multiply-adds of a unit, and channels or filters of a transform's. */
const UNIT_MACS = 1e6;
const UNIT_VECTORS = 48;

async function prepare(side: Side, call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const { plan, epilogue } = settingOf(side, call, constants) as Setting;
  const { channels, filters, span, vectors } = plan;
  const blocks = blocksOf(isa, 'pixels', filters);
  const weights = engine.memory.alloc(4 * span ** 2 * channels * filters);
  const data = constants[1]!.tensor.data as Float32Array;
  await runGenerator(packTransforms(side, data, channels, blocks, weights), new Slicer());
  const code = loadCode(engine.addon, [
    emitInput(isa, plan),
    emitProduct(isa, plan, blocks),
    emitOutput(isa, plan, epilogue),
  ]);
  const others = epilogue.operands.map(({ input }) => input);
  const threadBytes = Math.max(inputScratch(plan), outputScratch(isa, plan));
  type Bound = Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>;
  const images = ({ inputs }: Bound): number => inputs[0]!.dims[0]!;
  /** Of shared scratch memory: transforms, sums, then each thread's. */
  const sums = (bound: Bound): number => images(bound) * plan.inputs;
  const own = (bound: Bound): number => sums(bound) + images(bound) * plan.sums;
  /** Parts of a count, a few for each thread. */
  const share = (count: number, { threads }: Bound): number =>
    Math.max(1, Math.min(Math.ceil(count / (3 * threads)), Math.ceil(UNIT_VECTORS / vectors)));
  const panels = Math.ceil(vectors / 2);
  const ofPanel = filters * channels * Math.min(2, vectors) * isa.lanes;
  const panelsPerUnit = Math.max(1, Math.min(panels, Math.floor(UNIT_MACS / ofPanel)));
  const blocksPerUnit = Math.ceil(blocks.length / Math.ceil(ofPanel / (2 * UNIT_MACS)));
  const panelGroups = Math.ceil(panels / panelsPerUnit);
  const blockGroups = Math.ceil(blocks.length / blocksPerUnit);
  const phase = (
    entry: number,
    names: readonly string[],
    units: (bound: Bound) => number,
    words: (bound: NativeCall) => Readonly<Record<string, number>>,
    operands: readonly number[] = [],
  ): NativePhase => ({
    code: code.addresses[entry]!,
    units,
    args(bound) {
      const { inputs, outputs, scratch } = bound;
      const all: Record<string, number> = {
        ...{ x: inputs[0]!.address, y: outputs[0]!.address, to: scratch, inputs: scratch, filters: weights.address },
        ...{ sums: scratch + sums(bound), scratch: scratch + own(bound), threadBytes },
        ...words(bound),
      };
      return [...names.map((name) => all[name]!), ...operands.map((input) => inputs[input]!.address)];
    },
  });
  const perImage = (count: number, bound: Bound) => Math.ceil(count / share(count, bound));
  return {
    resident: code.bytes + weights.bytes,
    packed: [1],
    phases: [
      phase(
        0,
        inputWords,
        (bound) => images(bound) * perImage(channels, bound),
        (bound) => ({ channelsPerUnit: share(channels, bound), unitsPerImage: perImage(channels, bound) }),
      ),
      phase(
        1,
        productWords,
        (bound) => images(bound) * span ** 2 * panelGroups * blockGroups,
        () => ({ panelsPerUnit, panelGroups, blocksPerUnit, blockGroups }),
      ),
      phase(
        2,
        outputWords,
        (bound) => images(bound) * perImage(filters, bound),
        (bound) => ({ filtersPerUnit: share(filters, bound), unitsPerImage: perImage(filters, bound) }),
        others,
      ),
    ],
    scratch(bound) {
      const [x, y] = [bound.inputs[0]!.dims, bound.outputs[0]!.dims];
      checkPlaneOperands(epilogue, bound.inputs, y);
      windowsOf(convolutionOf(call, constants) as Exclude<ReturnType<typeof convolutionOf>, Rejection>, x, y);
      return own(bound) + bound.threads * threadBytes;
    },
    dispose() {
      code.dispose();
      engine.memory.free(weights);
    },
  };
}

export const winograd: readonly NativeKernel[] = ([2, 4] as const).map(row);
