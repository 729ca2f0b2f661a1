/** Products by sparse matrices of float32: zeros cost nothing. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constant,
  dim,
  isDenser,
  isRejection,
  type Rejection,
  sizeOf,
} from '@espalier/core';
import { geometry } from '@espalier/lowering';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { emitSparse, emitTurnIn, productWords, SUM_BYTES, turnWords } from './emit.ts';
import { COLUMNS, DEPTH, groupsOf, PITCH, packTable, TOKENS, tableLayout } from './pack.ts';

/** Weights of which more than this share is not zero are left to the dense product. */
export const MOST_DENSITY = 0.95;
/** What an element takes to be turned, and what a column's sums take in a block of K for each token, in multiply-adds. */
const TURN = 3;
const SUMS = 4;
/** Share of the calibrated multiply-adds that nonzeros reach. */
const EFFICIENCY = { relaxed: 0.88, simd: 0.85 };

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

/** Why a matrix is none for sparse kernels. */
function notSparse(weights: Constant | undefined): string | undefined {
  if (weights?.tensor.dims.length !== 2) return 'its weights are not a constant matrix';
  return isDenser(weights.structure, MOST_DENSITY) ? 'hardly any of its weights is zero' : undefined;
}

function work(call: Call, at: Binding, weights: Constant | undefined) {
  const reason = notSparse(weights);
  if (reason !== undefined) return { reason };
  const epilogue = rowwise(call);
  if (isRejection(epilogue)) return epilogue;
  const [k, n] = weights!.tensor.dims as [number, number];
  const { nonzeros } = weights!.structure;
  const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
  const operands = epilogue.operands.reduce((sum, o) => sum + sizeOf(bindShape(call.inputs[o.input]!.shape, at)), 0);
  const { bytes } = tableLayout(k, n, nonzeros);
  // What the vectors of the last panel hold: 4, 8, 16 or 32 tokens; fewer than 12 wait for each other as long.
  const rest = rows % TOKENS;
  const padded = rows - rest + (rest > 0 ? Math.max(12, 2 ** Math.ceil(Math.log2(rest))) : 0);
  return {
    macs: rows * nonzeros,
    bytes: 4 * (rows * (k + n) + operands) + bytes,
    resident: bytes,
    added: padded * nonzeros,
    other: padded * (TURN * (k + n) + SUMS * n * Math.ceil(k / DEPTH)),
  };
}

function row(isa: Isa): WasmKernel {
  const name = `matmul_f32_csr_${TOKENS}x${COLUMNS}__${isa.name}`;
  return {
    name,
    op: 'MatMul',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    format: { name: 'csr', levels: [{ kind: 'dense' }, { kind: 'compressed' }] },
    work: (call, at, constants) => work(call, at, constants[1]),
    law: ({ added, other, bytes }, rates) =>
      2 * rates['call']! +
      Math.max((added! / EFFICIENCY[isa.name] + other!) / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!,
    async prepare(call, constants, engine) {
      const { tensor, structure } = constants[1]!;
      const [k, n] = tensor.dims as [number, number];
      const epilogue = rowwise(call) as Epilogue;
      const layout = tableLayout(k, n, structure.nonzeros);
      const turn = await engine.code.load('matmul_csr_turn', {}, emitTurnIn);
      const product = await engine.code.load(name, { ...epilogue, isRelaxed: isa.isRelaxed }, emitSparse);
      const table = await engine.memory.pack(layout.bytes, (to) =>
        packTable(tensor.data as Float32Array, [k, n], structure.nonzeros, to),
      );
      const sizes = ({ outputs }: Pick<WasmCall, 'outputs'>) => {
        const rows = sizeOf(outputs[0]!.dims) / Math.max(1, n);
        const panels = n > 0 ? Math.ceil(rows / TOKENS) : 0;
        return { rows, panels, turnedBytes: panels * k * PITCH };
      };
      return {
        resident: turn.bytes + product.bytes + layout.bytes,
        packed: [1],
        scratch: (bound) => sizes(bound).turnedBytes + bound.threads * SUM_BYTES,
        phases: [
          {
            code: turn,
            units: (bound) => (k > 0 ? sizes(bound).panels : 0),
            args: (bound) => {
              const words = { from: bound.inputs[0]!.address, rows: sizes(bound).rows, k, to: bound.scratch };
              return turnWords.map((word) => words[word]);
            },
          },
          {
            code: product,
            units: (bound) => sizes(bound).panels * groupsOf(n),
            args(bound) {
              const { inputs, outputs, scratch } = bound;
              const operands = epilogue.operands.map(({ input }) => inputs[input]!);
              const operandDims = operands.map(({ dims }) => dims);
              const { rowSteps } = geometry(inputs[0]!.dims, tensor.dims, outputs[0]!.dims, operandDims);
              const { rows, panels, turnedBytes } = sizes(bound);
              const words = {
                ...{ panels, rows, k, n, table: table.address, counts: layout.counts },
                ...{ turned: scratch, sums: scratch + turnedBytes, to: outputs[0]!.address },
              };
              return [
                ...productWords.map((word) => words[word]),
                ...operands.flatMap(({ address }, i) => [address, 4 * rowSteps[i]!]),
              ];
            },
          },
        ],
        dispose() {
          turn.release();
          product.release();
          engine.memory.free(table);
        },
      };
    },
  };
}

export const matmulSparse: readonly WasmKernel[] = /* @__PURE__ */ isas.map(row);
