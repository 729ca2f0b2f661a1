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
import { type Convolution, convolutionOf, geometry, type Partition, partition, windowsOf } from '@espalier/lowering';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { addressOf } from '../elements.ts';
import { type Epilogue, epilogueOf, quantizedType } from '../matmul/epilogue.ts';
import { emitProduct, panelKinds, rowBytes, threadBytes } from '../matmul_int8/emit.ts';
import { type Finish, resultBytes } from '../matmul_int8/finish.ts';
import { amx, avx2widened, avx512vnni, type DotIsa, panelColumns, vnni256 } from '../matmul_int8/isa.ts';
import { hasZeroPoints, type Matrix, packConstant, packing } from '../matmul_int8/pack.ts';
import {
  blockHeights,
  finishCost,
  knownShapes,
  lawOf,
  paceOf,
  productArgs,
  scaledFuses,
} from '../matmul_int8/program.ts';
import { type Patches, patchWords, patchWordsOf } from './patches.ts';

/** Inputs of QuantizedConv. */
const [X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO] = [0, 1, 2, 3, 4, 5];

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: Epilogue;
}

/** Dims as ONNX has them: channels before all spatial axes. */
const channelsFirst = ([batch, ...rest]: readonly number[]): number[] => [batch!, rest.at(-1)!, ...rest.slice(0, -1)];

