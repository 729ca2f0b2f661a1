/** A small model in a temporary folder, for tests. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Graph, Tensor } from '@espalier/core';
import { exportOnnx } from '@espalier/onnx';

export const model: Graph = {
  name: 'mlp',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
  outputs: ['y'],
  nodes: [
    { name: 'mm', op: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['h'], attrs: {} },
    { name: 'act', op: 'Relu', domain: '', inputs: ['h'], outputs: ['y'], attrs: {} },
  ],
  constants: new Map([['w', new Tensor('float32', [1, 0, 0, 1, -1, 1], [3, 2])]]),
};

/** A new folder that holds `model.onnx`. */
export function modelFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-'));
  writeFileSync(join(folder, 'model.onnx'), exportOnnx(model));
  return folder;
}
