/** Products by sparse matrices of bytes, their sums exact. */

import { bindShape, byteLength, dim, ESPALIER, isRejection, Slicer, sizeOf } from '@espalier/core';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, fuses, quantizedType } from '../matmul/epilogue.ts';
import { levels, programOf, rowwise } from './common.ts';
import { LINE, SUMS_AT } from './frame.ts';
import { countQuads, emitQuads, packQuads, paddedColumns, QUADS_SUMS, UNIT_COLUMNS } from './quads.ts';
import { BYTE_ROWS, byteTile, emitTurnBytes } from './turn.ts';

/** Inputs of QuantizedMatMul. */
const [A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO] = [0, 1, 2, 3, 4, 5];
/** What a quad takes beside its dot products, in those of a vector: four lines loaded, eight shuffles in units that are partly free. */
const QUAD_COST = 4.5;
/** What sixteen columns of a tile take beside, in dot products of a vector: summing up, storing. */
const UNIT_COST = 600;
/** What it takes to turn a byte of A, in those of bytes. */
const TURN_COST = 8;
/** Multiply-adds of a dot product of a vector. */
const DOT_MACS = 64;

export const quads: NativeKernel = {
  name: 'quantizedmatmul_i8_quads_4x64__avx512vnni',
  op: 'QuantizedMatMul',
  domain: ESPALIER,
  requires: ['avx512', 'avx512-vnni'],
  types: { T2: ['int8'] },
  fuses: [...fuses, 'QuantizeLinear', 'DequantizeLinear'],
  format: { name: 'quads', levels },
  work(call, at, constants) {
    const [weights, scale, zero] = [B, B_SCALE, B_ZERO].map((i) => constants[i]);
    if (weights?.tensor.dims.length !== 2 || !scale) return { reason: 'its weights are not a constant matrix' };
    if (call.inputs[B_ZERO] && zero?.structure.nonzeros !== 0)
      return { reason: 'its weights have zero points: a pruned one is not zero' };
    const single = [A_SCALE, A_ZERO].every((i) => {
      const desc = call.inputs[i];
      return !desc || dim.equal(dim.product(desc.shape), 1) === true;
    });
    if (!single) return { reason: 'its activations have more than one scale' };
    const epilogue = rowwise(call, B);
    if (isRejection(epilogue)) return epilogue;
    const [k, n] = weights.tensor.dims as [number, number];
    const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
    const tiles = Math.ceil(rows / BYTE_ROWS);
    const { quads, dots, bytes: packed } = countQuads(weights.tensor);
    const moved = [...call.inputs, ...call.outputs].reduce(
      (sum, desc, i) => sum + (desc && i !== B ? byteLength(desc.dtype, sizeOf(bindShape(desc.shape, at))) : 0),
      packed,
    );
    return {
      macs: rows * weights.structure.nonzeros,
      bytes: moved,
      resident: packed,
      dots:
        DOT_MACS * tiles * (4 * dots + QUAD_COST * quads + UNIT_COST * Math.ceil(n / UNIT_COLUMNS)) +
        TURN_COST * tiles * BYTE_ROWS * k,
    };
  },
  law: ({ dots, bytes }, rates) =>
    2 * rates['call']! + Math.max(dots! / (rates['dot']! * rates['threads']!), bytes / rates['bytes']!),
  async prepare(call, constants, engine) {
    const { tensor } = constants[B]!;
    const [k, n] = tensor.dims as [number, number];
    const epilogue = rowwise(call, B) as Epilogue;
    const units = Math.ceil(n / UNIT_COLUMNS);
    const columns = paddedColumns(n);
    const columnsAt = Math.ceil(countQuads(tensor).bytes / 8) * 8;
    const entriesAt = columnsAt + 8 * columns;
    const buffer = engine.memory.alloc(entriesAt + 8 * units);
    const { buffer: memory, byteOffset } = buffer.view;
    const entries = new BigUint64Array(memory, byteOffset + entriesAt, units);
    const slicer = new Slicer();
    let unit = 0;
    for (const begin of packQuads(tensor, new DataView(memory, byteOffset, columnsAt))) {
      entries[unit++] = BigInt(buffer.address + begin);
      if (slicer.due) await slicer.pause();
    }
    const sums = new Int32Array(memory, byteOffset + columnsAt, columns);
    const data = tensor.data as Int8Array;
    for (let i = 0; i < k * n; i++) sums[i % n] += data[i]!;
    const scale = constants[B_SCALE]!.tensor;
    const scales = new Float32Array(memory, byteOffset + columnsAt + 4 * columns, n);
    for (let j = 0; j < n; j++) scales[j] = Number(scale.data[scale.size === 1 ? 0 : j]);
    const signed = call.inputs[A]!.dtype === 'int8';
    const result = quantizedType(epilogue) ?? 'float32';
    const code = loadCode(engine.addon, [
      emitTurnBytes(k, signed),
      emitQuads({ n, epilogue, aZero: { given: call.inputs[A_ZERO] !== undefined, signed }, result }),
    ]);
    return programOf(
      {
        ...{ dims: [k, n], units, tileRows: BYTE_ROWS, tileBytes: byteTile(k) },
        ...{ elementBytes: 1, resultBytes: result === 'float32' ? 4 : 1 },
        threadBytes: () => SUMS_AT + QUADS_SUMS + LINE * LINE,
        ...{ epilogue, a: A, aScale: A_SCALE, aZero: A_ZERO, code, buffer },
        packed: [B, B_SCALE, ...(call.inputs[B_ZERO] ? [B_ZERO] : [])],
        ...{ weightsAt: 0, columnsAt, entriesAt },
      },
      engine,
    );
  },
};
