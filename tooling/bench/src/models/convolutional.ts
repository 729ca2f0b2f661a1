/** ResNet-50 and MobileNetV2 as torch.onnx exports torchvision's (opset 17): batch normalisation is part of the convolutions. */

import type { Graph } from '@espalier/core';
import { GraphBuilder } from './builder.ts';

export interface ImageShape {
  /** Pixels a side. */
  readonly size: number;
  /** Stages that are built, counted from the first; all when absent. */
  readonly stages?: number;
  /** Share of the channels of the original; 1 when absent. */
  readonly width?: number;
}

interface Convolution {
  readonly kernel?: number;
  readonly stride?: number;
  readonly group?: number;
  /** Of the output; relative to what keeps the scale behind a rectifier. */
  readonly gain?: number;
}

/** A value and its channels. */
interface Maps {
  readonly name: string;
  readonly channels: number;
}

class ImageBuilder extends GraphBuilder {
  start(size: number): Maps {
    return { name: this.input('input', 'float32', ['batch', 3, size, size]), channels: 3 };
  }

  convolution(x: Maps, key: string, channels: number, more: Convolution = {}): Maps {
    const { kernel = 1, stride = 1, group = 1, gain = 1 } = more;
    const inputs = x.channels / group;
    const deviation = gain * Math.sqrt(2 / (inputs * kernel ** 2));
    const weight = this.weight(`${key}.weight`, [channels, inputs, kernel, kernel], deviation);
    const edge = (kernel - 1) / 2;
    const name = this.op('Conv', [x.name, weight, this.weight(`${key}.bias`, [channels], 0.05)], {
      dilations: [1, 1],
      group,
      kernel_shape: [kernel, kernel],
      pads: [edge, edge, edge, edge],
      strides: [stride, stride],
    });
    return { name, channels };
  }

  map(op: string, { name, channels }: Maps, ...more: string[]): Maps {
    return { name: this.op(op, [name, ...more]), channels };
  }

  classify(x: Maps): Graph {
    const flat = this.op('Flatten', [this.op('GlobalAveragePool', [x.name])], { axis: 1 });
    const weight = this.weight('classifier.weight', [1000, x.channels], 1 / Math.sqrt(x.channels));
    const bias = this.weight('classifier.bias', [1000], 0.02);
    this.output('output', this.op('Gemm', [flat, weight, bias], { alpha: 1, beta: 1, transB: 1 }));
    return this.finish();
  }
}

/** Blocks, channels and first stride of each stage. */
const resNetStages = [
  [3, 64, 1],
  [4, 128, 2],
  [6, 256, 2],
  [3, 512, 2],
] as const;

export function resNet50(name: string, { size, stages = 4, width = 1 }: ImageShape): Graph {
  const b = new ImageBuilder(name);
  let x = b.map('Relu', b.convolution(b.start(size), 'conv1', 64 * width, { kernel: 7, stride: 2 }));
  const pool = { ceil_mode: 0, kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] };
  x = { name: b.op('MaxPool', [x.name], pool), channels: x.channels };
  resNetStages.slice(0, stages).forEach(([blocks, base, first], stage) => {
    for (let block = 0; block < blocks; block++) {
      const key = `layer${stage + 1}.${block}`;
      const stride = block === 0 ? first : 1;
      const channels = base * width;
      let y = b.map('Relu', b.convolution(x, `${key}.conv1`, channels));
      y = b.map('Relu', b.convolution(y, `${key}.conv2`, channels, { kernel: 3, stride }));
      y = b.convolution(y, `${key}.conv3`, 4 * channels, { gain: 0.3 });
      const shortcut = block === 0 ? b.convolution(x, `${key}.downsample.0`, 4 * channels, { stride, gain: 0.7 }) : x;
      x = b.map('Relu', b.map('Add', y, shortcut.name));
    }
  });
  return b.classify(x);
}

/** Expansion, channels, blocks and first stride of each stage. */
const mobileNetStages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

export function mobileNetV2(name: string, { size, stages = 7, width = 1 }: ImageShape): Graph {
  const b = new ImageBuilder(name);
  const clip = (x: Maps): Maps => b.map('Clip', x, b.float(0), b.float(6));
  let x = clip(b.convolution(b.start(size), 'features.0.0', 32 * width, { kernel: 3, stride: 2 }));
  let index = 0;
  for (const [expansion, base, blocks, first] of mobileNetStages.slice(0, stages)) {
    for (let block = 0; block < blocks; block++) {
      const key = `features.${++index}.conv`;
      const stride = block === 0 ? first : 1;
      const channels = base * width;
      const inner = expansion * x.channels;
      const wide = expansion === 1 ? x : clip(b.convolution(x, `${key}.expand`, inner));
      const deep = clip(b.convolution(wide, `${key}.depthwise`, inner, { kernel: 3, stride, group: inner }));
      const y = b.convolution(deep, `${key}.project`, channels, { gain: 0.7 });
      x = stride === 1 && channels === x.channels ? b.map('Add', x, y.name) : y;
    }
  }
  return b.classify(clip(b.convolution(x, `features.${index + 1}.0`, 1280 * width)));
}
