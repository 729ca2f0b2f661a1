/** What the sparse products have in common: which epilogues they do, how many tiles a unit takes, their program. */

import {
  type Call,
  type Constant,
  dim,
  isDenser,
  isRejection,
  type Rejection,
  type Structure,
  sizeOf,
} from '@espalier/core';
import { addressOf, geometry } from '@espalier/lowering';
import type { LoadedCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { type Cut, groupsOf } from './cut.ts';
import { type Argument, argumentWords } from './frame.ts';
import { turnWords } from './turn.ts';

/** Sparsity patterns are not told from other formats: every nonzero is where it is. */
export const levels = [{ kind: 'dense' }, { kind: 'compressed' }] as const;

/** The epilogue, if the rows of its operands are those of the result. */
export function rowwise(call: Call, weights: number): Epilogue | Rejection {
  const epilogue = epilogueOf(call, call.inputs[weights]!.shape);
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

/** What something about a constant is; found once for whoever has it, as its structure is counted once. */
export function remembered<T>(find: (constant: Constant) => T): (constant: Constant) => T {
  const known = new WeakMap<Structure, { readonly found: T }>();
  return (constant) => {
    const entry = known.get(constant.structure) ?? { found: find(constant) };
    known.set(constant.structure, entry);
    return entry.found;
  };
}

/** Weights of which more than this share is not zero are not worth to be looked at closer. */
const MOST_DENSITY = 0.95;

/** Why a matrix is none for sparse kernels. */
export const notSparse = (weights: Constant | undefined): string | undefined =>
  weights?.tensor.dims.length === 2 ? tooDense(weights) : 'its weights are not a constant matrix';

/** Why weights are none for sparse kernels. */
export const tooDense = ({ structure }: Constant): string | undefined =>
  isDenser(structure, MOST_DENSITY) ? 'hardly any of its weights is zero' : undefined;

/** What it takes to run a stream for a tile of tokens: each in multiply-adds of a vector. */
const NONZERO_COST = 1.05;
const LINE_COST = 2.6;
const GROUP_COST = 60;

/** What it takes to read a nonzero's code for the first time: from the second-level cache, or from farther away. */
const NEAR_CODE_COST = 1.6;
const FAR_CODE_COST = 3.2;
/** Bytes of code that stay in the first level, and in the second. */
const INSTRUCTION_CACHE = 24_000;
const NEAR_BYTES = 1 << 20;

const codeCost = (resident: number): number => {
  if (resident <= INSTRUCTION_CACHE) return 0;
  return resident <= NEAR_BYTES ? NEAR_CODE_COST : FAR_CODE_COST;
};

/**
 * Multiply-adds of a vector for `tiles` by `nonzeros` weights in a stream, which load so many `lines` of A and take `resident` bytes. For few
 * tiles it takes as long as its code takes to be read.
 */
export const streamCost = (nonzeros: number, lines: number, cut: Cut, tiles: number, resident: number): number =>
  Math.max(
    tiles * Math.max(NONZERO_COST * nonzeros + GROUP_COST * groupsOf(cut) * (cut.rows.length - 1), LINE_COST * lines),
    codeCost(resident) * nonzeros,
  );

/** Tiles of a unit at most: so many sums stay in the second-level cache, and a unit takes well under a millisecond. */
const MOST_TOKENS = 512;

export interface SparseProgram {
  readonly dims: readonly [k: number, n: number];
  readonly units: number;
  /** Tokens of a tile, and bytes of a turned one. */
  readonly tileRows: number;
  readonly tileBytes: number;
  /** Bytes of an element of A, and of the result. */
  readonly elementBytes: number;
  readonly resultBytes: number;
  /** Scratch memory of a thread, for so many tiles. */
  threadBytes(tiles: number): number;
  readonly epilogue: Epilogue;
  /** Which inputs A and its parameters are. */
  readonly a: number;
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

/** Turns A, then does units. */
export function programOf(shape: SparseProgram, { memory }: Engine): NativeProgram {
  const { code, buffer, epilogue, tileRows, tileBytes } = shape;
  const [k, n] = shape.dims;
  const others = epilogue.operands.map(({ input }) => input);
  const sizes = ({ outputs, threads }: Pick<NativeCall, 'outputs' | 'threads'>) => {
    const rows = sizeOf(outputs[0]!.dims) / Math.max(1, n);
    const tiles = Math.ceil(rows / tileRows);
    // Threads share the columns; only where there are too few of them the tiles as well.
    const least = Math.ceil((3 * threads) / Math.max(1, shape.units));
    const blocks = Math.max(Math.ceil(rows / MOST_TOKENS), Math.min(tiles, least));
    const tilesPerUnit = Math.max(1, Math.ceil(tiles / Math.max(1, blocks)));
    return { rows, tiles, tilesPerUnit, turnedBytes: tiles * tileBytes, threadBytes: shape.threadBytes(tilesPerUnit) };
  };
  return {
    resident: code.bytes + buffer.bytes,
    packed: shape.packed,
    scratch: (bound) => {
      const { turnedBytes, threadBytes } = sizes(bound);
      return turnedBytes + bound.threads * threadBytes;
    },
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => (shape.units === 0 ? 0 : sizes(bound).tiles),
        args: (bound) => {
          const { rows, turnedBytes, threadBytes } = sizes(bound);
          const words = {
            ...{ from: bound.inputs[shape.a]!.address, step: shape.elementBytes * k, rows, to: bound.scratch },
            ...{ scratch: bound.scratch + turnedBytes, threadBytes },
          };
          return turnWords.map((name) => words[name]);
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
          const operands = others.map((input) => inputs[input]!);
          const operandDims = operands.map(({ dims }) => dims);
          const { rowSteps } = geometry(inputs[shape.a]!.dims, shape.dims, outputs[0]!.dims, operandDims);
          const { rows, tiles, tilesPerUnit, turnedBytes, threadBytes } = sizes(bound);
          const optional = (index: number | undefined): number => (index === undefined ? 0 : addressOf(inputs[index]));
          const words: Record<Argument, number> = {
            ...{ tiles, tilesPerUnit, units: shape.units, rows, turned: scratch, tileBytes },
            ...{ scratch: scratch + turnedBytes, threadBytes },
            ...{ entries: buffer.address + shape.entriesAt, weights: buffer.address },
            columns: buffer.address + shape.columnsAt,
            ...{ aScale: optional(shape.aScale), aZero: optional(shape.aZero) },
            ...{ c: outputs[0]!.address, cRow: shape.resultBytes * n },
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
      memory.free(buffer);
    },
  };
}
