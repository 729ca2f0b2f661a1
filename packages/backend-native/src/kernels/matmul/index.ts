/**
 * Dense products of float32: with weights packed beforehand, in float32 or in few bits, and of two tensors that are both known only
 * when running.
 */

import {
  bindShape,
  type Call,
  type Constants,
  type Dim,
  ESPALIER,
  isRejection,
  type Rejection,
  sizeOf,
} from '@espalier/core';
import { geometry, partition } from '@espalier/lowering';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeBuffer } from '../../memory.ts';
import type { NativeProgram } from '../../program.ts';
import { keptLayout } from '../layouts.ts';
import {
  argumentWords,
  chunkOf,
  emitMatMul,
  panelKinds,
  pitchOfA,
  type Shape,
  type Source,
  scratchOf,
} from './emit.ts';
import { type Epilogue, epilogueOf, fuses } from './epilogue.ts';
import { avx2, avx512, type Isa, panelWidth } from './isa.ts';
import { narrowBytes, narrowLayout, packNarrow } from './narrow.ts';
import { packedBytes, packPanels } from './pack.ts';
import { halfSource, quantizedMatrix, quantizedSource } from './quantized.ts';

/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;
/** Weights of few bits are widened once for so many rows. */
const WIDENED_ROWS = 100;
/** Bytes that stay in the second-level cache, and how fast others are read, of what is copied. */
const NEAR_BYTES = 1 << 20;
const FAR = 0.65;

/** Rows that panels are cut from lie apart: so much longer reading them takes. */
const APART = 2;

/** Bytes of weights, those that are read slowly counted for more. */
export const streamedBytes = (weights: number): number => (weights > NEAR_BYTES ? weights / FAR : weights);

/** Products whose second operand is stored in one way. */
interface Kind extends Pick<NativeKernel, 'op' | 'domain' | 'types'> {
  readonly label: string;
  /** Features that it needs beside those of vectors. */
  readonly requires?: NativeKernel['requires'];
  /** Inputs that are packed. */
  readonly packed: readonly number[];
  source(call: Call, constants: Constants): Source | Rejection;
}

const constantMatrix = (constant: Constants[number]): Rejection | undefined => {
  if (!constant) return { reason: 'the second matrix is not constant' };
  const { dims, size } = constant.tensor;
  return sizeOf(dims.slice(-2)) === size ? undefined : { reason: 'the constant is more than one matrix' };
};

const float32 = { op: 'MatMul', types: { T: ['float32'] } } as const;
const dense: Kind = {
  ...float32,
  label: 'f32_dense',
  packed: [1],
  source: (_, constants) => constantMatrix(constants[1]) ?? 'panels',
};
const variable: Kind = { ...float32, label: 'f32_variable', packed: [], source: () => 'rows' };

/** Weights that stay small in memory and are widened on the way. */
const quantized = (label: string, ...dtypes: NonNullable<NativeKernel['types']>[string][number][]): Kind => ({
  op: 'DequantizeMatMul',
  domain: ESPALIER,
  types: { T: ['float32'], W: dtypes },
  label,
  packed: [1, 2, 3],
  source: quantizedSource,
});
const halves: Kind = {
  op: 'CastMatMul',
  domain: ESPALIER,
  types: { T: ['float32'], W: ['float16', 'bfloat16'] },
  label: 'f32h16_dense',
  packed: [1],
  requires: ['f16c'],
  source: halfSource,
};

