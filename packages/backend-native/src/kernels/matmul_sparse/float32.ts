/** Products by sparse matrices of float32. */

import { bindShape, isRejection, Slicer, sizeOf } from '@espalier/core';
import { levels, notSparse, remembered } from '@espalier/lowering';
import { Assembler, at, zmm } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { rowwise, streamCost } from './common.ts';
import { cutOf, linesOf, NONZERO_BYTES, rowMajor, unitColumns } from './cut.ts';
import { type Finish, LINE, SUMS_AT } from './frame.ts';
import { programOf, rowTiles } from './program.ts';
import { SIDE } from './square.ts';
import { emitStreamEntry, emitUnit, type Stream, turned } from './stream.ts';
import { emitTurn } from './turn.ts';

/** What it takes to turn an element, in multiply-adds of the processor. */
const TURN_COST = 8;

const patternOf = remembered(({ tensor: { dims, data }, structure: { nonzeros } }) => {
  const [k, n] = dims as [number, number];
  const cut = cutOf(k, n, nonzeros);
  return { nonzeros, cut, lines: linesOf(rowMajor(data as Float32Array, n), cut) };
});

export const stream: NativeKernel = {
  name: 'matmul_f32_stream_28x16__avx512',
  op: 'MatMul',
  requires: ['avx512'],
  types: { T: ['float32'] },
  fuses,
  format: { name: 'stream', levels },
  work(call, at, constants) {
    const weights = constants[1];
    const reason = notSparse(weights);
    if (reason) return { reason };
    const epilogue = rowwise(call, 1);
    if (isRejection(epilogue)) return epilogue;
    const [k, n] = weights!.tensor.dims as [number, number];
    const { nonzeros, cut, lines } = patternOf(weights!);
    const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
    const tiles = Math.ceil(rows / SIDE);
    const operands = epilogue.operands.reduce((sum, o) => sum + sizeOf(bindShape(call.inputs[o.input]!.shape, at)), 0);
    const resident = nonzeros * (4 + NONZERO_BYTES);
    return {
      macs: rows * nonzeros,
      bytes: 4 * (rows * (k + n) + operands) + resident,
      resident,
      streamed: SIDE * (streamCost(nonzeros, lines, cut, tiles, resident) + tiles * TURN_COST * (k + n)),
    };
  },
  law: ({ streamed, bytes }, rates) =>
    2 * rates['call']! + Math.max(streamed! / (rates['fma']! * rates['threads']!), bytes / rates['bytes']!),
  async prepare(call, constants, engine) {
    const { tensor } = constants[1]!;
    const [k, n] = tensor.dims as [number, number];
    const epilogue = rowwise(call, 1) as Epilogue;
    const { nonzeros, cut } = patternOf(constants[1]!);
    const entriesAt = Math.ceil(nonzeros / 2) * 8;
    const buffer = engine.memory.allocLasting(entriesAt + 8 * cut.units.length);
    const { buffer: memory, byteOffset } = buffer.view;
    const weights: Stream = { weights: new Float32Array(memory, byteOffset, nonzeros), used: 0 };
    const store: Finish['store'] = (a, to, masked) => avx512.store(a, at(to), 0, zmm(0), masked);
    const parts = [emitTurn(k), emitStreamEntry({ epilogue, sums: { tokens: SIDE, pitch: LINE }, bytes: 4, store })];
    const slicer = new Slicer();
    const a = new Assembler();
    const product = { isa: avx512, cut, matrix: rowMajor(tensor.data as Float32Array, n), lines: turned(k) };
    for (let unit = 0; unit < cut.units.length; unit++) {
      parts.push(emitUnit(a, product, unit, weights));
      if (slicer.due) await slicer.pause();
    }
    const code = loadCode(engine.addon, parts);
    new BigUint64Array(memory, byteOffset + entriesAt, cut.units.length).set(code.addresses.slice(2).map(BigInt));
    return programOf(
      {
        ...{ dims: [k, n], units: cut.units.length, resultBytes: 4 },
        turning: rowTiles(0, k, { rows: SIDE, bytes: k * LINE, elementBytes: 4 }),
        threadBytes: (tiles) => SUMS_AT + (tiles * unitColumns(cut) + SIDE) * LINE,
        ...{ epilogue, packed: [1], code, buffer, columnsAt: 0, entriesAt },
      },
      engine,
    );
  },
};
