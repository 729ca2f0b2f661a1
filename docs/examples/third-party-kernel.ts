/** The scalar backend with a MatMul that skips zeros: of constant weights only the nonzeros are kept, column by column. */

import { createJsBackend } from '@espalier/backend-js';
import { bindShape, type HostBackend, type HostKernel, roofline, sizeOf, type Tensor } from '@espalier/core';

/** Packs a `[K,N]` matrix; gives what computes rows `from` to `to - 1` of a product by it, nothing below `least`. */
function productBy({ dims: [k, n], data }: Tensor, nonzeros: number) {
  const [starts, rows, values] = [new Int32Array(n + 1), new Int32Array(nonzeros), new Float32Array(nonzeros)];
  for (let j = 0, at = 0; j < n; j++) {
    for (let i = 0; i < k; i++) {
      if (data[i * n + j] === 0) continue;
      rows[at] = i;
      values[at++] = data[i * n + j] as number;
    }
    starts[j + 1] = at;
  }
  return (x: Float32Array, y: Float32Array, least: number, from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let at = starts[j]; at < starts[j + 1]; at++) sum += x[i * k + rows[at]] * values[at];
        y[i * n + j] = Math.max(least, sum);
      }
    }
  };
}

export const sparseMatMul: HostKernel = {
  name: 'matmul_f32_csc_1x1__js',
  op: 'MatMul',
  types: { T: ['float32'] },
  fuses: ['Relu'],
  format: { name: 'csc', levels: [{ kind: 'dense' }, { kind: 'compressed' }] },
  work({ inputs: [x] }, at, [, weights]) {
    if (weights?.tensor.dims.length !== 2) return { reason: 'its second operand is not a constant matrix' };
    const [[k, n], { nonzeros }] = [weights.tensor.dims, weights.structure];
    const rows = sizeOf(bindShape(x!.shape.slice(0, -1), at));
    return { macs: rows * nonzeros, bytes: 4 * rows * (k + n) + 8 * nonzeros, resident: 8 * nonzeros };
  },
  // benchBackend: a nonzero takes as long as three elements in the plain loops that the rate was measured with.
  law: (work, rates) => roofline(work, { ...rates, macs: rates.macs / 3 }),
  prepare({ epilogue }, [, weights]) {
    const { tensor, structure } = weights!;
    const product = productBy(tensor, structure.nonzeros);
    return {
      resident: 8 * structure.nonzeros,
      packed: [1],
      start({ inputs: [a], outputs: [c] }) {
        const [x, y] = [a!.data as Float32Array, c!.data as Float32Array];
        const least = epilogue.length > 0 ? 0 : Number.NEGATIVE_INFINITY;
        return [{ units: sizeOf(a!.dims.slice(0, -1)), run: (from, to) => product(x, y, least, from, to) }];
      },
    };
  },
};

const js = createJsBackend();
export const sparseJs: HostBackend = { ...js, kernels: [...js.kernels, sparseMatMul] };
