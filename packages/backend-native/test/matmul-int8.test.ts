/** Products of bytes against the scalar backend, for each instruction set, with guard pages. */

import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, type Node, onnxOps, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { kernelsFor, matmulInt8 } from '../src/kernels/matmul_int8/index.ts';
import { bytes } from './bytes.ts';
import { describeDotIsas } from './dot-isas.ts';

const js = createEvaluator(createJsBackend(), onnxOps);

const pairs = [
  ['uint8', 'int8'],
  ['int8', 'int8'],
  ['uint8', 'uint8'],
  ['int8', 'uint8'],
] as const;

describeDotIsas(
  { does: 'multiplies bytes', what: 'products of bytes', table: matmulInt8, runs: 4, kernelsFor },
  (_, backend) => {
    const native = createEvaluator(backend, onnxOps);
    async function same(a: Tensor, b: Tensor, zeros: readonly (Tensor | undefined)[] = []): Promise<void> {
      const inputs = [a, b, ...zeros];
      const node: Node = {
        ...{ name: 'product', op: 'MatMulInteger', domain: '', attrs: {} },
        ...{ inputs: inputs.map((input, i) => (input ? `i${i}` : '')), outputs: ['y'] },
      };
      const [[wanted], [got]] = [await js(node, inputs), await native(node, inputs)];
      const worst = (wanted!.data as Int32Array).findIndex((x, i) => x !== got!.data[i]);
      expect(worst, `${a.type}[${a.dims}] x ${b.type}[${b.dims}]`).toBe(-1);
    }

    it('have blocks and panels of every size', async () => {
      for (let m = 1; m <= 30; m++) {
        const [left, right] = pairs[m % 4]!;
        const [k, n] = [1 + ((5 * m) % 71), 2 * m + 3];
        const zeros = [bytes(left, [], m), bytes(right, m % 3 === 0 ? [n] : [], m)];
        await same(bytes(left, [m, k], m), bytes(right, [k, n], m + 1), zeros.slice(0, m % 3));
      }
    });

    it('never saturate in between', async () => {
      for (const [left, right] of pairs) {
        const ends = (dtype: 'uint8' | 'int8', most: boolean): number =>
          dtype === 'uint8' ? (most ? 255 : 0) : most ? 127 : -128;
        for (const [x, y] of [
          [true, true],
          [true, false],
          [false, false],
        ] as const) {
          const a = new Tensor(left, new Array<number>(64).fill(ends(left, x)), [1, 64]);
          const b = new Tensor(right, new Array<number>(64 * 33).fill(ends(right, y)), [64, 33]);
          await same(a, b, [bytes(left, [], 1)]);
        }
      }
    });

    it('cut what is large into many units', async () => {
      const shapes = [
        [
          [301, 97],
          [97, 530],
        ],
        [
          [1, 1536],
          [1536, 389],
        ],
        [
          [20, 2048],
          [2048, 40],
        ],
        [
          [3, 1, 50, 64],
          [4, 64, 50],
        ],
        [[129], [129, 65]],
        [[5, 16, 129], [129]],
      ] as const;
      for (const [i, [a, b]] of shapes.entries()) {
        const [left, right] = pairs[i % 4]!;
        await same(bytes(left, a, i), bytes(right, b, i + 9), [bytes(left, [], i)]);
      }
    });

    it('leave parameters for each row to another', async () => {
      const zeros = [bytes('uint8', [4], 1)];
      await expect(same(bytes('uint8', [4, 8], 1), bytes('int8', [8, 5], 2), zeros)).rejects.toThrow(
        'input 2 is more than one number',
      );
    });
  },
);
