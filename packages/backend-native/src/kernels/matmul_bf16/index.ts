/** Products of float32 by weights, both rounded to bfloat16 and added up in float32: for those who ask for that precision. */

import {
  bindShape,
  type Call,
  type Constants,
  isRejection,
  runGenerator,
  Slicer,
  sizeOf,
  type Tensor,
} from '@espalier/core';
import { type Geometry, geometry, type Partition, partition, unitRows } from '@espalier/lowering';
import { Assembler } from '@espalier/x64';
import { loadCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativePhase, NativeProgram } from '../../program.ts';
import { type Epilogue, epilogueOf, fuses } from '../matmul/epilogue.ts';
import { PANEL_COLUMNS, TILE_ROWS } from '../tiles.ts';
import { argumentWords, emitProduct, threadBytes } from './emit.ts';
import { emitRound, packedBytes, packPairs, pitchOf } from './round.ts';
import { amx, avx512, type Unit } from './unit.ts';

/** What a block costs beside its rows, in rows. */
const BLOCK_COST = 0.5;

function matmulBfloat16(unit: Unit): NativeKernel {
  return {
    name: `matmul_f32bf16_dense_${unit.rows}x${PANEL_COLUMNS}__${unit.name}`,
    op: 'MatMul',
    requires: unit.requires,
    types: { T: ['float32'] },
    fuses,
    work(call, at, constants) {
      const epilogue = epilogueOf(call);
      if (isRejection(epilogue)) return epilogue;
      if (!constants[1]) return { reason: 'the second matrix is not constant' };
      const [k, n] = weightShape(constants[1].tensor);
      if (constants[1].tensor.size !== k * n) return { reason: 'the constant is more than one matrix' };
      const resident = packedBytes(stepsOf(unit, k), n);
      const [a, y, ...others] = [
        call.inputs[0],
        call.outputs[0],
        ...epilogue.operands.map((o) => call.inputs[o.input]),
      ];
      const elements = [a, y, ...others].map((desc) => sizeOf(bindShape(desc!.shape, at)));
      const rows = elements[1]! / Math.max(1, n);
      return {
        macs: rows * n * k,
        bytes: 4 * elements.reduce((sum, size) => sum + size, 0) + resident,
        resident,
        // What blocks multiply, padding included, and elements that are rounded before.
        tiled: (rows + BLOCK_COST * Math.ceil(rows / unit.rows)) * (resident / 2),
        rounded: elements[0]!,
      };
    },
    law: ({ tiled, bytes, rounded }, rates) => {
      const product = tiled! / (unit.efficiency * unit.rate(rates) * rates['threads']!);
      const streamed = bytes / rates['bytes']!;
      // Two commands; tiles are so fast that they wait for memory rather than hide it.
      const both = unit.hasTiles ? product + streamed : Math.max(product, streamed);
      return 2 * rates['call']! + ROUNDING * (rounded! / (rates['fma']! * rates['threads']!)) + both;
    },
    prepare: (call, constants, engine) => prepare(unit, call, constants, engine),
  };
}

/** What rounding an element takes, in multiply-adds of float32. */
const ROUNDING = 4;

const stepsOf = ({ steps }: Unit, k: number): number => Math.ceil(k / 2 / steps) * steps;

function weightShape({ dims }: Tensor): readonly [k: number, n: number] {
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

/** What follows from the sizes of a call. */
interface Layout {
  readonly geometry: Geometry;
  readonly cut: Partition;
  /** Rows of A in all its matrices, and those of a unit that rounds them. */
  readonly rows: number;
  readonly rowsPerUnit: number;
}

async function prepare(unit: Unit, call: Call, constants: Constants, engine: Engine): Promise<NativeProgram> {
  const { tensor } = constants[1]!;
  const epilogue = epilogueOf(call) as Epilogue;
  const [k, n] = weightShape(tensor);
  const steps = stepsOf(unit, k);
  const pitch = pitchOf(k);
  const weights = engine.memory.allocLasting(packedBytes(steps, n));
  await runGenerator(packPairs(tensor.data as Float32Array, [k, n], steps, weights), new Slicer());
  const code = loadCode(
    engine.addon,
    [
      (a: Assembler) => emitRound(a, k),
      (a: Assembler) => emitProduct(a, { unit, heights: heightsOf(unit), n, steps, pitch, epilogue }),
    ].map((emit) => {
      const a = new Assembler();
      emit(a);
      return a.finish().slice();
    }),
  );
  const others = epilogue.operands.map(({ input }) => input);

  function layout({ inputs, outputs, threads }: Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>): Layout {
    const operands = others.map((input) => inputs[input]!.dims);
    const sizes = geometry(inputs[0]!.dims, tensor.dims, outputs[0]!.dims, operands);
    const rows = k > 0 && sizes.batch > 0 ? sizeOf(inputs[0]!.dims) / k : 0;
    // Matrices of a batch are units of their own: only operands of the epilogue make them one. Units are as much larger as they are faster.
    const cut = partition({ ...sizes, k: (2 * steps) / unit.pace, batch: 1 }, unit.rows, PANEL_COLUMNS, threads);
    return { geometry: sizes, cut, rows, rowsPerUnit: unitRows(rows, k, threads) };
  }

  const threadsBytes = ({ threads }: Pick<NativeCall, 'threads'>): number => threads * threadBytes(unit);
  const round: NativePhase = {
    code: code.addresses[0]!,
    units: (bound) => {
      const { rows, rowsPerUnit } = layout(bound);
      return Math.ceil(rows / rowsPerUnit);
    },
    args: (bound) => {
      const { rows, rowsPerUnit } = layout(bound);
      return [rows, rowsPerUnit, bound.inputs[0]!.address, bound.scratch + threadsBytes(bound)];
    },
  };
  const product: NativePhase = {
    code: code.addresses[1]!,
    units: (bound) => {
      const { geometry, cut } = layout(bound);
      return geometry.batch * cut.units;
    },
    args: (bound) => {
      const { geometry, cut } = layout(bound);
      const words = { ...cut, scratch: bound.scratch, threadBytes: threadBytes(unit), weights: weights.address };
      const block = [...argumentWords.map((name) => words[name]), ...geometry.rowSteps.map((step) => 4 * step)];
      for (let i = 0; i < geometry.batch; i++) {
        const [a, , y, ...operands] = geometry.offsets(i);
        block.push(bound.scratch + threadsBytes(bound) + (k > 0 ? (a! / k) * pitch : 0));
        block.push(bound.outputs[0]!.address + 4 * y!);
        for (const [j, offset] of operands.entries()) block.push(bound.inputs[others[j]!]!.address + 4 * offset);
      }
      return block;
    },
  };
  return {
    resident: code.bytes + weights.bytes,
    packed: [1],
    phases: [round, product],
    // A tile may read a row more than there is.
    scratch: (bound) => threadsBytes(bound) + (layout(bound).rows + 1) * pitch,
    dispose() {
      code.dispose();
      engine.memory.free(weights);
    },
  };
}

/** Numbers of rows for which there is code: of tiles, those that need one and two. */
const heightsOf = ({ hasTiles, rows }: Unit): readonly number[] =>
  hasTiles ? [rows, TILE_ROWS] : Array.from({ length: rows }, (_, i) => rows - i);

/** Best first. */
export const matmulBf16: readonly NativeKernel[] = [matmulBfloat16(amx), matmulBfloat16(avx512)];
