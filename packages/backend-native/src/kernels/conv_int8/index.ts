/**
 * Convolutions of bytes with exact sums, channels last, and whatever follows them: rows of patches, which each unit gathers for itself,
 * times matrices of filters.
 */

import {
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type Constants,
  ESPALIER,
  isRejection,
  type Rejection,
  sizeOf,
  Tensor,
  type Work,
} from '@espalier/core';
import {
  addressOf,
  type Convolution,
  convolutionOf,
  geometry,
  type Partition,
  partition,
  tensorBytes,
  windowsOf,
} from '@espalier/lowering';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeProgram } from '../../program.ts';
import { keptLayout } from '../layouts.ts';
import { type Epilogue, epilogueOf, quantizedType } from '../matmul/epilogue.ts';
import { emitProduct, panelKinds, rowBytes, threadBytes } from '../matmul_int8/emit.ts';
import { type Finish, resultBytes } from '../matmul_int8/finish.ts';
import { amx, avx2widened, avx512vnni, type DotIsa, lanesOf, panelColumns, vnni256 } from '../matmul_int8/isa.ts';
import { hasZeroPoints, type Matrix, packConstant, packing } from '../matmul_int8/pack.ts';
import {
  blockHeights,
  finishCost,
  knownShapes,
  lawOf,
  paceOf,
  productArgs,
  scaledFuses,
  tiledColumns,
} from '../matmul_int8/program.ts';
import { MOST_TAPS, reorderColumns } from './depthwise.ts';
import { channelsFirst, type Patches, patchWords, patchWordsOf, rowElements } from './patches.ts';

/** Inputs of QuantizedConv. */
const [X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO] = [0, 1, 2, 3, 4, 5];

/**
 * How filters become matrices. `patches`: the sum over a patch is a product, a matrix for each group. `channels`: each filter sees a channel
 * of its own, which is a column of a matrix of taps.
 */
type Form = 'patches' | 'channels';

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: Epilogue;
}

