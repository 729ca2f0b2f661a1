/** Products of float32 by weights of few bits, added up in integers. */

import { type Call, type Constants, ESPALIER, isRejection, type Rejection, runGenerator, Slicer } from '@espalier/core';
import { unitRows } from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeProgram } from '../../program.ts';
import { type Epilogue, fuses } from '../matmul/epilogue.ts';
import { quantizedMatrix } from '../matmul/quantized.ts';
import { rowwise } from '../matmul_sparse/common.ts';
import { bitmask, bitmaskBytes, OVERREAD, storedBits, writeBitmask } from './bitmask.ts';
import { emitFixed, fixedBytes, fixedWords } from './fixed.ts';
import { BLOCK_ROWS, COLUMNS, emitFrame } from './frame.ts';
import { columnsLayout, groupsOf, type Levels, levelsOf, paddedDepth, spanLayout } from './layout.ts';
import { type Place, packPanels, rowParameters, unpacked, writePlanes } from './pack.ts';
import { planes } from './planes.ts';
import { type Bricks, emitProduct } from './product.ts';
import { heightsOf, packedInputs, programOf, readSeconds, rowsOf, sizesOf } from './program.ts';
import { packQuads } from './quads.ts';

/** A way to store levels. */
interface Storage {
  readonly name: string;
  readonly format?: NativeKernel['format'];
  readonly requires: NativeKernel['requires'];
  /** Why levels are not to be stored so. */
  refuses(levels: Levels): Rejection | undefined;
  /** Bytes of all bricks, at most. */
  bytes(levels: Levels): number;
  /** Bytes behind all panels that are read too. */
  readonly overread: number;
  /** Whether panels differ in size; where each begins is told before the first then. */
  readonly hasTable: boolean;
  /** What decoding a vector of 64 weights takes, in products of vectors. */
  decoding(levels: Levels): number;
  bricks(levels: Levels): Bricks;
  /** Whether it writes bytes of the tensor, and not levels. */
  takesBytes(levels: Levels): boolean;
  /** @param hasQuads where {@link packQuads} did what it does */
  write(levels: Levels, weights: Uint8Array, to: Uint8Array, hasQuads: boolean): (at: number, place: Place) => number;
}

const panelsOf = ({ n }: Pick<Levels, 'n'>): number => Math.ceil(n / COLUMNS);
/** Elements of all bricks. */
const stored = (levels: Levels): number => paddedDepth(levels) * panelsOf(levels) * COLUMNS;

const PLANES = { 2: 1, 3: 2, 4: 1, 8: 0.3 } as const;
const allStored: Storage = {
  name: 'planes',
  requires: ['avx512', 'avx512-vnni'],
  refuses: () => undefined,
  bytes: (levels) => (stored(levels) * levels.bits) / 8,
  ...{ overread: 0, hasTable: false },
  decoding: ({ bits }) => PLANES[bits],
  bricks: (levels) => planes(levels, packedBytes(allStored, levels) / panelsOf(levels)),
  takesBytes: ({ bits }) => bits === 8,
  write: writePlanes,
};

/** Weights of which more than this share is not zero take no less memory so. */
const MOST_DENSITY = 0.8;

const nonzerosStored: Storage = {
  name: 'bitmask',
  format: { name: 'bitmask', levels: [{ kind: 'dense' }, { kind: 'bitmask' }] },
  requires: ['avx512', 'avx512-vnni', 'avx512-vbmi2'],
  refuses({ k, n, zero, nonzeros }) {
    if (zero === 'many') return { reason: 'zero points differ' };
    return nonzeros > MOST_DENSITY * k * n ? { reason: 'hardly any of its weights is zero' } : undefined;
  },
  bytes: (levels) => Math.ceil(bitmaskBytes(levels, stored(levels), levels.nonzeros)),
  ...{ overread: OVERREAD, hasTable: true },
  decoding: (levels) => (storedBits(levels) === 8 ? 2.5 : 3.5),
  bricks: bitmask,
  takesBytes: () => false,
  write: writeBitmask,
};

/** What it takes to make a number a fixed-point one, in multiply-adds of bytes. */
const FIXING = 48;

/** Bytes of a panel but for its bricks. */
function parameterBytes(levels: Levels): number {
  const spans = groupsOf(levels).flatMap(({ times, spans }) => spans.map((each) => times * each.times));
  return columnsLayout(levels).bytes + spans.reduce((sum, times) => sum + times, 0) * spanLayout(levels).bricks;
}

const packedBytes = (storage: Storage, levels: Levels): number =>
  panelsOf(levels) * parameterBytes(levels) + storage.bytes(levels);

