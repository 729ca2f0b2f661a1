// Real files, whose figures were read with numpy; what is read and written again is what was there.
import { readFileSync } from 'node:fs';
import { fixtureTest } from '@espalier/fixtures';
import { describe, expect } from 'vitest';
import { isSafetensors, readSafetensors, writeSafetensors } from '../src/index.ts';

describe.each([
  {
    path: 'models/burn-mnist.safetensors',
    tensors: 20,
    elements: 376940,
    sum: 22304.762598208214,
    sample: { name: 'norm2.running_var', dims: [10], first: [54.639168, 27.290674] },
  },
  {
    path: 'models/resnet20_cifar10.safetensors',
    tensors: 97,
    elements: 271098,
    sum: 21349.562590950623,
    sample: { name: 'linear.weight', dims: [10, 64], first: [-1.0598125, 0.56885785] },
  },
  {
    path: 'models/silero_vad_16k.safetensors',
    tensors: 15,
    elements: 309633,
    sum: 63151.2629394306,
    sample: { name: 'stft_conv.weight', dims: [258, 1, 256], first: [0, 0.00015059] },
  },
])('$path', ({ path, tensors, elements, sum, sample }) => {
  fixtureTest(`${path} reads as numpy reads it, and round-trips`, [path], (file) => {
    const bytes = readFileSync(file!);
    expect(isSafetensors(bytes)).toBe(true);
    const read = readSafetensors(bytes, { file: path });
    const all = [...read.tensors.values()];
    expect(all.length).toBe(tensors);
    expect(all.reduce((count, tensor) => count + tensor.size, 0)).toBe(elements);
    const numbers = all.flatMap((tensor) => Array.from(tensor.data as ArrayLike<number | bigint>, Number));
    expect(numbers.reduce((total, x) => total + Math.abs(x), 0)).toBeCloseTo(sum, 6);
    const { dims, data } = read.tensors.get(sample.name)!;
    expect(dims).toEqual(sample.dims);
    sample.first.forEach((value, i) => {
      expect(data[i]).toBeCloseTo(value, 6);
    });

    const again = readSafetensors(writeSafetensors(read.tensors, read.metadata));
    expect(again.metadata).toEqual(read.metadata);
    for (const [name, tensor] of read.tensors) {
      const { type, dims, bytes } = again.tensors.get(name)!;
      expect([type, dims, Buffer.compare(bytes, tensor.bytes)]).toEqual([tensor.type, tensor.dims, 0]);
    }
  });
});
