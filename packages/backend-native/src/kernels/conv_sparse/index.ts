/** Convolutions by sparse filters of float32: a pruned weight costs nothing. */

import {
  bindShape,
  type Call,
  type Constants,
  isRejection,
  type Rejection,
  Slicer,
  sizeOf,
  type Work,
} from '@espalier/core';
import {
  type Convolution,
  checkPlaneOperands,
  convolutionOf,
  levels,
  type PlaneEpilogue,
  planeEpilogue,
  remembered,
  tooDense,
  type Windows,
  windowsOf,
} from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeProgram } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { keptLayout, planeDims } from '../layouts.ts';
import { avx2, avx512, type Isa } from '../matmul/isa.ts';
import { type Cut, linesOf as countLines, cutOf, groupsOf, type Matrix, NONZERO_BYTES } from '../matmul_sparse/cut.ts';
import { emitUnit, mostColumns, type Stream } from '../matmul_sparse/stream.ts';
import { emitEntry, linesOf } from './emit.ts';
import { type Flat, flatOf, piecesIn } from './flat.ts';
import { type Argument, argumentWords, layoutOf } from './frame.ts';
import { MOST_OPERANDS } from './store.ts';
import { tablesOf } from './tables.ts';

const BIAS = 2;

/**
 * What it takes, in multiply-adds of a vector, for each tile: a nonzero, a line that is loaded, a group of columns that begins or goes on,
 * a piece of a channel that is copied, a vector of the result; and a nonzero whose code and weight a block fetches.
 */
const COSTS = {
  avx512: { nonzero: 1, line: 0.85, pass: 60, piece: 4.5, store: 2, fetch: 0.8 },
  avx2: { nonzero: 1.13, line: 1.9, pass: 10, piece: 3.7, store: 5, fetch: 3 },
} as const;
/** Multiply-adds that wait for each other where a group has few columns. */
const LATENCY = 4;

interface Plan {
  readonly conv: Convolution;
  readonly epilogue: PlaneEpilogue;
}

function planOf(call: Call, constants: Constants): Plan | Rejection {
  const conv = convolutionOf(call, constants);
  if (isRejection(conv)) return conv;
  const reason = tooDense(constants[1]!);
  if (reason) return { reason };
  const [x, y] = [call.inputs[0]!.shape.slice(2), call.outputs[0]!.shape.slice(2)];
  // How far apart rows are is part of the code, where filters are higher than one.
  const isFlat = conv.kernel.slice(0, -1).every((taps) => taps === 1);
  if (!isFlat && ![...x, ...y].every((d) => typeof d === 'number'))
    return { reason: 'the size of its images is not known' };
  const epilogue = planeEpilogue(call, BIAS, MOST_OPERANDS);
  return isRejection(epilogue) ? epilogue : { conv, epilogue };
}

/** Filters of a group as columns of a matrix with a row for each channel and tap. */
const matrixOf = ({ filters, channels, taps }: Convolution, data: Float32Array, group: number) => {
  const depth = channels * taps;
  return {
    data: data.subarray(group * filters * depth, (group + 1) * filters * depth),
    ...{ rowStep: 1, columnStep: depth },
  } satisfies Matrix;
};

interface Pattern {
  readonly cut: Cut;
  /** Lines that all groups of columns load. */
  readonly lines: number;
}

const patternsOf = remembered(() => new Map<string, Pattern>());

function patternOf(isa: Isa, conv: Convolution, constants: Constants): Pattern {
  const patterns = patternsOf(constants[1]!);
  const key = `${isa.name} ${conv.groups}`;
  const known = patterns.get(key);
  if (known) return known;
  const { tensor, structure } = constants[1]!;
  const cut = cutOf(conv.channels * conv.taps, conv.filters, structure.nonzeros / conv.groups, mostColumns(isa));
  let lines = 0;
  for (let group = 0; group < conv.groups; group++)
    lines += countLines(matrixOf(conv, tensor.data as Float32Array, group), cut);
  const pattern = { cut, lines };
  patterns.set(key, pattern);
  return pattern;
}

/** Bytes of a block that stay in the second-level cache, and its tiles: fewer are not worth to fetch the code for, of more the pages are too many. */
const NEAR = 3 << 17;
const [LEAST_TILES, MOST_TILES] = [4, 12];
/** How many times as long as what it sees beyond its own pixels a block is: at least, and where there is room. */
const [LEAST_HALOS, MOST_HALOS] = [1, 2];

/** Tiles of a block. @param tiles of an image, where it is known */
function blockTiles(
  isa: Isa,
  { channels }: Convolution,
  { phases, halo }: Flat,
  tiles: number | undefined,
  team: number,
): number {
  const ofPosition = 4 * channels * phases.length;
  const near = Math.floor((NEAR / ofPosition - halo) / isa.lanes);
  const halos = halo / isa.lanes;
  const most = Math.max(LEAST_TILES, LEAST_HALOS * halos, Math.min(near, Math.max(MOST_TILES, MOST_HALOS * halos)));
  if (tiles === undefined) return Math.floor(most);
  let blocks = Math.ceil(tiles / most);
  const shared = Math.ceil(blocks / team) * team;
  if (tiles / shared >= LEAST_TILES) blocks = shared;
  return Math.max(1, Math.ceil(tiles / Math.max(1, blocks)));
}

