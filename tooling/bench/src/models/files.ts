/** What real models are fed, by the name of their file: the type of an input does not tell what it means. */

import type { Feeding } from './index.ts';

export const files: Readonly<Record<string, Feeding>> = {
  'SqueezeNet_fp16.onnx': { sizes: {} },
  'resnet20_cifar10.onnx': { sizes: { N: 1 } },
  'mnist_cntk_opt.onnx': { sizes: {} },
  'silero_vad_16k_op15.onnx': { sizes: { batch: 1, sequence: 576 }, integers: { sr: [16000, 16001] } },
  'magika_v3_3.onnx': { sizes: {}, integers: { bytes: [0, 257] } },
  'minilm-l6-v2_int8w.onnx': { sizes: { batch: 1, sequence: 128 }, vocabulary: 30522 },
};
