/** Convolutions of bytes by sparse filters, channels last, their sums exact: products by pattern quads, of lines of planes. */

import {
  type Call,
  type Constant,
  type Constants,
  ESPALIER,
  isRejection,
  type Rejection,
  type TensorDesc,
} from '@espalier/core';
import {
  addressOf,
  type Convolution,
  convolutionOf,
  levels,
  remembered,
  tooDense,
  type Windows,
  windowsOf,
} from '@espalier/lowering';
import type { NativeKernel } from '../../kernel.ts';
import { channelsFirst } from '../conv_int8/patches.ts';
import { keptLayout } from '../layouts.ts';
import type { SizedMatrix } from '../matmul_sparse/cut.ts';
import type { Turning } from '../matmul_sparse/program.ts';
import { countQuads } from '../matmul_sparse/quads.ts';
import { prepareQuads, quadsCost } from '../matmul_sparse/quads-program.ts';
import { A, A_ZERO, askedOf, B, describe, rowOfBytes } from '../matmul_sparse/quantized.ts';
import { type Flat, flatOf } from './flat.ts';
import { emitPlanes, type PlaneLayout, pieceTable, planeLines, planesOf, planeWords, turnsOf } from './planes.ts';
import { positionTable, positionTiles } from './positions.ts';

/** What it takes to turn 64 pixels of sixteen channels, in multiply-adds of bytes. */
const TURN_COST = 12000;

interface Plan {
  readonly conv: Convolution;
  /** Of one image. */
  readonly windows: Windows;
  readonly flat: Flat;
  readonly layout: PlaneLayout;
}

function planOf({ inputs, outputs, ...call }: Call, constants: Constants): Plan | Rejection {
  const conv = convolutionOf({ ...call, inputs, outputs }, [undefined, constants[B]]);
  if (isRejection(conv)) return conv;
  const reason = tooDense(constants[B]!);
  if (reason) return { reason };
  if (conv.groups !== 1) return { reason: `its filters are in ${conv.groups} groups` };
  const dimsOf = ({ shape }: TensorDesc): number[] | undefined => {
    const known = shape.slice(1).filter((d) => typeof d === 'number');
    return known.length === shape.length - 1 ? channelsFirst([1, ...known]) : undefined;
  };
  const [x, y] = [dimsOf(inputs[A]!), dimsOf(outputs[0]!)];
  if (!x || !y) return { reason: 'the size of its images is not known' };
  const windows = windowsOf(conv, x, y);
  const flat = flatOf(conv, windows);
  return { conv, windows, flat, layout: planesOf(conv, flat) };
}

/** Filters as columns of a matrix with a row for each channel and tap. */
function matrixOf({ data, dims, size }: Constant['tensor']): SizedMatrix<Int8Array> {
  const [n, k] = [dims[0]!, size / dims[0]!];
  return { data: data as Int8Array, rowStep: 1, columnStep: k, k, n };
}

const quadsOf = remembered(({ tensor }) => countQuads(matrixOf(tensor), { offsetBytes: 4 }));

function turningOf({ conv, windows, flat, layout }: Plan): Turning {
  const chunks = layout.image / (layout.channel * 16);
  const pieces = pieceTable(conv, windows, flat, layout);
  const input = windows.input.reduce((a, b) => a * b, conv.channels);
  const turned = keptLayout(
    ({ outputs }) => [outputs[0]!.dims],
    (_, [y]) => {
      const batch = y![0]!;
      return {
        ...{ tiles: batch * layout.tiles, tileBytes: 0, bytes: batch * layout.image, units: batch * chunks },
        table: positionTable({ ...windows, batch }, flat, layout),
      };
    },
  );
  return {
    turned,
    args({ inputs }, place) {
      const words = {
        ...{ x: inputs[A]!.address, aZero: addressOf(inputs[A_ZERO]), xImage: input, chunks, image: layout.image },
        ...{ pieces: pieces.length / 3, ...place },
      };
      return [...planeWords.map((name) => words[name]), ...pieces];
    },
  };
}

export const convolutionSparseBytes: NativeKernel = {
  ...rowOfBytes,
  name: 'quantizedconv_i8_quads_4x64__avx512vnni',
  op: 'QuantizedConv',
  domain: ESPALIER,
  format: { name: 'quads', levels },
  work(call, at, constants) {
    const plan = planOf(call, constants);
    if (isRejection(plan)) return plan;
    const { conv, windows, flat, layout } = plan;
    const asked = askedOf(call, at, constants, [conv.channels * conv.taps, conv.filters]);
    if (isRejection(asked)) return asked;
    const { tensor, structure } = constants[B]!;
    const count = quadsOf(constants[B]!);
    const pixels = windows.output.reduce((a, b) => a * b, 1);
    const images = asked.rows / Math.max(1, pixels);
    const turns = turnsOf(conv, pieceTable(conv, windows, flat, layout).length / 3);
    return {
      macs: asked.rows * structure.nonzeros,
      bytes: asked.bytes + count.bytes,
      resident: count.bytes,
      dots:
        images * (quadsCost(count, tensor.dims[0]!, layout.tiles, asked.finish, conv.taps === 1) + turns * TURN_COST),
    };
  },
  prepare(call, constants, engine) {
    const plan = planOf(call, constants) as Plan;
    const { conv, flat, layout } = plan;
    const matrix = matrixOf(constants[B]!.tensor);
    const described = describe(call, constants, matrix);
    const { epilogue, aZero } = described.scaling;
    const product = {
      ...{ matrix, count: quadsOf(constants[B]!), turning: turningOf(plan) },
      tiles: positionTiles(planeLines(flat, layout), epilogue.operands.length),
      turnCode: emitPlanes(conv, layout, aZero),
    };
    return prepareQuads(described, product, engine);
  },
};