function planOf(call: Call, constants: Constants): Plan | Rejection {
  if ([W_SCALE, W_ZERO].some((i) => call.inputs[i] && !constants[i]))
    return { reason: 'the scales or zero points of its weights are not constant' };
  const conv = convolutionOf(call, [undefined, constants[W]]);
  if (isRejection(conv)) return conv;
  const epilogue = epilogueOf(call, [conv.channels, conv.groups * conv.filters], constants);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

const patchesOf = ({ groups, channels, kernel, strides, dilations }: Convolution): Patches => ({
  ...{ channels, pixel: groups * channels, kernel, strides, dilations },
});

const depthOf = ({ channels, taps }: Convolution): number => channels * taps;

/** What a byte takes to be gathered, and a row of the kernel for each pixel, in multiply-adds of float32. */
const GATHERED = 0.4;
const LINE = 130;

function kernel(isa: DotIsa): NativeKernel {
  return {
    name: `quantizedconv_i8_patches_${isa.rows}x${panelColumns(isa)}__${isa.name}`,
    op: 'QuantizedConv',
    domain: ESPALIER,
    requires: isa.requires,
    fuses: scaledFuses,
    work: (call, at, constants) => work(isa, call, at, constants),
    law: lawOf(isa),
    prepare: (call, constants, engine) => prepare(isa, call, constants, engine),
  };
}

function work(isa: DotIsa, call: Call, at: Binding, constants: Constants): Work | Rejection {
  const plan = planOf(call, constants);
  if (isRejection(plan)) return plan;
  const { groups, filters, kernel } = plan.conv;
  const k = depthOf(plan.conv);
  const rows = sizeOf(bindShape(call.outputs[0]!.shape, at).slice(0, -1));
  const { columns, bytes: resident } = packing(isa, k, filters);
  const gathered = rows * (GATHERED * k + LINE * kernel[0]! * kernel[1]!);
  return {
    macs: rows * groups * filters * k,
    bytes: [...call.inputs, ...call.outputs].reduce(
      (sum, desc) => sum + (desc ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0),
      0,
    ),
    resident: groups * resident,
    // What the tiles multiply, padding included; and what comes before and behind, in multiply-adds of float32.
    tiled: groups * rows * columns * k,
    around: groups * (rows * columns * finishCost(plan.epilogue) + gathered),
  };
}

/** The filters of each group as a matrix: a row for each tap and channel, channels side by side. */
function matricesOf({ groups, channels, filters, taps }: Convolution, constants: Constants): readonly Matrix[] {
  const [w, scale, zeroPoint] = [W, W_SCALE, W_ZERO].map((i) => constants[i]?.tensor);
  const depth = channels * taps;
  const parameter = (tensor: Tensor | undefined, g: number): Tensor | undefined => {
    if (!tensor || tensor.size === 1) return tensor;
    return new Tensor(tensor.type, tensor.data.slice(g * filters, (g + 1) * filters) as Float32Array, [filters]);
  };
  return Array.from({ length: groups }, (_, g) => {
    const source = (w!.data as Int8Array | Uint8Array).subarray(g * filters * depth, (g + 1) * filters * depth);
    const data = source.slice();
    for (let filter = 0, from = 0; filter < filters; filter++)
      for (let channel = 0; channel < channels; channel++)
        for (let tap = 0; tap < taps; tap++) data[(tap * channels + channel) * filters + filter] = source[from++]!;
    const b = new Tensor(w!.type, data, [depth, filters]);
    return { b, scale: parameter(scale, g), zeroPoint: parameter(zeroPoint, g) };
  });
}

async function prepare(isa: DotIsa, call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const { conv, epilogue } = planOf(call, constants) as Plan;
  const { groups, channels, filters } = conv;
  const signed = call.inputs[X]!.dtype === 'int8';
  const [b, scale, zeroPoint] = [W, W_SCALE, W_ZERO].map((i) => constants[i]?.tensor);
  const finish: Finish = { scaling: 'scaled', epilogue, result: quantizedType(epilogue) ?? 'float32' };
  const others = epilogue.operands.map(({ input }) => input);
  const known = knownShapes([call.outputs[0]!, ...others.map((i) => call.inputs[i]!)]);
  const size = [depthOf(conv), groups * filters] as const;
  const code = sharedCode(engine.addon, emitProduct, {
    ...{ isa, finish, patches: patchesOf(conv), aZero: { given: call.inputs[X_ZERO] !== undefined, signed } },
    bZero: hasZeroPoints({ b: b!, scale, zeroPoint }),
    rows: blockHeights(isa, known && rowsOf(size, known).m),
    columns: panelKinds(isa, filters),
  });
  const packed: NativeBuffer[] = [];
  for (const matrix of matricesOf(conv, constants))
    packed.push(await packConstant(isa, matrix, [depthOf(conv), filters], engine));
  let last: { readonly key: string; readonly layout: Layout } | undefined;
  /** The layout for bound sizes; the last is kept, as a list asks often and sizes change seldom. */
  const layout = ({ inputs, outputs, threads }: Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>): Layout => {
    const dims = [inputs[X]!, outputs[0]!, ...others.map((input) => inputs[input]!)].map((operand) => operand.dims);
    const key = dims.join(';');
    if (last?.key !== key) last = { key, layout: layOut(isa, conv, dims, threads) };
    return last.layout;
  };
  const parts = packing(isa, depthOf(conv), filters);
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
            ...{ scratch, threadBytes: bytes, cut, packing: parts, aRow, yRow: yBytes * groups * filters, rowSteps },
            ...{ aScale: addressOf(inputs[X_SCALE]), aZero: addressOf(inputs[X_ZERO]), yScale: 0, yZero: 0 },
            more: patchWords.map((name) => all[name]!),
            entries: offsets.flatMap(([row, , y, ...rest]) =>
              packed.map(({ address }, g) => [
                ...[row! / size[0], g * channels, address, address + parts.parameters],
                outputs[0]!.address + yBytes * (y! + g * filters),
                ...rest.map((start, i) => {
                  const { input, dtype, perColumn } = epilogue.operands[i]!;
                  return addressOf(inputs[input]) + byteLength(dtype, start + (perColumn ? g * filters : 0));
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

/** The result and the operands of the epilogue as those of a product of rows for each pixel by a matrix of [k, n]. */
const rowsOf = ([k, n]: readonly [number, number], [y, ...others]: readonly (readonly number[])[]) =>
  geometry([...y!.slice(0, -1), k], [k, n], y!, others);

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

/** Bytes of patches that stay in the second-level cache. */
const NEAR = 1 << 18;

function layOut(isa: DotIsa, conv: Convolution, dims: readonly (readonly number[])[], threads: number): Layout {
  const [x, ...results] = dims as [readonly number[], ...(readonly number[])[]];
  const { groups, filters } = conv;
  const windows = windowsOf(conv, channelsFirst(x), channelsFirst(results[0]!));
  const k = depthOf(conv);
  const { m, batch, rowSteps, offsets } = rowsOf([k, groups * filters], results);
  const parts = packing(isa, k, filters);
  const aRow = rowBytes(isa, k);
  const shape = { m, n: filters, k: paceOf(isa, parts), batch: batch * groups };
  const cut = partition(shape, isa.rows, panelColumns(isa), threads, true, NEAR / aRow);
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const rows = Math.min(m, cut.blocksPerUnit * isa.rows);
  const patchTerms = threadBytes(isa);
  const patchRows = patchTerms + align(4 * rows);
  return {
    ...{ cut, aRow, rowSteps, offsets: Array.from({ length: batch }, (_, i) => offsets(i)) },
    words: { patchTerms, patchRows, ...patchWordsOf(patchesOf(conv), windows) },
    // Tiles may read a row more than there is.
    bytes: patchRows + align((rows + (isa.tileSteps === undefined ? 0 : 1)) * aRow),
  };
}

export const kernelsFor = (isa: DotIsa): readonly NativeKernel[] => [kernel(isa)];

/** Best first. */
export const convInt8: readonly NativeKernel[] = [amx, avx512vnni, vnni256(false), avx2widened].flatMap(kernelsFor);