function product(isa: Isa, kind: Kind): NativeKernel {
  const width = panelWidth(isa);
  return {
    name: `matmul_${kind.label}_${isa.rows}x${width}__${isa.name}`,
    op: kind.op,
    ...(kind.domain ? { domain: kind.domain } : {}),
    requires: [...isa.requires, ...(kind.requires ?? [])],
    types: kind.types!,
    fuses,
    work(call, at, constants) {
      const epilogue = epilogueOf(call);
      if (isRejection(epilogue)) return epilogue;
      const source = kind.source(call, constants);
      if (typeof source === 'object' && 'reason' in source) return source;
      const [k, n] = weightShape(call, at);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const weights =
        source === 'rows'
          ? 4 * sizeOf(bindShape(call.inputs[1]!.shape, at))
          : source === 'panels'
            ? packedBytes(k, n, width)
            : narrowBytes(source, n, width);
      const tileRows =
        rows +
        TILE_ROWS * Math.ceil(rows / isa.rows) +
        (typeof source === 'object' ? isa.widening[source.bits] * Math.ceil(rows / WIDENED_ROWS) : 0);
      return {
        macs: rows * n * k,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: source === 'rows' ? 0 : weights,
        // What the tiles multiply, padding included, and what widening costs.
        tiled: tileRows * Math.ceil(n / width) * width * k,
        streamed: streamedBytes(weights) * (source === 'rows' ? APART : 1),
      };
    },
    law: ({ tiled, streamed }, rates) =>
      rates['call']! +
      Math.max(tiled! / (isa.efficiency * (rates[isa.rate] ?? rates['fma']!)), streamed! / rates['bytes']!) /
        rates['threads']!,
    prepare: (call, constants, engine) => prepare(isa, kind, call, constants, engine),
  };
}

function weightShape({ inputs }: Call, at: Parameters<NativeKernel['work']>[1]): [k: number, n: number] {
  const dims = bindShape(inputs[1]!.shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

async function prepare(isa: Isa, kind: Kind, call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const epilogue = epilogueOf(call) as Epilogue;
  const source = kind.source(call, constants) as Source;
  const n = weightColumns(call);
  const weights = source === 'rows' ? undefined : constants[1]!.tensor;
  const code = sharedCode(engine.addon, emitMatMul, {
    isa,
    source,
    heights: blockHeights(isa, call, epilogue),
    columns: panelKinds(isa, typeof n === 'number' ? n : undefined),
    epilogue,
  });
  let panels: NativeBuffer | undefined;
  try {
    panels = weights && (await pack(isa, source, call, constants, engine));
  } catch (error) {
    code.dispose();
    throw error;
  }
  const others = epilogue.operands.map(({ input }) => input);
  const layout = keptLayout(
    ({ inputs, outputs }) => [
      ...[inputs[0]!.dims, (weights ?? inputs[1]!).dims, outputs[0]!.dims],
      ...others.map((input) => inputs[input]!.dims),
    ],
    ({ threads }, dims) => layOut(isa, source, dims, threads),
  );
  return {
    resident: code.bytes + (panels?.bytes ?? 0),
    packed: kind.packed.filter((i) => constants[i]),
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => layout(bound).units,
        args: (bound) => {
          const { words, offsets } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const b = panels?.address ?? inputs[1]!.address;
          const starts = [inputs[0]!.address, b, outputs[0]!.address, ...others.map((input) => inputs[input]!.address)];
          const block = [scratch, ...words];
          for (const each of offsets) for (const [i, offset] of each.entries()) block.push(starts[i]! + 4 * offset);
          return block;
        },
      },
    ],
    scratch: (bound) => bound.threads * layout(bound).threadBytes,
    dispose() {
      code.dispose();
      if (panels) engine.memory.free(panels);
    },
  };
}

async function pack(isa: Isa, source: Source, call: Call, constants: Constants, engine: Engine): Promise<NativeBuffer> {
  const width = panelWidth(isa);
  const [k, n] = weightShape(call, {});
  const isNarrow = typeof source !== 'string';
  const panels = engine.memory.allocLasting(isNarrow ? narrowBytes(source, n, width) : packedBytes(k, n, width));
  const dense = { rowBytes: 4 * width, paramBytes: 0, groupBytes: 4 * width * k, panelBytes: 4 * width * k };
  try {
    if (isNarrow) await packNarrow(engine, isa, source, quantizedMatrix(call, constants), panels);
    else await packPanels(engine, isa, constants[1]!.tensor.bytes, [k, n], 4, k, dense, panels);
  } catch (error) {
    engine.memory.free(panels);
    throw error;
  }
  return panels;
}

