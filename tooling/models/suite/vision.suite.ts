/** Pictures: MNIST, CIFAR-10 and ImageNet models against onnxruntime-node and their known accuracies. */

import { elements, toFloat16 } from '@espalier/core';
import { fixtureTest } from '@espalier/fixtures';
import { distance, peerSession } from '@espalier/peers';
import { Tensor } from 'espalier';
import { expect } from 'vitest';
import { readCifar, readIdx, readPicture } from '../src/data.ts';
import { openModel } from '../src/open.ts';

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, x, i, all) => (x > all[best]! ? i : best), 0);

fixtureTest(
  'MNIST: 98.91 % of 10,000 digits, each as onnxruntime has it',
  ['models/mnist_cntk_opt.onnx', 'data/mnist-t10k-images-idx3-ubyte.gz', 'data/mnist-t10k-labels-idx1-ubyte.gz'],
  async (model, images, labels) => {
    const [session, peer] = [await openModel(model!), await peerSession(model!)];
    const { data: pixels } = readIdx(images!);
    const { data: truth } = readIdx(labels!);
    let right = 0;
    let worst = 0;
    for (let i = 0; i < truth.length; i++) {
      const Input3 = new Tensor('float32', Float32Array.from(pixels.subarray(i * 784, (i + 1) * 784)), [1, 1, 28, 28]);
      const { Plus214_Output_0: logits } = await session.run({ Input3 });
      const { Plus214_Output_0: expected } = await peer.run({ Input3 });
      worst = Math.max(worst, distance(logits!, expected!));
      if (largest(logits!.data as Float32Array) === truth[i]) right++;
    }
    console.log(`mnist: ${right} of ${truth.length} right, at most ${worst.toExponential(1)} from onnxruntime`);
    expect(worst).toBeLessThan(1e-4);
    expect(right).toBe(9891);
  },
);

fixtureTest(
  'CIFAR-10: ResNet-20 is right in .804 of 1,000 pictures, in batches of every size, as onnxruntime has them',
  ['models/resnet20_cifar10.onnx', 'data/cifar10-jpeg-test-1000.bin'],
  async (model, data) => {
    const [session, peer] = [await openModel(model!), await peerSession(model!)];
    const records = readCifar(data!);
    const [mean, deviation] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    let right = 0;
    let worst = 0;
    for (let from = 0, batch = 1; from < records.length; from += batch, batch = (batch % 23) + 1) {
      const part = records.slice(from, from + batch);
      const pixels = Float32Array.from(
        part.flatMap(({ pixels: bytes }) =>
          Array.from(bytes, (x, i) => (x / 255 - mean[i >> 10]!) / deviation[i >> 10]!),
        ),
      );
      const input = new Tensor('float32', pixels, [part.length, 3, 32, 32]);
      const { logits } = await session.run({ input });
      worst = Math.max(worst, distance(logits!, (await peer.run({ input })).logits!));
      const rows = logits!.data as Float32Array;
      part.forEach(({ label }, i) => {
        if (largest(rows.subarray(i * 10, i * 10 + 10)) === label) right++;
      });
    }
    console.log(`resnet20: ${right} of ${records.length} right, at most ${worst.toExponential(1)} from onnxruntime`);
    expect(worst).toBeLessThan(1e-4);
    expect(right).toBe(804);
  },
);

fixtureTest(
  'ImageNet: SqueezeNet in float16 sees a tabby, and what onnxruntime sees in another picture',
  ['models/SqueezeNet_fp16.onnx', 'data/kitten_224.png', 'data/fish.png'],
  async (model, ...pictures) => {
    const [session, peer] = [await openModel(model!), await peerSession(model!)];
    const tops: [number, number][] = [];
    for (const picture of pictures) {
      const [red, green, blue] = readPicture(picture).planes;
      const channels: [Uint8Array, number][] = [
        [blue, 103.939],
        [green, 116.779],
        [red, 123.68],
      ];
      const bits = Uint16Array.from(channels.flatMap(([plane, mean]) => Array.from(plane, (x) => toFloat16(x - mean))));
      const data_0 = new Tensor('float16', bits, [1, 3, 224, 224]);
      const { softmaxout_1: result } = await session.run({ data_0 });
      const off = distance(result!, (await peer.run({ data_0 })).softmaxout_1!);
      expect(off).toBeLessThan(2e-3);
      const scores = elements(result!) as number[];
      const top = largest(scores);
      tops.push([top, scores[top]!]);
      console.log(`squeezenet: class ${top} at ${scores[top]!.toFixed(4)}, ${off.toExponential(1)} from onnxruntime`);
    }
    expect(tops[0]![0]).toBe(281);
    expect(tops[0]![1]).toBeCloseTo(0.9424, 3);
  },
);
