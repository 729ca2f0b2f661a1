/** Products of float32 by weights of few bits, added up in integers. */

import {
  bindShape,
  type Call,
  type Constants,
  ESPALIER,
  isRejection,
  runGenerator,
  Slicer,
  sizeOf,
} from '@espalier/core';
import { geometry, partition } from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { type Epilogue, fuses } from '../matmul/epilogue.ts';
import { quantizedMatrix } from '../matmul/quantized.ts';
import { rowwise } from '../matmul_sparse/common.ts';
import { unitRows } from '../row.ts';
import { emitFixed, fixedBytes, fixedWords } from './fixed.ts';
import { argumentWords, BLOCK_ROWS, COLUMNS, emitFrame, THREAD_BYTES } from './frame.ts';
import { columnsLayout, groupsOf, type Levels, levelsOf, paddedDepth, spanLayout } from './layout.ts';
import { packPanels, rowParameters, unpacked, writePlanes } from './pack.ts';
import { emitProduct, planes } from './planes.ts';

/** Bytes of a panel whose bricks are all stored. */
function panelBytes(levels: Levels): number {
  const { bricks } = spanLayout(levels);
  const spans = groupsOf(levels).flatMap(({ times, spans }) => spans.map((each) => times * each.times));
  const count = spans.reduce((sum, times) => sum + times, 0);
  return columnsLayout(levels).bytes + count * bricks + (paddedDepth(levels) * COLUMNS * levels.bits) / 8;
}

const panelsOf = ({ n }: Pick<Levels, 'n'>): number => Math.ceil(n / COLUMNS);

/** What a vector of weights takes beside its products, in products of vectors: by bits. */
const DECODING = { 2: 1, 3: 2, 4: 1, 8: 0.3 } as const;
/** What it takes to make a number a fixed-point one, in multiply-adds of bytes. */
const FIXING = 48;

const planesKernel: NativeKernel = {
  name: 'matmul_f32i_planes_4x16__avx512vnni',
  op: 'DequantizeMatMul',
  domain: ESPALIER,
  requires: ['avx512', 'avx512-vnni'],
  types: { T: ['float32'], W: ['int8', 'uint8', 'int4', 'uint4'] },
  fuses,
  work(call, at, constants) {
    const epilogue = rowwise(call, 1);
    if (isRejection(epilogue)) return epilogue;
    const levels = levelsOf(call, constants);
    if ('reason' in levels) return levels;
    const { k, n, bits } = levels;
    const resident = panelsOf(levels) * panelBytes(levels);
    const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / n;
    const operands = epilogue.operands.reduce((sum, o) => sum + sizeOf(bindShape(call.inputs[o.input]!.shape, at)), 0);
    const blocks = Math.ceil(rows / BLOCK_ROWS);
    return {
      macs: rows * n * k,
      bytes: 4 * (rows * (k + n) + operands) + resident,
      resident,
      dots: (3 * rows + DECODING[bits] * blocks) * paddedDepth(levels) * panelsOf(levels) * COLUMNS,
      fixed: rows * k,
    };
  },
  law: ({ dots, fixed, resident }, rates) =>
    2 * rates['call']! +
    (FIXING * fixed!) / (rates['dot']! * rates['threads']!) +
    Math.max(dots! / rates['dot']!, resident! / rates['bytes']!) / rates['threads']!,
  prepare,
};