/** What follows from the sizes of a call. */
interface Layout {
  readonly units: number;
  /** Of scratch memory for each thread. */
  readonly threadBytes: number;
  /** The argument block between the address of scratch memory and the matrices. */
  readonly words: readonly number[];
  /** Where the matrices of each product begin, in elements. */
  readonly offsets: readonly (readonly number[])[];
}

/** @param dims of A, B, the result, and the operands of the epilogue */
function layOut(isa: Isa, source: Source, dims: readonly (readonly number[])[], threads: number): Layout {
  const [a, b, y, ...others] = dims;
  const { m, n, k, batch, rowSteps, offsets } = geometry(a!, b!, y!, others);
  const width = panelWidth(isa);
  const cut = partition({ m, n, k, batch }, isa.rows, width, threads, pitchOfA(m, k, k) !== 4 * k);
  const narrow = typeof source === 'string' ? undefined : source;
  const chunk = cut.blocks > 1 ? chunkOf(k, narrow) : k;
  const aPitch = pitchOfA(m, k, chunk);
  const copied = aPitch === 4 * k ? 0 : Math.min(m, cut.blocksPerUnit * isa.rows) * aPitch;
  const chunks = Math.ceil(k / Math.max(1, chunk));
  const { sumsStep, copy } = scratchOf(isa, narrow, chunks, cut.blocksPerUnit * cut.panelsPerUnit);
  const threadBytes = Math.ceil((copy + copied) / 64) * 64;
  const panelBytes = narrow ? narrowLayout(narrow, width).panelBytes : 4 * width * (source === 'panels' ? k : 1);
  const words = {
    threadBytes,
    ...{ k, chunk, sumsStep, copy, batch, aPitch, aRow: 4 * k, cRow: 4 * n },
    bRow: 4 * (source === 'rows' ? n : width),
    bPanel: panelBytes,
    ...cut,
  };
  return {
    units: cut.units,
    threadBytes,
    words: [
      ...argumentWords.filter((name) => name !== 'scratch').map((name) => words[name]),
      ...rowSteps.map((step) => 4 * step),
    ],
    offsets: Array.from({ length: batch }, (_, i) => offsets(i)),
  };
}

/** Columns of the second operand, which is one as a vector. */
const weightColumns = ({ inputs }: Call): Dim => (inputs[1]!.shape.length > 1 ? inputs[1]!.shape.at(-1)! : 1);

/** Numbers of rows that blocks may have: few where all sizes are known. */
function blockHeights(isa: Isa, { inputs, outputs }: Call, { operands }: Epilogue): Shape['heights'] {
  const shapes = [inputs[0]!, inputs[1]!, outputs[0]!, ...operands.map(({ input }) => inputs[input]!)].map(
    (d) => d.shape,
  );
  const down = (to: number): number[] => Array.from({ length: isa.rows - to + 1 }, (_, i) => isa.rows - i);
  if (!shapes.every((shape): shape is readonly number[] => shape.every((d) => typeof d === 'number')))
    // Of several blocks, which are as equal as can be, none has less than half of the rows.
    return { one: down(1), several: down(Math.floor((isa.rows + 1) / 2)) };
  const [a, b, y, ...others] = shapes;
  const { m } = geometry(a!, b!, y!, others);
  if (m <= isa.rows) return { one: [Math.max(1, m)], several: [] };
  const least = Math.floor(m / Math.ceil(m / isa.rows));
  return { one: [], several: down(1).filter((rows) => rows === least || rows === least + 1) };
}

/** The product with packed float32 weights, for kernels that are made of one. */
export const denseProduct = (isa: string): NativeKernel => product(isa === avx512.name ? avx512 : avx2, dense);

/** Best first. */
export const matmul: readonly NativeKernel[] = [avx512, avx2].flatMap((isa) =>
  [
    ...[dense, variable, halves],
    ...[quantized('f32i8_dense', 'int8', 'uint8'), quantized('f32i4_dense', 'int4', 'uint4')],
  ].map((kind) => product(isa, kind)),
);
