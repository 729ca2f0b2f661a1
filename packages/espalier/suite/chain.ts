/** A model of products one after the other, of matrices of `size` rows and columns. */

import { type Graph, Tensor } from '@espalier/core';

export function chain(layers: number, size: number): Graph {
  const weights = Float32Array.from({ length: size * size }, (_, i) => ((i * 7919) % 13) / 13 - 0.5);
  return {
    name: 'chain',
    inputs: [{ name: 'x0', dtype: 'float32', shape: ['rows', size] }],
    outputs: [`x${layers}`],
    nodes: Array.from({ length: layers }, (_, i) => ({
      ...{ name: `layer ${i}`, op: 'MatMul', domain: '', attrs: {} },
      ...{ inputs: [`x${i}`, 'w'], outputs: [`x${i + 1}`] },
    })),
    constants: new Map([['w', new Tensor('float32', weights, [size, size])]]),
  };
}

export const rows = (count: number, size: number) => ({
  x0: new Tensor('float32', new Float32Array(count * size), [count, size]),
});
