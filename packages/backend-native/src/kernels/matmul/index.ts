/** Dense products of float32: with weights packed beforehand, and of two tensors that are both known only when running. */

import { bindShape, type Call, type Dim, isRejection, runGenerator, Slicer, sizeOf, type Tensor } from '@espalier/core';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { argumentWords, emitMatMul, fixedBytes, panelKinds, pitchOfA } from './emit.ts';
import { type Epilogue, epilogueOf, fuses } from './epilogue.ts';
import { geometry, partition } from './geometry.ts';
import { avx2, avx512, type Isa, panelWidth } from './isa.ts';
import { packedBytes, packPanels } from './pack.ts';

/** Share of the processor's multiply-adds that full tiles reach, and what a tile costs beside its rows, in rows. */
const EFFICIENCY = 0.9;
const TILE_ROWS = 1.5;

function matmulFloat32(isa: Isa, packed: boolean): NativeKernel {
  const width = panelWidth(isa);
  return {
    name: `matmul_f32_${packed ? 'dense' : 'variable'}_${isa.rows}x${width}__${isa.name}`,
    op: 'MatMul',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses,
    work(call, at, constants) {
      const epilogue = epilogueOf(call);
      if (isRejection(epilogue)) return epilogue;
      const [k, n] = weightShape(call, at);
      if (packed && !constants[1]) return { reason: 'the second matrix is not constant' };
      if (packed && sizeOf(bindShape(call.inputs[1]!.shape, at)) !== k * n)
        return { reason: 'the constant is more than one matrix' };
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const tensors = [
        call.inputs[0],
        call.inputs[1],
        call.outputs[0],
        ...epilogue.operands.map((o) => call.inputs[o.input]),
      ];
      return {
        macs: rows * n * k,
        bytes: 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: packed ? packedBytes(k, n, width) : 0,
        // What the tiles multiply, padding included.
        tiled: (rows + TILE_ROWS * Math.ceil(rows / isa.rows)) * Math.ceil(n / width) * width * k,
      };
    },
    law: ({ tiled, bytes }, rates) =>
      rates['call']! + Math.max(tiled! / (EFFICIENCY * rates['fma']! * rates['threads']!), bytes / rates['bytes']!),
    prepare: (call, constants, engine) => prepare(isa, call, packed ? constants[1]!.tensor : undefined, engine),
  };
}

function weightShape({ inputs }: Call, at: Parameters<NativeKernel['work']>[1]): [k: number, n: number] {
  const dims = bindShape(inputs[1]!.shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

async function prepare(isa: Isa, call: Call, weights: Tensor | undefined, engine: Engine): Promise<NativeProgram> {
  const epilogue = epilogueOf(call) as Epilogue;
  const width = panelWidth(isa);
  const n = weightColumns(call);
  const panels = weights && (await pack(weights, weightShape(call, {}), width, engine));
  const code = loadCode(engine.addon, [
    emitMatMul({
      isa,
      packed: weights !== undefined,
      rows: blockHeights(isa, call, epilogue),
      columns: panelKinds(isa, typeof n === 'number' ? n : undefined),
      epilogue,
    }),
  ]);
  const others = epilogue.operands.map(({ input }) => input);
  let last: Layout | undefined;
  /** The layout for bound sizes; the last is kept, as a list asks often and sizes change seldom. */
  const layout = ({ inputs, outputs, threads }: Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>): Layout => {
    const b = weights ?? inputs[1]!;
    const isLast = (dims: readonly number[], i: number): boolean => {
      const before = last?.dims[i];
      return before?.length === dims.length && dims.every((d, axis) => d === before[axis]);
    };
    const isKept =
      isLast(inputs[0]!.dims, 0) &&
      isLast(b.dims, 1) &&
      isLast(outputs[0]!.dims, 2) &&
      others.every((input, i) => isLast(inputs[input]!.dims, 3 + i));
    if (!last || !isKept) {
      const operands = others.map((input) => inputs[input]!.dims);
      last = layOut(isa, panels !== undefined, [inputs[0]!.dims, b.dims, outputs[0]!.dims, ...operands], threads);
    }
    return last;
  };
  return {
    resident: code.bytes + (panels?.bytes ?? 0),
    packed: weights ? [1] : [],
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

async function pack(weights: Tensor, [k, n]: readonly [number, number], width: number, { memory }: Engine) {
  const panels = memory.alloc(packedBytes(k, n, width));
  await runGenerator(packPanels(weights.data as Float32Array, k, n, width, panels), new Slicer());
  return panels;
}

/** What follows from the sizes of a call. */
interface Layout {
  /** Of A, B, the result, and the operands of the epilogue. */
  readonly dims: readonly (readonly number[])[];
  readonly units: number;
  /** Of scratch memory for each thread. */
  readonly threadBytes: number;
  /** The argument block between the address of scratch memory and the matrices. */
  readonly words: readonly number[];
  /** Where the matrices of each product begin, in elements. */
  readonly offsets: readonly (readonly number[])[];
}

function layOut(isa: Isa, packed: boolean, dims: Layout['dims'], threads: number): Layout {
  const [a, b, y, ...others] = dims;
  const { m, n, k, batch, rowSteps, offsets } = geometry(a!, b!, y!, others);
  const width = panelWidth(isa);
  const cut = partition({ m, n, k, batch }, isa.rows, width, threads);
  const aPitch = pitchOfA(m, k);
  const copied = aPitch === 4 * k ? 0 : Math.min(m, cut.blocksPerUnit * isa.rows) * aPitch;
  const threadBytes = fixedBytes(isa) + copied;
  const words = {
    threadBytes,
    k,
    batch,
    aPitch,
    aRow: 4 * k,
    bRow: 4 * n,
    cRow: 4 * n,
    bPanel: 4 * width * (packed ? k : 1),
    ...cut,
  };
  return {
    dims,
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

/** Numbers of rows that blocks may have: two where all sizes are known. */
function blockHeights(isa: Isa, { inputs, outputs }: Call, { operands }: Epilogue): readonly number[] {
  const shapes = [inputs[0]!, inputs[1]!, outputs[0]!, ...operands.map(({ input }) => inputs[input]!)].map(
    (d) => d.shape,
  );
  const all = Array.from({ length: isa.rows }, (_, i) => isa.rows - i);
  if (!shapes.every((shape): shape is readonly number[] => shape.every((d) => typeof d === 'number'))) return all;
  const [a, b, y, ...others] = shapes;
  const { m } = geometry(a!, b!, y!, others);
  const least = Math.floor(m / Math.max(1, Math.ceil(m / isa.rows)));
  return all.filter((rows) => rows === least || rows === least + 1);
}

/** Best first. */
export const matmul: readonly NativeKernel[] = [
  matmulFloat32(avx512, true),
  matmulFloat32(avx2, true),
  matmulFloat32(avx512, false),
  matmulFloat32(avx2, false),
];