function planOf(form: Form, call: Call, constants: Constants): Plan | Rejection {
  if ([W_SCALE, W_ZERO].some((i) => call.inputs[i] && !constants[i]))
    return { reason: 'the scales or zero points of its weights are not constant' };
  const conv = convolutionOf(call, [undefined, constants[W]]);
  if (isRejection(conv)) return conv;
  if (form === 'channels') {
    if (conv.channels !== 1 || conv.filters !== 1) return { reason: 'its filters do not see a channel each' };
    if (conv.taps > MOST_TAPS) return { reason: `its filters have ${conv.taps} taps, more than ${MOST_TAPS}` };
    if (hasZeroPoints(wholeOf(constants))) return { reason: 'its weights have zero points' };
  }
  const epilogue = epilogueOf(call, [conv.channels, conv.groups * conv.filters], constants);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

/** Sizes of the matrices: how many there are, of [k, n]. */
const matricesOf = (form: Form, { groups, channels, filters, taps }: Convolution) =>
  form === 'patches' ? { count: groups, k: channels * taps, n: filters } : { count: 1, k: taps, n: groups };

const patchesOf = (form: Form, { groups, channels, kernel, strides, dilations }: Convolution): Patches => ({
  ...{ channels: form === 'patches' ? channels : groups, pixel: groups * channels, kernel, strides, dilations },
});

/** All filters with their parameters. */
function wholeOf(constants: Constants): Matrix {
  const [b, scale, zeroPoint] = [W, W_SCALE, W_ZERO].map((i) => constants[i]?.tensor);
  return { b: b!, scale, zeroPoint };
}

/** What a byte takes to be gathered, and a row of the kernel for each pixel, in multiply-adds of float32. */
const GATHERED = 0.4;
const LINE = 60;
/** What a step of a channel by itself takes, likewise. */
const CHANNEL = 4;

function kernel(form: Form, isa: DotIsa): NativeKernel {
  return {
    name: `quantizedconv_i8_${form}_${isa.rows}x${panelColumns(isa)}__${isa.name}`,
    op: 'QuantizedConv',
    domain: ESPALIER,
    requires: isa.requires,
    fuses: scaledFuses,
    work: (call, at, constants) => work(form, isa, call, at, constants),
    law: lawOf(isa),
    prepare: (call, constants, engine) => prepare(form, isa, call, constants, engine),
  };
}

function work(form: Form, isa: DotIsa, call: Call, at: Binding, constants: Constants): Work | Rejection {
  const plan = planOf(form, call, constants);
  if (isRejection(plan)) return plan;
  const { kernel } = plan.conv;
  const { count, k, n } = matricesOf(form, plan.conv);
  const rows = sizeOf(bindShape(call.outputs[0]!.shape, at).slice(0, -1));
  const { steps, bytes: resident } = packing(isa, k, n);
  const columns = tiledColumns(isa, n);
  const perElement = finishCost(plan.epilogue) + (form === 'channels' ? CHANNEL * steps : 0);
  const gathered = GATHERED * rowElements(patchesOf(form, plan.conv)) + LINE * kernel[0]! * kernel[1]!;
  return {
    macs: rows * count * n * k,
    bytes: tensorBytes(call, at),
    resident: count * resident,
    // What the tiles multiply, padding included; and what comes before and behind, in multiply-adds of float32.
    tiled: form === 'channels' ? 0 : count * rows * columns * k,
    around: count * rows * (columns * perElement + gathered),
  };
}

/** The matrices: a row for each tap and channel, filters side by side. */
function matrices(form: Form, conv: Convolution, constants: Constants): readonly Matrix[] {
  const { b, scale, zeroPoint } = wholeOf(constants);
  const { count, k, n } = matricesOf(form, conv);
  const { channels, taps } = conv;
  const parameter = (tensor: Tensor | undefined, i: number): Tensor | undefined => {
    if (!tensor || tensor.size === 1) return tensor;
    return new Tensor(tensor.type, tensor.data.slice(i * n, (i + 1) * n) as Float32Array, [n]);
  };
  return Array.from({ length: count }, (_, i) => {
    const source = (b.data as Int8Array | Uint8Array).subarray(i * n * k, (i + 1) * n * k);
    const data = source.slice();
    for (let filter = 0, from = 0; filter < n; filter++)
      for (let channel = 0; channel < channels; channel++)
        for (let tap = 0; tap < taps; tap++) data[(tap * channels + channel) * n + filter] = source[from++]!;
    return { b: new Tensor(b.type, data, [k, n]), scale: parameter(scale, i), zeroPoint: parameter(zeroPoint, i) };
  });
}

async function prepare(
  form: Form,
  isa: DotIsa,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const { conv, epilogue } = planOf(form, call, constants) as Plan;
  const { k, n } = matricesOf(form, conv);
  const filters = conv.groups * conv.filters;
  const finish: Finish = { scaling: 'scaled', epilogue, result: quantizedType(epilogue) ?? 'float32' };
  const others = epilogue.operands.map(({ input }) => input);
  const known = knownShapes([call.outputs[0]!, ...others.map((i) => call.inputs[i]!)]);
  const code = sharedCode(engine.addon, emitProduct, {
    ...{ isa, finish, patches: patchesOf(form, conv), bZero: hasZeroPoints(wholeOf(constants)) },
    aZero: { given: call.inputs[X_ZERO] !== undefined, signed: call.inputs[X]!.dtype === 'int8' },
    ...(form === 'channels'
      ? { channelTaps: conv.taps, rows: [isa.rows] }
      : { rows: blockHeights(isa, known && rowsOf(filters, known).m) }),
    columns: panelKinds(isa, n),
    tail: n % lanesOf(isa),
  });
  const parts = packing(isa, k, n);
  const packed: NativeBuffer[] = [];
  for (const matrix of matrices(form, conv, constants)) {
    const each = await packConstant(isa, matrix, [k, n], engine);
    if (form === 'channels') reorderColumns(isa, parts, each);
    packed.push(each);
  }
  const layout = keptLayout(
    ({ inputs, outputs }) =>
      [inputs[X]!, outputs[0]!, ...others.map((input) => inputs[input]!)].map((operand) => operand.dims),
    ({ threads }, dims) => layOut(form, isa, conv, dims, threads),
  );
  return {
    resident: packed.reduce((sum, { bytes }) => sum + bytes, code.bytes),
    packed: [W, W_SCALE, W_ZERO].filter((i) => call.inputs[i]),
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => layout(bound).cut.units,
        args(bound) {
          const { cut, aRow, words, rowSteps, offsets, bytes } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const yBytes = resultBytes(finish);
          const all: Record<string, number> = { ...words, x: inputs[X]!.address };
          return productArgs(isa, finish, {
            ...{ scratch, threadBytes: bytes, cut, packing: parts, aRow, yRow: yBytes * filters, rowSteps },
            ...{ aScale: addressOf(inputs[X_SCALE]), aZero: addressOf(inputs[X_ZERO]), yScale: 0, yZero: 0 },
            more: patchWords.map((name) => all[name]!),
            entries: offsets.flatMap(([row, , y, ...rest]) =>
              packed.map(({ address }, g) => [
                ...[row!, g * conv.channels, address, address + parts.parameters],
                outputs[0]!.address + yBytes * (y! + g * n),
                ...rest.map((start, i) => {
                  const { input, dtype, perColumn } = epilogue.operands[i]!;
                  return addressOf(inputs[input]) + byteLength(dtype, start + (perColumn ? g * n : 0));
                }),
              ]),
            ),
          });
        },
      },
    ],
    scratch: (bound) => bound.threads * layout(bound).bytes,
    dispose() {
      code.dispose();
      for (const each of packed) engine.memory.free(each);
    },
  };
}

