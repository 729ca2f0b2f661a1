/** Products by sparse constant matrices of float32: a pruned weight costs nothing. */

import { bindShape, type Call, dim, isRejection, type Rejection, Slicer, sizeOf } from '@espalier/core';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { type Epilogue, epilogueOf, fuses } from '../matmul/epilogue.ts';
import { geometry } from '../matmul/geometry.ts';
import { cutOf, linesOf, NONZERO_BYTES, unitColumns } from './cut.ts';
import { argumentWords, emitEntry, emitTurn, emitUnit, LINE, type Stream, SUMS_AT } from './emit.ts';
import { SIDE } from './square.ts';

/** Tiles of a unit at most: so many sums stay in the second-level cache, and a unit takes well under a millisecond. */
const MOST_TILES = 32;
/** What a nonzero takes, and a line of A from the second-level cache, in multiply-adds of a vector. */
const NONZERO_COST = 1.05;
const LINE_COST = 2.6;
/** What a tile of a group takes beside its nonzeros, in multiply-adds of a vector. */
const TILE_COST = 60;
/** What it takes to turn an element, in multiply-adds of the processor. */
const TURN_COST = 8;

export const matmulSparse: readonly NativeKernel[] = [
  {
    name: 'matmul_f32_stream_28x16__avx512',
    op: 'MatMul',
    requires: ['avx512'],
    types: { T: ['float32'] },
    fuses,
    format: { name: 'stream', levels: [{ kind: 'dense' }, { kind: 'compressed' }] },
    work(call, at, constants) {
      const weights = constants[1];
      if (weights?.tensor.dims.length !== 2) return { reason: 'its second operand is not a constant matrix' };
      const epilogue = rowwise(call);
      if (isRejection(epilogue)) return epilogue;
      const [k, n] = weights.tensor.dims as [number, number];
      const { nonzeros } = weights.structure;
      const cut = cutOf(k, n, nonzeros);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const tiles = Math.ceil(rows / SIDE);
      const operands = epilogue.operands.reduce(
        (sum, o) => sum + sizeOf(bindShape(call.inputs[o.input]!.shape, at)),
        0,
      );
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
      3 * rates['call']! +
      Math.max(
        (Math.max(NONZERO_COST * streamed!, LINE_COST * lines!) + TURN_COST * turned!) /
          (rates['fma']! * rates['threads']!),
        bytes / rates['bytes']!,
      ),
    prepare: (call, constants, engine) =>
      prepare(call, constants[1]!.tensor.data as Float32Array, constants[1]!, engine),
  },
];

/** The epilogue, if the rows of its operands are those of the result. */
function rowwise(call: Call): Epilogue | Rejection {
  const epilogue = epilogueOf(call);
  if (isRejection(epilogue)) return epilogue;
  const lead = call.outputs[0]!.shape.slice(0, -1);
  for (const { input } of epilogue.operands) {
    const own = call.inputs[input]!.shape.slice(0, -1);
    const isRow = own.every((d) => d === 1);
    if (!isRow && !(own.length === lead.length && own.every((d, i) => dim.equal(d, lead[i]!) === true)))
      return { reason: `input ${input} of its epilogue has rows of its own` };
  }
  return epilogue;
}

async function prepare(
  call: Call,
  matrix: Float32Array,
  {
    tensor: { dims },
    structure: { nonzeros },
  }: { tensor: { dims: readonly number[] }; structure: { nonzeros: number } },
  { addon, memory }: Engine,
): Promise<NativeProgram> {
  const epilogue = rowwise(call) as Epilogue;
  const [k, n] = dims as [number, number];
  const cut = cutOf(k, n, nonzeros);
  const packed = memory.alloc(4 * nonzeros + 8 * cut.units + 8);
  const entriesAt = Math.ceil(nonzeros / 2) * 8;
  const words = packed.view.buffer;
  const stream: Stream = { weights: new Float32Array(words, packed.view.byteOffset, nonzeros), used: 0 };
  const parts = [emitTurn(k), emitEntry(k, epilogue)];
  const slicer = new Slicer();
  const a = new Assembler();
  for (let unit = 0; unit < cut.units; unit++) {
    parts.push(emitUnit(a, cut, unit, matrix, stream));
    if (slicer.due) await slicer.pause();
  }
  const code = loadCode(addon, parts);
  new BigUint64Array(words, packed.view.byteOffset + entriesAt, cut.units).set(code.addresses.slice(2).map(BigInt));
  const others = epilogue.operands.map(({ input }) => input);
  const threadBytes = (tilesPerUnit: number): number => SUMS_AT + (tilesPerUnit * unitColumns(cut) + SIDE) * LINE;
  const sizes = ({ outputs, threads }: Pick<NativeCall, 'outputs' | 'threads'>) => {
    const rows = sizeOf(outputs[0]!.dims) / Math.max(1, n);
    const tiles = Math.ceil(rows / SIDE);
    // Threads share the groups; only where there are too few of them the tiles as well.
    const least = Math.ceil((3 * threads) / Math.max(1, cut.units));
    const blocks = Math.max(Math.ceil(tiles / MOST_TILES), Math.min(tiles, least));
    return { rows, tiles, tilesPerUnit: Math.max(1, Math.ceil(tiles / Math.max(1, blocks))) };
  };
  const turnedBytes = (tiles: number): number => tiles * k * LINE;
  return {
    resident: code.bytes + packed.bytes,
    packed: [1],
    scratch: (bound) => {
      const { tiles, tilesPerUnit } = sizes(bound);
      return turnedBytes(tiles) + bound.threads * threadBytes(tilesPerUnit);
    },
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => (cut.units === 0 ? 0 : sizes(bound).tiles),
        args: (bound) => [bound.inputs[0]!.address, 4 * k, sizes(bound).rows, bound.scratch],
      },
      {
        code: code.addresses[1]!,
        units: (bound) => {
          const { tiles, tilesPerUnit } = sizes(bound);
          return cut.units * Math.ceil(tiles / tilesPerUnit);
        },
        args(bound) {
          const { inputs, outputs, scratch } = bound;
          const operands = others.map((input) => inputs[input]!);
          const { rowSteps } = geometry(
            inputs[0]!.dims,
            dims,
            outputs[0]!.dims,
            operands.map((o) => o.dims),
          );
          const { rows, tiles, tilesPerUnit } = sizes(bound);
          const block: Record<(typeof argumentWords)[number], number> = {
            ...{ tiles, tilesPerUnit, units: cut.units, rows },
            ...{ turned: scratch, scratch: scratch + turnedBytes(tiles), threadBytes: threadBytes(tilesPerUnit) },
            ...{ weights: packed.address, entries: packed.address + entriesAt },
            ...{ c: outputs[0]!.address, cRow: 4 * n },
          };
          return [
            ...argumentWords.map((name) => block[name]),
            ...operands.flatMap(({ address }, i) => [address, 4 * rowSteps[i]!]),
          ];
        },
      },
    ],
    dispose() {
      code.dispose();
      memory.free(packed);
    },
  };
}