function row(isa: Isa): NativeKernel {
  return {
    name: `conv_f32_stream_${mostColumns(isa)}x${isa.lanes}__${isa.name}`,
    op: 'Conv',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    format: { name: 'stream', levels },
    work(call, at, constants): Work | Rejection {
      const plan = planOf(call, constants);
      if (isRejection(plan)) return plan;
      const { conv, epilogue } = plan;
      const { nonzeros } = constants[1]!.structure;
      const { cut, lines } = patternOf(isa, conv, constants);
      const windows = windowsOf(conv, bindShape(call.inputs[0]!.shape, at), bindShape(call.outputs[0]!.shape, at));
      const flat = flatOf(conv, windows);
      const images = windows.batch * conv.groups;
      const tiles = Math.ceil(flat.positions / isa.lanes);
      const block = blockTiles(isa, conv, flat, tiles, 1);
      const groups = groupsOf(cut);
      const passes = groups * (cut.rows.length - 1);
      const operands = epilogue.operands.map(({ input }) => call.inputs[input]);
      const tensors = [call.inputs[0], call.outputs[0], ...operands];
      const resident = nonzeros * (4 + NONZERO_BYTES);
      return {
        macs: windows.batch * sizeOf(windows.output) * nonzeros,
        bytes: resident + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident,
        nonzeros: windows.batch * tiles * nonzeros * Math.max(1, (LATENCY * groups) / conv.filters),
        lines: windows.batch * tiles * lines,
        passes: images * tiles * passes,
        pieces: images * conv.channels * piecesIn(flat, isa.lanes) * (1 + flat.halo / (block * isa.lanes)),
        stores: images * tiles * conv.filters,
        fetches: windows.batch * Math.ceil(tiles / block) * nonzeros,
      };
    },
    law: ({ nonzeros, lines, passes, pieces, stores, fetches }, rates) => {
      const cost = COSTS[isa === avx512 ? 'avx512' : 'avx2'];
      const vectors =
        cost.nonzero * nonzeros! +
        cost.line * lines! +
        cost.pass * passes! +
        cost.piece * pieces! +
        cost.store * stores! +
        cost.fetch * fetches!;
      return rates['call']! + (isa.lanes * vectors) / ((rates[isa.rate] ?? rates['fma']!) * rates['threads']!);
    },
    prepare: (call, constants, engine) => prepare(isa, call, constants, engine),
  };
}

async function prepare(isa: Isa, call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const { conv, epilogue } = planOf(call, constants) as Plan;
  const { cut } = patternOf(isa, conv, constants);
  const { tensor, structure } = constants[1]!;
  const [x, y] = [call.inputs[0]!.shape, call.outputs[0]!.shape];
  const isKnown = [...x.slice(2), ...y.slice(2)].every((d) => typeof d === 'number');
  // Of sizes that are not known nothing in the code depends.
  const known = isKnown ? flatOf(conv, knownWindows(conv, call)) : flatOf(conv, unknownWindows(conv));
  const tiles = isKnown ? Math.ceil(known.positions / isa.lanes) : undefined;
  const layout = layoutOf(isa, conv, known, blockTiles(isa, conv, known, tiles, engine.team), cut);
  const units = conv.groups * cut.units.length;
  const entriesAt = Math.ceil(structure.nonzeros / 2) * 8;
  const buffer = engine.memory.allocLasting(entriesAt + 8 * units);
  const { buffer: memory, byteOffset } = buffer.view;
  const stream: Stream = { weights: new Float32Array(memory, byteOffset, structure.nonzeros), used: 0 };
  const parts = [emitEntry({ isa, conv, layout, epilogue })];
  const slicer = new Slicer();
  const a = new Assembler();
  const lines = linesOf(isa, known, layout);
  for (let group = 0; group < conv.groups; group++) {
    const matrix = matrixOf(conv, tensor.data as Float32Array, group);
    for (let unit = 0; unit < cut.units.length; unit++) {
      const product = { isa, cut, matrix, lines, passTiles: layout.tiles, storesGroups: true };
      parts.push(emitUnit(a, product, unit, stream));
      if (slicer.due) await slicer.pause();
    }
  }
  const code = loadCode(engine.addon, parts);
  new BigUint64Array(memory, byteOffset + entriesAt, units).set(code.addresses.slice(1).map(BigInt));
  const others = epilogue.operands.map(({ input }) => input);
  const tablesFor = keptLayout(planeDims([0, ...others]), ({ inputs, outputs, threads }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    return tablesOf(isa, conv, windowsOf(conv, x, y), layout, cut.units.length, others.length, threads);
  });
  return {
    resident: code.bytes + buffer.bytes,
    packed: [1],
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => tablesFor(bound).units,
        args(bound) {
          const { words, tables } = tablesFor(bound);
          const { inputs, outputs, scratch } = bound;
          const all: Record<Argument, number> = {
            ...words,
            ...{ scratch, threadBytes: layout.bytes, x: inputs[0]!.address, y: outputs[0]!.address },
            ...{ weights: buffer.address, entries: buffer.address + entriesAt },
          };
          return [...argumentWords.map((name) => all[name]), ...others.map((i) => inputs[i]!.address), ...tables];
        },
      },
    ],
    scratch: ({ threads }) => threads * layout.bytes,
    dispose() {
      code.dispose();
      engine.memory.free(buffer);
    },
  };
}

const knownWindows = ({ groups, channels, filters, ...conv }: Convolution, { inputs, outputs }: Call): Windows => {
  const [x, y] = [inputs[0]!, outputs[0]!].map(({ shape }) => shape.slice(2) as number[]) as [number[], number[]];
  return windowsOf({ ...conv, groups, channels, filters }, [1, groups * channels, ...x], [1, groups * filters, ...y]);
};

const unknownWindows = ({ kernel, dilations }: Convolution): Windows => ({
  ...{ batch: 1, output: [1, 1, 1], begin: [0, 0, 0], end: [0, 0, 0] },
  input: kernel.map((taps, axis) => (taps - 1) * dilations[axis]! + 1),
});

export const convolutionSparse: readonly NativeKernel[] = [avx512, avx2].map(row);
