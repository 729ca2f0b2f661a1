/** The program of a sparse product: activations are turned, then panels of tokens are multiplied by groups of columns. */

import { sizeOf } from '@espalier/core';
import { geometry } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import type { WasmProgram } from '../../program.ts';
import type { Laid, Sized } from '../matmul_int8/rows.ts';
import { emitSparse, productWords, type SparseProduct, SUM_BYTES } from './emit.ts';
import type { Entries } from './entries.ts';
import { groupsOf, PITCH, packTable, TOKENS, tableLayout } from './pack.ts';
import { emitTurn, turnWords } from './turn.ts';

export interface Sparse {
  readonly name: string;
  readonly recipe: SparseProduct;
  readonly entries: Entries;
  readonly dims: readonly number[];
  /** Which input is multiplied. */
  readonly a: number;
  readonly packed: readonly number[];
  /** Makes rows of words of the input, where it is none, in scratch memory of so many bytes. */
  readonly lay?: Laid;
}

export async function sparseProgram(sparse: Sparse, { code, memory }: Engine): Promise<WasmProgram> {
  const { entries, recipe, lay, a } = sparse;
  const { words, columns, count, of } = entries;
  const layout = tableLayout(words, columns, count);
  const turn = await code.load('matmul_sparse_turn', { areHalves: of === 'halves' }, emitTurn);
  const product = await code.load(sparse.name, recipe, emitSparse);
  const table = await memory.pack(layout.bytes, (to) => packTable(entries, to));
  const sizes = (bound: Sized) => {
    const rows = sizeOf(bound.outputs[0]!.dims) / Math.max(1, columns);
    const panels = columns > 0 ? Math.ceil(rows / TOKENS) : 0;
    return { rows, panels, laid: lay?.bytes(bound) ?? 0, turned: panels * words * PITCH };
  };
  return {
    resident: (lay?.phase.code.bytes ?? 0) + turn.bytes + product.bytes + layout.bytes,
    packed: sparse.packed,
    scratch(bound) {
      const { laid, turned } = sizes(bound);
      return laid + turned + bound.threads * SUM_BYTES;
    },
    phases: [
      ...(lay ? [lay.phase] : []),
      {
        code: turn,
        units: (bound) => (words > 0 ? sizes(bound).panels : 0),
        args: (bound) => {
          const { rows, laid } = sizes(bound);
          const from = lay ? bound.scratch : bound.inputs[a]!.address;
          const values = { from, rows, words, to: bound.scratch + laid };
          return turnWords.map((name) => values[name]);
        },
      },
      {
        code: product,
        units: (bound) => sizes(bound).panels * groupsOf(columns),
        args(bound) {
          const { inputs, outputs, scratch } = bound;
          const operands = recipe.operands.map(({ input }) => inputs[input]!);
          const operandDims = operands.map(({ dims }) => dims);
          const { rowSteps } = geometry(inputs[a]!.dims, sparse.dims, outputs[0]!.dims, operandDims);
          const { rows, panels, laid, turned } = sizes(bound);
          const values = {
            ...{ panels, rows, words, n: columns, table: table.address, counts: layout.counts },
            ...{ turned: scratch + laid, sums: scratch + laid + turned, to: outputs[0]!.address },
          };
          return [
            ...productWords.map((name) => values[name]),
            ...operands.flatMap(({ address }, i) => [address, 4 * rowSteps[i]!]),
          ];
        },
      },
    ],
    dispose() {
      lay?.phase.code.release();
      turn.release();
      product.release();
      memory.free(table);
    },
  };
}
