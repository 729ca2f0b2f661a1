/** The program of sparse products: A is turned into tiles, then units do some columns of the result for some tiles. */

import { sizeOf } from '@espalier/core';
import { addressOf } from '@espalier/lowering';
import type { LoadedCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { type Epilogue, operandWords } from '../matmul/epilogue.ts';
import { type Argument, argumentWords } from './frame.ts';
import { turnWords } from './turn.ts';

/** Rows of the result that units have at most, about: so many sums stay in the second-level cache, and a unit takes well under a millisecond. */
const MOST_TOKENS = 512;

type Bound = Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>;

/** What A becomes: how many tiles, bytes from one to the next and of all, and how many units it takes to make them. */
export interface Turned {
  readonly tiles: number;
  readonly tileBytes: number;
  readonly bytes: number;
  readonly units: number;
  /** What units of the product find behind the operands of the epilogue. */
  readonly table?: readonly number[];
}

/** Where the turned A is to go, and the memory of the threads. */
export interface TurnedPlace {
  readonly to: number;
  readonly scratch: number;
  readonly threadBytes: number;
}

export interface Turning {
  turned(bound: Bound): Turned;
  /** The arguments of the code that turns. */
  args(bound: NativeCall, place: TurnedPlace): readonly number[];
}

export interface SparseProgram {
  readonly dims: readonly [k: number, n: number];
  readonly units: number;
  readonly turning: Turning;
  /** Bytes of an element of the result. */
  readonly resultBytes: number;
  /** Scratch memory of a thread, for so many tiles. */
  threadBytes(tiles: number): number;
  readonly epilogue: Epilogue;
  /** Which inputs the parameters of A are. */
  readonly aScale?: number;
  readonly aZero?: number;
  readonly packed: readonly number[];
  /** What turns A, and what does a unit; then anything. */
  readonly code: LoadedCode;
  readonly buffer: NativeBuffer;
  /** Where in the buffer, behind the weights, are parameters of columns and entries of units. */
  readonly columnsAt: number;
  readonly entriesAt: number;
}

/** Rows of input `a`, of `k` elements, as tiles of so many rows. */
export function rowTiles(
  a: number,
  k: number,
  tile: { readonly rows: number; readonly bytes: number; readonly elementBytes: number },
): Turning {
  const rowsOf = ({ outputs }: Bound): number => sizeOf(outputs[0]!.dims.slice(0, -1));
  return {
    turned(bound) {
      const tiles = Math.ceil(rowsOf(bound) / tile.rows);
      return { tiles, tileBytes: tile.bytes, bytes: tiles * tile.bytes, units: tiles };
    },
    args(bound, place) {
      const words = { from: bound.inputs[a]!.address, step: tile.elementBytes * k, rows: rowsOf(bound), ...place };
      return turnWords.map((name) => words[name]);
    },
  };
}

/** Turns A, then does units. */
export function programOf(shape: SparseProgram, { memory }: Engine): NativeProgram {
  const { code, buffer, epilogue, turning } = shape;
  const [k, n] = shape.dims;
  const sizes = (bound: Bound) => {
    const rows = sizeOf(bound.outputs[0]!.dims) / Math.max(1, n);
    const turned = turning.turned(bound);
    // Threads share the columns; only where there are too few of them the tiles as well.
    const least = Math.ceil((3 * bound.threads) / Math.max(1, shape.units));
    const blocks = Math.max(Math.ceil(rows / MOST_TOKENS), Math.min(turned.tiles, least));
    const tilesPerUnit = Math.max(1, Math.ceil(turned.tiles / Math.max(1, blocks)));
    return { ...turned, rows, tilesPerUnit, threadBytes: shape.threadBytes(tilesPerUnit) };
  };
  return {
    resident: code.bytes + buffer.bytes,
    packed: shape.packed,
    scratch: (bound) => {
      const { bytes, threadBytes } = sizes(bound);
      return bytes + bound.threads * threadBytes;
    },
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => (shape.units === 0 ? 0 : sizes(bound).units),
        args: (bound) => {
          const { bytes, threadBytes } = sizes(bound);
          return turning.args(bound, { to: bound.scratch, scratch: bound.scratch + bytes, threadBytes });
        },
      },
      {
        code: code.addresses[1]!,
        units: (bound) => {
          const { tiles, tilesPerUnit } = sizes(bound);
          return shape.units * Math.ceil(tiles / tilesPerUnit);
        },
        args(bound) {
          const { inputs, outputs, scratch } = bound;
          const { rows, tiles, tilesPerUnit, tileBytes, bytes, threadBytes, table = [] } = sizes(bound);
          const optional = (index: number | undefined): number => (index === undefined ? 0 : addressOf(inputs[index]));
          const words: Record<Argument, number> = {
            ...{ tiles, tilesPerUnit, units: shape.units, rows, turned: scratch, tileBytes },
            ...{ scratch: scratch + bytes, threadBytes },
            ...{ entries: buffer.address + shape.entriesAt, weights: buffer.address },
            columns: buffer.address + shape.columnsAt,
            ...{ aScale: optional(shape.aScale), aZero: optional(shape.aZero) },
            ...{ c: outputs[0]!.address, cRow: shape.resultBytes * n },
          };
          return [
            ...argumentWords.map((name) => words[name]),
            ...operandWords(epilogue, bound, [...outputs[0]!.dims.slice(0, -1), k], shape.dims),
            ...table,
          ];
        },
      },
    ],
    dispose() {
      code.dispose();
      memory.free(buffer);
    },
  };
}
