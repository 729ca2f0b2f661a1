/**
 * Products by sparse matrices of bytes, their sums exact, by dot products of two numbers of 16 bits: two weights of a column that are not zero
 * meet their lines of activations wherever these are, or two rows that follow each other have one line, so that blocks along K need no
 * shuffles.
 */

import {
  bindShape,
  type Call,
  type Constant,
  type Constants,
  isRejection,
  type Rejection,
  sizeOf,
} from '@espalier/core';
import { levels, notSparse, remembered, shiftedZeros, tensorBytes } from '@espalier/lowering';
import type { Isa, WasmKernel } from '../../kernel.ts';
import { epilogueSteps } from '../epilogue.ts';
import type { Epilogue } from '../matmul/epilogue.ts';
import { type Op, ops, planOf } from '../matmul_int8/ops.ts';
import type { Bytes } from '../matmul_int8/pack.ts';
import { LAID_OUT, layRows } from '../matmul_int8/rows.ts';
import { addedAndOther, rowwise, sparseLaw } from './common.ts';
import { type Entries, halfEntries, pairEntries } from './entries.ts';
import { COLUMNS, TOKENS, tableLayout } from './pack.ts';
import { sparseProgram } from './program.ts';

interface Kind {
  readonly label: string;
  readonly block: number;
  /** What an entry takes for each token, in multiply-adds of float32. */
  readonly cost: { readonly relaxed: number; readonly simd: number };
  entries(weights: Constant): Entries;
}

const bytesOf = ({ tensor }: Constant) => tensor.data as Bytes;
const dimsOf = ({ tensor }: Constant) => tensor.dims as [number, number];

const kinds: readonly Kind[] = [
  {
    label: 'csr',
    block: 1,
    cost: { relaxed: 2, simd: 1.75 },
    entries: /* @__PURE__ */ remembered((weights) => halfEntries(bytesOf(weights), dimsOf(weights))),
  },
  {
    label: 'bsr1x2',
    block: 2,
    cost: { relaxed: 1.6, simd: 1.35 },
    entries: /* @__PURE__ */ remembered((weights) => pairEntries(bytesOf(weights), dimsOf(weights))),
  },
];

function epilogueFor(op: Op, call: Call, constants: Constants): Epilogue | Rejection {
  const weights = constants[op.b];
  const reason = notSparse(weights) ?? shiftedZeros(call, constants, op.bZero);
  if (reason !== undefined) return { reason };
  return rowwise(call, planOf(op, call, constants));
}

export function int8(isa: Isa, op: Op): readonly WasmKernel[] {
  return kinds.map(({ label, block, cost, entries }) => {
    const name = `${op.op.toLowerCase()}_i8_${label}_${TOKENS}x${COLUMNS}__${isa.name}`;
    return {
      name,
      op: op.op,
      ...(op.domain ? { domain: op.domain } : {}),
      requires: isa.requires,
      types: op.types!,
      ...(op.scales.length > 0 ? { fuses: epilogueSteps } : {}),
      format:
        block > 1 ? { name: 'bsr', levels: [...levels, { kind: 'block', size: block }] } : { name: 'csr', levels },
      work(call, at, constants) {
        const epilogue = epilogueFor(op, call, constants);
        if (isRejection(epilogue)) return epilogue;
        const weights = constants[op.b]!;
        const [k, n] = dimsOf(weights);
        const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
        const { words, count } = entries(weights);
        const { bytes } = tableLayout(words, n, count);
        const { added, other } = addedAndOther(rows, words, n, count);
        return {
          macs: rows * weights.structure.nonzeros,
          bytes: tensorBytes(call, at) - k * n + bytes,
          resident: bytes,
          ...{ added, other: other + LAID_OUT * rows * k },
        };
      },
      law: sparseLaw(cost[isa.name]),
      async prepare(call, constants, engine) {
        const epilogue = epilogueFor(op, call, constants) as Epilogue;
        const found = entries(constants[op.b]!);
        const dims = dimsOf(constants[op.b]!);
        return sparseProgram(
          {
            ...{ name, dims, entries: found, a: op.a, packed: [op.b, op.bZero].filter((i) => constants[i]) },
            recipe: { ...epilogue, isRelaxed: isa.isRelaxed, of: found.of },
            lay: await layRows(op, call, dims[0], engine),
          },
          engine,
        );
      },
    };
  });
}

export const bytes = (isa: Isa): readonly WasmKernel[] => ops.flatMap((op) => int8(isa, op));
