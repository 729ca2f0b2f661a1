/**
 * Products of rows of which many elements are zero, as ReLU and its kin leave them: the weights of a zero are not read. Weights lie in
 * panels, row by row, so that what is read of a row is contiguous; what is not zero of A is listed first. Without any zeros it is as fast
 * as memory all the same, so no other way needs to be kept for that.
 */

import { ESPALIER, isRejection, runGenerator, Slicer } from '@espalier/core';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses, operandWords } from '../matmul/epilogue.ts';
import { quantizedMatrix } from '../matmul/quantized.ts';
import { rowwise } from '../matmul_sparse/common.ts';
import { argumentWords, emitColumns, threadBytes } from './columns.ts';
import { type Levels, levelsOf } from './layout.ts';
import { emitList, listOf } from './list.ts';
import { unpacked } from './pack.ts';
import { packedInputs, readSeconds, rowsOf, sizesOf } from './program.ts';
import { byRows, packRows, type Rows, rowBytes, rowsLayout } from './rows.ts';

/** Share of A that is taken to be not zero, and how much slower rows that are not next to each other come from memory. */
const DENSITY = 0.2;
const SCATTERED = 1.7;
/** What a weight takes, and a column for each span, in multiply-adds of bytes. */
const WEIGHT = 3.3;
const COLUMN = 38;
/** The same, to make a list. */
const LISTING = 96;

const emitAll = (levels: Rows, epilogue: Epilogue): readonly Uint8Array[] => [
  emitList(levels, rowBytes(levels)),
  emitColumns(levels, epilogue),
];

export const activeColumns: NativeKernel = {
  name: 'matmul_f32i_active_1x4096__avx512vnni',
  op: 'DequantizeMatMul',
  domain: ESPALIER,
  requires: ['avx512', 'avx512-vnni'],
  types: { T: ['float32'], W: ['int8', 'uint8', 'int4', 'uint4'] },
  fuses,
  work(call, at, constants) {
    if (call.attrs['sparse_input'] !== 1) return { reason: 'nothing says that elements of A are zero' };
    const epilogue = rowwise(call, 1);
    if (isRejection(epilogue)) return epilogue;
    const found = levelsOf(call, constants);
    if ('reason' in found) return found;
    if (found.scales === 'row' || found.zero === 'many') return { reason: 'scales differ by rows, or zero points' };
    const levels = byRows(found, 1);
    const { k, n } = levels;
    const { bytes, scales, columns, spans } = rowsLayout(levels);
    const { rows, operands } = sizesOf(call, at, n, epilogue);
    const streamed = rows * levels.panels * (scales + DENSITY * (bytes - scales));
    return {
      macs: DENSITY * rows * n * k,
      bytes: 4 * (rows * (k + n) + operands) + streamed,
      resident: levels.panels * bytes,
      dots: rows * levels.panels * columns * (WEIGHT * DENSITY * k + COLUMN * spans),
      listed: rows * k,
      streamed,
    };
  },
  law: ({ dots, listed, streamed, resident }, rates) =>
    2 * rates['call']! +
    (LISTING * listed!) / (rates['dot']! * rates['threads']!) +
    Math.max(dots! / rates['dot']!, ((SCATTERED * streamed!) / resident) * readSeconds(resident, rates)) /
      rates['threads']!,
  async prepare(call, constants, engine) {
    const levels = byRows(levelsOf(call, constants) as Levels, engine.team);
    const epilogue = rowwise(call, 1) as Epilogue;
    const { k, n, least, panels } = levels;
    const slicer = new Slicer();
    const weights = engine.memory.allocLasting(panels * rowsLayout(levels).bytes);
    const elements = await runGenerator(unpacked(constants[1]!.tensor, least), slicer);
    await runGenerator(packRows(levels, quantizedMatrix(call, constants), elements, weights.view), slicer);
    const code = sharedCode(engine.addon, emitAll, { ...levels, least: 0, nonzeros: 0 }, epilogue);
    const { bytes } = listOf(levels);
    const lists = ({ threads }: { threads: number }): number => threads * threadBytes(levels);
    return {
      resident: code.bytes + weights.bytes,
      packed: packedInputs(constants, 1, 2, 3),
      scratch: (bound) => lists(bound) + rowsOf(bound, n) * bytes,
      phases: [
        {
          code: code.addresses[0]!,
          units: (bound) => rowsOf(bound, n),
          args: (bound) => [bound.inputs[0]!.address, bound.scratch + lists(bound)],
        },
        {
          code: code.addresses[1]!,
          units: (bound) => rowsOf(bound, n) * panels,
          args(bound) {
            const { inputs, outputs, scratch } = bound;
            const words: Record<(typeof argumentWords)[number], number> = {
              ...{ scratch, lists: scratch + lists(bound), weights: weights.address, c: outputs[0]!.address },
            };
            return [
              ...argumentWords.map((name) => words[name]),
              ...operandWords(epilogue, bound, inputs[0]!.dims, [k, n]),
            ];
          },
        },
      ],
      dispose() {
        code.dispose();
        engine.memory.free(weights);
      },
    };
  },
};