async function prepare(call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const levels = levelsOf(call, constants) as Levels;
  const epilogue = rowwise(call, 1) as Epilogue;
  const { tensor } = constants[1]!;
  const { k, n } = levels;
  const slicer = new Slicer();
  const matrix = quantizedMatrix(call, constants);
  const weights = engine.memory.allocLasting(panelsOf(levels) * panelBytes(levels));
  const bytes = await runGenerator(unpacked(tensor, levels.least), slicer);
  await runGenerator(packPanels(levels, matrix, weights.view, writePlanes(levels, bytes, weights.view)), slicer);
  const pitch = fixedBytes(paddedDepth(levels));
  const code = sharedCode(engine.addon, emitAll, levels, epilogue, heightsOf(call), pitch);
  const parameters = levels.scales === 'row' ? rowParameters(levels, matrix) : undefined;
  const scaleBytes = parameters ? Math.ceil(parameters.scales.byteLength / 64) * 64 : 0;
  const ofRows = engine.memory.allocLasting(parameters ? scaleBytes + parameters.zeros.byteLength : 0);
  if (parameters) {
    ofRows.view.set(new Uint8Array(parameters.scales.buffer));
    ofRows.view.set(parameters.zeros, scaleBytes);
  }
  const others = epilogue.operands.map(({ input }) => input);
  const rowsOf = ({ outputs }: Pick<NativeCall, 'outputs'>): number => sizeOf(outputs[0]!.dims) / n;
  const cutOf = (bound: Pick<NativeCall, 'outputs' | 'threads'>) =>
    partition({ m: rowsOf(bound), n, k, batch: 1 }, BLOCK_ROWS, COLUMNS, bound.threads);
  const fixedAt = ({ threads }: Pick<NativeCall, 'threads'>): number => threads * THREAD_BYTES;
  return {
    resident: code.bytes + weights.bytes + ofRows.bytes,
    packed: [1, 2, 3].filter((i) => constants[i]),
    scratch: (bound) => fixedAt(bound) + rowsOf(bound) * pitch,
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => Math.ceil(rowsOf(bound) / unitRows(rowsOf(bound), k, bound.threads)),
        args(bound) {
          const words: Record<(typeof fixedWords)[number], number> = {
            ...{ rows: rowsOf(bound), rowsPerUnit: unitRows(rowsOf(bound), k, bound.threads) },
            ...{ from: bound.inputs[0]!.address, to: bound.scratch + fixedAt(bound) },
            ...{ scales: ofRows.address, zeros: ofRows.address + scaleBytes },
          };
          return fixedWords.map((name) => words[name]);
        },
      },
      {
        code: code.addresses[1]!,
        units: (bound) => (rowsOf(bound) > 0 ? cutOf(bound).units : 0),
        args(bound) {
          const { inputs, outputs, scratch } = bound;
          const operands = others.map((input) => inputs[input]!);
          const operandDims = operands.map(({ dims }) => dims);
          const { rowSteps } = geometry(inputs[0]!.dims, [k, n], outputs[0]!.dims, operandDims);
          const words = {
            ...cutOf(bound),
            ...{ scratch, weights: weights.address, a: scratch + fixedAt(bound), c: outputs[0]!.address },
          };
          const bytes = operands.map(({ dtype }) => (dtype === 'float32' ? 4 : 1));
          return [
            ...argumentWords.map((name) => words[name]),
            ...operands.flatMap(({ address }, i) => [address, bytes[i]! * rowSteps[i]!]),
          ];
        },
      },
    ],
    dispose() {
      code.dispose();
      engine.memory.free(weights);
      engine.memory.free(ofRows);
    },
  };
}

/** Numbers of rows that a block may have. */
function heightsOf({ outputs }: Call): readonly number[] {
  const lead = outputs[0]!.shape.slice(0, -1);
  const all = Array.from({ length: BLOCK_ROWS }, (_, i) => i + 1);
  if (!lead.every((d): d is number => typeof d === 'number')) return all;
  const rows = Math.max(1, sizeOf(lead));
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  return [...new Set([Math.floor(rows / blocks), Math.ceil(rows / blocks)])];
}

function emitAll(levels: Levels, epilogue: Epilogue, heights: readonly number[], pitch: number): readonly Uint8Array[] {
  const a = new Assembler();
  const bricks = planes(levels);
  emitFrame(a, {
    ...{ n: levels.n, pitch, heights, epilogue },
    product: (_, rows, sum) => emitProduct(a, levels, bricks, [pitch, panelBytes(levels)], rows, sum),
  });
  return [emitFixed(levels, pitch), a.finish().slice()];
}

export const fixedPoint: readonly NativeKernel[] = [planesKernel];
