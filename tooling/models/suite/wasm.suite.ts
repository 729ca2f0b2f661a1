/** Models on the wasm backend: all that computes on tensors is there, and the results are those of onnxruntime. */

import { fixtureTest } from '@espalier/fixtures';
import { distance, peerSession } from '@espalier/peers';
import { load, Tensor } from 'espalier';
import { expect } from 'vitest';
import { elsewhere } from '../src/open.ts';

const floats = (...dims: number[]): Tensor => {
  const data = Float32Array.from(
    { length: dims.reduce((a, b) => a * b, 1) },
    (_, i) => Math.sin(i * 1.7) + Math.cos(i),
  );
  return new Tensor('float32', data, dims);
};

/** Feeds; within what, as a share of the largest; ops that the scalar backend may do, on a few numbers. */
const models: Readonly<Record<string, [feeds: Record<string, Tensor>, within: number, scalar: readonly string[]]>> = {
  'mnist_cntk_opt.onnx': [{ Input3: floats(1, 1, 28, 28) }, 1e-5, []],
  'resnet20_cifar10.onnx': [{ input: floats(3, 3, 32, 32) }, 1e-5, []],
  'magika_v3_3.onnx': [
    {
      bytes: new Tensor(
        'int32',
        Int32Array.from({ length: 2048 }, (_, i) => (i * 37) % 257),
        [1, 2048],
      ),
    },
    1e-5,
    [],
  ],
  'silero_vad_16k_op15.onnx': [
    {
      input: floats(1, 576),
      state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
      sr: new Tensor('int64', BigInt64Array.of(16000n), []),
    },
    1e-4,
    ['Add', 'Cast', 'Mul'],
  ],
};

for (const [name, [feeds, within, scalar]] of Object.entries(models))
  fixtureTest(`${name} runs on wasm as onnxruntime has it`, [`models/${name}`], async (file) => {
    const session = await load(file!, { backends: ['wasm', 'js'], threads: 2 });
    const left = elsewhere(session.explain(), 'wasm');
    expect(left.map(({ op }) => op).filter((op) => !scalar.includes(op))).toEqual([]);
    const peer = await peerSession(file!);
    const [given, wanted] = [await session.run(feeds), await peer.run(feeds)];
    for (const [output, tensor] of Object.entries(wanted))
      expect(distance(given[output]!, tensor), output).toBeLessThan(within);
    await Promise.all([session.dispose(), peer.dispose()]);
  });