/** The result and the operands of the epilogue as those of a product of rows, one element for each pixel, by a matrix of one row. */
const rowsOf = (filters: number, [y, ...others]: readonly (readonly number[])[]) =>
  geometry([...y!.slice(0, -1), 1], [1, filters], y!, others);

/** What follows from the sizes of a call. */
interface Layout {
  readonly cut: Partition;
  readonly aRow: number;
  /** {@link patchWords} but for addresses. */
  readonly words: Readonly<Record<string, number>>;
  readonly rowSteps: readonly number[];
  readonly offsets: readonly (readonly number[])[];
  /** Of scratch memory, for each thread. */
  readonly bytes: number;
}

/** Bytes of patches that stay in the second-level cache, or where they are read once for a panel in the first. */
const NEAR: Readonly<Record<Form, number>> = { patches: 1 << 18, channels: 24 << 10 };

function layOut(
  form: Form,
  isa: DotIsa,
  conv: Convolution,
  dims: readonly (readonly number[])[],
  threads: number,
): Layout {
  const [x, ...results] = dims as [readonly number[], ...(readonly number[])[]];
  const windows = windowsOf(conv, channelsFirst(x), channelsFirst(results[0]!));
  const { count, k, n } = matricesOf(form, conv);
  const patches = patchesOf(form, conv);
  const { m, batch, rowSteps, offsets } = rowsOf(conv.groups * conv.filters, results);
  const parts = packing(isa, k, n);
  const aRow = rowBytes(isa, rowElements(patches));
  const shape = { m, n, k: paceOf(isa, parts), batch: batch * count };
  const cut = partition(shape, isa.rows, panelColumns(isa), threads, true, NEAR[form] / aRow);
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const rows = Math.min(m, cut.blocksPerUnit * isa.rows);
  const patchTerms = threadBytes(isa);
  const patchRows = patchTerms + align(4 * rows);
  return {
    ...{ cut, aRow, rowSteps, offsets: Array.from({ length: batch }, (_, i) => offsets(i)) },
    words: { patchTerms, patchRows, ...patchWordsOf(patches, windows) },
    // Tiles may read a row more than there is, panels a line.
    bytes: patchRows + align((rows + (isa.tileSteps === undefined ? 0 : 1)) * aRow) + 64,
  };
}

export const kernelsFor = (isa: DotIsa): readonly NativeKernel[] =>
  (isa.tileSteps === undefined ? (['channels', 'patches'] as const) : (['patches'] as const)).map((form) =>
    kernel(form, isa),
  );

/** Best first. */
export const convInt8: readonly NativeKernel[] = [amx, avx512vnni, vnni256(false), avx2widened].flatMap(kernelsFor);
