/** Products by sparse matrices of float32. */

import { bindShape, isRejection, sizeOf } from '@espalier/core';
import { levels, notSparse, tensorBytes } from '@espalier/lowering';
import type { Isa, WasmKernel } from '../../kernel.ts';
import { epilogueSteps } from '../epilogue.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { addedAndOther, rowwise, sparseLaw } from './common.ts';
import { floatEntries } from './entries.ts';
import { COLUMNS, TOKENS, tableLayout } from './pack.ts';
import { sparseProgram } from './program.ts';

/** What a nonzero takes for each token, in multiply-adds. */
const NONZERO = { relaxed: 1 / 0.88, simd: 1 / 0.85 };

export function float32(isa: Isa): WasmKernel {
  const name = `matmul_f32_csr_${TOKENS}x${COLUMNS}__${isa.name}`;
  return {
    name,
    op: 'MatMul',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    format: { name: 'csr', levels },
    work(call, at, [, weights]) {
      const reason = notSparse(weights);
      if (reason !== undefined) return { reason };
      const epilogue = rowwise(call, epilogueOf(call));
      if (isRejection(epilogue)) return epilogue;
      const [k, n] = weights!.tensor.dims as [number, number];
      const { nonzeros } = weights!.structure;
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const { bytes } = tableLayout(k, n, nonzeros);
      return {
        macs: rows * nonzeros,
        bytes: tensorBytes(call, at) - weights!.tensor.bytes.byteLength + bytes,
        resident: bytes,
        ...addedAndOther(rows, k, n, nonzeros),
      };
    },
    law: sparseLaw(NONZERO[isa.name]),
    prepare(call, [, weights], engine) {
      const { tensor, structure } = weights!;
      const dims = tensor.dims as [number, number];
      const epilogue = rowwise(call, epilogueOf(call)) as Epilogue;
      return sparseProgram(
        {
          ...{ name, dims, a: 0, packed: [1] },
          recipe: { ...epilogue, isRelaxed: isa.isRelaxed, of: 'floats' },
          entries: floatEntries(tensor.data as Float32Array, dims, structure.nonzeros),
        },
        engine,
      );
    },
  };
}