function kernelOf(storage: Storage): NativeKernel {
  const levelsFor = (call: Call, constants: Constants): Levels | Rejection => {
    const levels = levelsOf(call, constants);
    return 'reason' in levels ? levels : (storage.refuses(levels) ?? levels);
  };
  return {
    name: `matmul_f32i_${storage.name}_${BLOCK_ROWS}x${COLUMNS}__avx512vnni`,
    op: 'DequantizeMatMul',
    domain: ESPALIER,
    requires: storage.requires!,
    types: { T: ['float32'], W: ['int8', 'uint8', 'int4', 'uint4'] },
    fuses,
    ...(storage.format ? { format: storage.format } : {}),
    work(call, at, constants) {
      const epilogue = rowwise(call, 1);
      if (isRejection(epilogue)) return epilogue;
      const levels = levelsFor(call, constants);
      if ('reason' in levels) return levels;
      const { k, n } = levels;
      const resident = packedBytes(storage, levels);
      const { rows, operands } = sizesOf(call, at, n, epilogue);
      const blocks = Math.ceil(rows / BLOCK_ROWS);
      return {
        macs: rows * n * k,
        bytes: 4 * (rows * (k + n) + operands) + resident,
        resident,
        dots: (3 * rows + storage.decoding(levels) * blocks) * stored(levels),
        fixed: rows * k,
      };
    },
    law: ({ dots, fixed, resident }, rates) =>
      2 * rates['call']! +
      (FIXING * fixed!) / (rates['dot']! * rates['threads']!) +
      Math.max(dots! / rates['dot']!, readSeconds(resident, rates)) / rates['threads']!,
    prepare: (call, constants, engine) =>
      prepare(storage, levelsOf(call, constants) as Levels, call, constants, engine),
  };
}

async function prepare(
  storage: Storage,
  levels: Levels,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<NativeProgram> {
  const epilogue = rowwise(call, 1) as Epilogue;
  const { k, n, least } = levels;
  const slicer = new Slicer();
  const matrix = quantizedMatrix(call, constants);
  const tableBytes = storage.hasTable ? Math.ceil(panelsOf(levels) / 8) * 64 : 0;
  const weights = engine.memory.allocLasting(tableBytes + packedBytes(storage, levels) + storage.overread);
  const panels = weights.view.subarray(tableBytes);
  const { tensor } = constants[1]!;
  const isBytes = storage.takesBytes(levels);
  // Scales of groups stand between the bricks.
  const hasQuads = isBytes && levels.scales !== 'group';
  if (hasQuads) {
    const panelBytes = packedBytes(storage, levels) / panelsOf(levels);
    const to = weights.address + tableBytes + columnsLayout(levels).bytes;
    await packQuads(engine, levels, { from: engine.addon.addressOf(tensor.bytes), to, panelBytes });
  }
  const elements = isBytes ? tensor.bytes : await runGenerator(unpacked(tensor, least), slicer);
  const starts = await runGenerator(
    packPanels(levels, matrix, panels, storage.write(levels, elements, panels, hasQuads)),
    slicer,
  );
  if (storage.hasTable) {
    const table = new BigUint64Array(weights.view.buffer, weights.view.byteOffset, starts.length);
    table.set(starts.map((start) => BigInt(tableBytes + start)));
  }
  const pitch = fixedBytes(paddedDepth(levels));
  // Layers that differ in no more than their elements have the same code.
  const alike = { ...levels, least: 0, nonzeros: 0 };
  const code = sharedCode(engine.addon, emitAll, storage, alike, epilogue, heightsOf(call), pitch);
  const { buffer: ofRows, zerosAt } = parametersOfRows(levels, matrix, engine);
  return programOf(
    {
      ...{ k, n, epilogue, code, entry: 1, weights, owned: [ofRows], packed: packedInputs(constants, 1, 2, 3) },
      ready: {
        pitch,
        phase: (to) => ({
          code: code.addresses[0]!,
          units: (bound) => Math.ceil(rowsOf(bound, n) / unitRows(rowsOf(bound, n), k, bound.threads)),
          args(bound) {
            const rows = rowsOf(bound, n);
            const words: Record<(typeof fixedWords)[number], number> = {
              ...{ rows, rowsPerUnit: unitRows(rows, k, bound.threads), from: bound.inputs[0]!.address, to: to(bound) },
              ...{ scales: ofRows.address, zeros: ofRows.address + zerosAt },
            };
            return fixedWords.map((name) => words[name]);
          },
        }),
      },
    },
    engine,
  );
}

/** Of rows of B, where they have any. */
function parametersOfRows(
  levels: Levels,
  matrix: Parameters<typeof rowParameters>[1],
  { memory }: Engine,
): { buffer: NativeBuffer; zerosAt: number } {
  if (levels.scales !== 'row') return { buffer: memory.allocLasting(0), zerosAt: 0 };
  const { scales, zeros } = rowParameters(levels, matrix);
  const buffer = memory.allocLasting(scales.byteLength + zeros.byteLength);
  buffer.view.set(new Uint8Array(scales.buffer));
  buffer.view.set(zeros, scales.byteLength);
  return { buffer, zerosAt: scales.byteLength };
}

function emitAll(
  { bricks }: Storage,
  levels: Levels,
  epilogue: Epilogue,
  heights: readonly number[],
  pitch: number,
): readonly Uint8Array[] {
  const a = new Assembler();
  const own = bricks(levels);
  emitFrame(a, {
    ...{ n: levels.n, pitch, heights, epilogue },
    product: (_, rows, sum) => emitProduct(a, levels, own, pitch, rows, sum),
  });
  return [emitFixed(levels, pitch), a.finish().slice()];
}

export const fixedPoint: readonly NativeKernel[] = [allStored, nonzerosStored].map(kernelOf);
