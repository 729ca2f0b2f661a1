/** Products of bytes with exact sums, by weights packed beforehand: MatMulInteger, and QuantizedMatMul with whatever follows it. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  dim,
  type EpilogueStep,
  ESPALIER,
  isRejection,
  type Rejection,
  sizeOf,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import { addressOf, geometry, partition, tensorBytes, unitRows } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { epilogueSteps } from '../epilogue.ts';
import { emitProduct, type Product, threadBytes } from '../matmul/emit.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { productArgs, TILE, WIDTH } from '../matmul/layout.ts';
import { vectorBytes } from '../matmul/tile.ts';
import { levelsOf, packLevels } from './pack.ts';
import { emitRows, rowBytes, rowWords } from './rows.ts';

/** An op, and where its operands are among the inputs. */
interface Op extends Pick<WasmKernel, 'op' | 'domain' | 'types'> {
  readonly a: number;
  readonly b: number;
  readonly aZero: number;
  readonly bZero: number;
  /** What sums are multiplied by: without any they are the result. */
  readonly scales: readonly number[];
}

const ops: readonly Op[] = [
  { op: 'QuantizedMatMul', domain: ESPALIER, types: {}, a: 0, aZero: 2, b: 3, bZero: 5, scales: [1, 4] },
  { op: 'MatMulInteger', types: {}, a: 0, b: 1, aZero: 2, bZero: 3, scales: [] },
];

/** What multiplying two pairs takes, and what an element of A takes to be laid out, in multiply-adds of float32. */
const PAIR = { relaxed: 1.35, simd: 1.05 } as const;
const LAID_OUT = 2;
/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;

const isOne = (desc: TensorDesc): boolean => dim.equal(dim.product(desc.shape), 1) === true;

function matrixShape({ shape }: TensorDesc, at: Binding): [k: number, n: number] {
  const dims = bindShape(shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

/** The epilogue with the scales in front, or why the call cannot be served. */
function planOf(op: Op, call: Call, constants: Constants): Epilogue | Rejection {
  const { a, b, aZero, bZero, scales } = op;
  const { inputs } = call;
  if (!constants[b] || (inputs[bZero] && !constants[bZero])) return { reason: 'its weights are not constant' };
  const [k, n] = matrixShape(inputs[b]!, {});
  if (sizeOf(constants[b].tensor.dims) !== k * n) return { reason: 'the constant is more than one matrix' };
  if (inputs[aZero] && !isOne(inputs[aZero])) return { reason: `input ${aZero} is more than one number` };
  const zero = constants[bZero]?.tensor;
  if (zero && zero.size !== 1 && zero.size !== n)
    return { reason: `input ${bZero} is more than one number for each column` };
  if (inputs[a]!.shape.length === 0) return { reason: 'its first matrix is a number' };
  const steps = scales.map((input): EpilogueStep => ({ op: 'Mul', attrs: {}, inputs: [input], position: 0 }));
  return epilogueOf({ ...call, epilogue: [...steps, ...call.epilogue] }, b);
}

function kernel(isa: Isa, op: Op): WasmKernel {
  const name = `${op.op.toLowerCase()}_i8_dense_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: op.op,
    ...(op.domain ? { domain: op.domain } : {}),
    requires: isa.requires,
    types: op.types!,
    ...(op.scales.length > 0 ? { fuses: epilogueSteps } : {}),
    work(call, at, constants): Work | Rejection {
      const epilogue = planOf(op, call, constants);
      if (isRejection(epilogue)) return epilogue;
      const [k, n] = matrixShape(call.inputs[op.b]!, at);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const resident = Math.ceil(n / WIDTH) * WIDTH * 2 * Math.ceil(k / 2);
      return {
        macs: rows * n * k,
        bytes: tensorBytes(call, at),
        resident,
        // Pairs that tiles multiply, and elements that are laid out.
        pairs: (rows + TILE_ROWS * Math.ceil(rows / TILE.rows)) * Math.ceil(n / WIDTH) * WIDTH * Math.ceil(k / 2),
        laidOut: rows * k,
      };
    },
    law: ({ pairs, laidOut, bytes }, rates) =>
      2 * rates['call']! +
      Math.max((pairs! * PAIR[isa.name] + laidOut! * LAID_OUT) / rates['fma']!, bytes / rates['bytes']!) /
        rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, op, call, constants, engine),
  };
}

async function prepare(
  name: string,
  isa: Isa,
  op: Op,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<WasmProgram> {
  const { memory, code } = engine;
  const epilogue = planOf(op, call, constants) as Epilogue;
  const { tensor } = constants[op.b]!;
  const [k, n] = matrixShape(call.inputs[op.b]!, {});
  const levels = levelsOf(tensor, constants[op.bZero]?.tensor, n);
  const depth = Math.ceil(k / 2);
  const product: Product = {
    ...TILE,
    ...epilogue,
    ...{ isRelaxed: isa.isRelaxed, of: levels.of, k: depth, inRows: false, made: 0 },
  };
  const { dtype } = call.inputs[op.a]!;
  const rows = { isSigned: dtype === 'int8', hasZero: call.inputs[op.aZero] !== undefined };
  const [lay, multiply] = [await code.load('rows_i8', rows, emitRows), await code.load(name, product, emitProduct)];
  const panels = await memory.pack(Math.ceil(n / WIDTH) * TILE.vectors * vectorBytes(product) * depth, (to) =>
    packLevels(levels, [k, n], WIDTH, to),
  );
  const others = epilogue.operands.map(({ input }) => input);
  const layout = bySizes(({ inputs, outputs, threads }) => {
    const a = inputs[op.a]!.dims;
    const given = others.map((input) => inputs[input]!.dims);
    const found = geometry(a, tensor.dims, outputs[0]!.dims, given);
    // Rows of pairs, wherever rows of bytes were.
    const offsets = (i: number): number[] => {
      const [first, ...rest] = found.offsets(i) as [number, ...number[]];
      return [k > 0 ? (first / k) * depth : 0, ...rest];
    };
    const pairs = { ...found, k: depth, offsets };
    const rows = sizeOf(a.slice(0, -1));
    return {
      ...{ pairs, rows, unit: unitRows(rows, k / 2, threads), cut: partition(pairs, TILE.rows, WIDTH, threads) },
      bytes: 64 * Math.ceil((rows * rowBytes(k)) / 64),
    };
  });
  return {
    resident: lay.bytes + multiply.bytes + panels.bytes,
    packed: [op.b, op.bZero].filter((i) => constants[i]),
    scratch: (bound) => layout(bound).bytes + bound.threads * threadBytes(product),
    phases: [
      {
        code: lay,
        units: (bound) => (k > 0 ? Math.ceil(layout(bound).rows / layout(bound).unit) : 0),
        args(bound) {
          const { rows, unit } = layout(bound);
          const [from, zero] = [op.a, op.aZero].map((i) => addressOf(bound.inputs[i]));
          const words = { from: from!, to: bound.scratch, rows, unit, k, zero: zero! };
          return rowWords.map((word) => words[word]);
        },
      },
      {
        code: multiply,
        units: (bound) => layout(bound).cut.units,
        args(bound) {
          const { pairs, cut, bytes } = layout(bound);
          const starts = [bound.scratch, panels.address, bound.outputs[0]!.address];
          const addresses = [...starts, ...others.map((input) => bound.inputs[input]!.address)];
          return productArgs(product, pairs, cut, bound.scratch + bytes, addresses);
        },
      },
    ],
    dispose() {
      lay.release();
      multiply.release();
      memory.free(panels);
    },
  };
}

export const matmulInt8: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  ops.map((op) => kernel(isa, op)),
);
