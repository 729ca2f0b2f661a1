/** Products by sparse matrices of float32. */

import { bindShape, isRejection, Slicer, sizeOf } from '@espalier/core';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses } from '../matmul/epilogue.ts';
import { levels, programOf, rowwise } from './common.ts';
import { cutOf, linesOf, NONZERO_BYTES, unitColumns } from './cut.ts';
import { LINE, SUMS_AT } from './frame.ts';
import { SIDE } from './square.ts';
import { emitStreamEntry, emitUnit, type Stream } from './stream.ts';
import { emitTurn } from './turn.ts';

/** What a nonzero takes, and a line of A from the second-level cache, in multiply-adds of a vector. */
const NONZERO_COST = 1.05;
const LINE_COST = 2.6;
/** What a tile of a group takes beside its nonzeros, in multiply-adds of a vector. */
const TILE_COST = 60;
/** What it takes to turn an element, in multiply-adds of the processor. */
const TURN_COST = 8;

export const stream: NativeKernel = {
  name: 'matmul_f32_stream_28x16__avx512',
  op: 'MatMul',
  requires: ['avx512'],
  types: { T: ['float32'] },
  fuses,
  format: { name: 'stream', levels },
  work(call, at, constants) {
    const weights = constants[1];
    if (weights?.tensor.dims.length !== 2) return { reason: 'its second operand is not a constant matrix' };
    const epilogue = rowwise(call, 1);
    if (isRejection(epilogue)) return epilogue;
    const [k, n] = weights.tensor.dims as [number, number];
    const { nonzeros } = weights.structure;
    const cut = cutOf(k, n, nonzeros);
    const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
    const tiles = Math.ceil(rows / SIDE);
    const operands = epilogue.operands.reduce((sum, o) => sum + sizeOf(bindShape(call.inputs[o.input]!.shape, at)), 0);
    const packed = nonzeros * (4 + NONZERO_BYTES);
    return {
      macs: rows * nonzeros,
      bytes: 4 * (rows * (k + n) + operands) + packed,
      resident: packed,
      streamed: SIDE * tiles * (nonzeros + TILE_COST * (cut.columns.length - 1) * (cut.rows.length - 1)),
      lines: SIDE * tiles * linesOf(weights.tensor, cut),
      turned: SIDE * tiles * (k + n),
    };
  },
  law: ({ streamed, lines, turned, bytes }, rates) =>
    2 * rates['call']! +
    Math.max(
      (Math.max(NONZERO_COST * streamed!, LINE_COST * lines!) + TURN_COST * turned!) /
        (rates['fma']! * rates['threads']!),
      bytes / rates['bytes']!,
    ),
  async prepare(call, constants, engine) {
    const { tensor, structure } = constants[1]!;
    const [k, n] = tensor.dims as [number, number];
    const { nonzeros } = structure;
    const epilogue = rowwise(call, 1) as Epilogue;
    const cut = cutOf(k, n, nonzeros);
    const entriesAt = Math.ceil(nonzeros / 2) * 8;
    const buffer = engine.memory.alloc(entriesAt + 8 * cut.units);
    const { buffer: memory, byteOffset } = buffer.view;
    const weights: Stream = { weights: new Float32Array(memory, byteOffset, nonzeros), used: 0 };
    const parts = [emitTurn(k), emitStreamEntry(epilogue)];
    const slicer = new Slicer();
    const a = new Assembler();
    for (let unit = 0; unit < cut.units; unit++) {
      parts.push(emitUnit(a, cut, unit, tensor.data as Float32Array, weights));
      if (slicer.due) await slicer.pause();
    }
    const code = loadCode(engine.addon, parts);
    new BigUint64Array(memory, byteOffset + entriesAt, cut.units).set(code.addresses.slice(2).map(BigInt));
    return programOf(
      {
        ...{ dims: [k, n], units: cut.units, tileRows: SIDE, tileBytes: k * LINE, elementBytes: 4, resultBytes: 4 },
        threadBytes: (tiles) => SUMS_AT + (tiles * unitColumns(cut) + SIDE) * LINE,
        ...{ epilogue, a: 0, packed: [1], code, buffer, weightsAt: 0, columnsAt: 0, entriesAt },
      },
      engine,
    );
  },
};
