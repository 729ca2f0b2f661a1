/** Pooling over regions of interest. */

import { EspalierError, type HostKernel, type Phase, sizeOf } from '@espalier/core';
import { define, type Operand, units } from '../define.ts';
import type { Floats } from '../float.ts';

/** Samples that one bin may take. */
const MAX_SAMPLES = 1 << 20;

/** One unit per row of outputs `[regions, channels, height, width]`. */
function rows(y: Operand, run: (region: number, channel: number, row: number, at: number) => void): Phase {
  const [, channels, height, width] = y.dims;
  return units(sizeOf(y.dims.slice(0, 3)), (unit) => {
    const image = Math.floor(unit / height);
    run(Math.floor(image / channels), image % channels, unit % height, unit * width);
  });
}

function checkImage(image: number, x: Operand): number {
  if (Number.isInteger(image) && image >= 0 && image < x.dims[0]) return image;
  throw new EspalierError('BAD_INPUT', `a region is of image ${image}; there are ${x.dims[0]}`);
}

/** To the nearest integer, ties away from zero. */
const round = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
const clamp = (x: number, greatest: number): number => Math.min(greatest, Math.max(0, x));

/** The four points around (h, w), each times its weight in bilinear interpolation; zeros more than a pixel outside. */
function readCorners(
  data: Floats,
  base: number,
  height: number,
  width: number,
  h: number,
  w: number,
  corners: number[],
): void {
  if (!(h >= -1 && h <= height && w >= -1 && w <= width)) {
    corners.fill(0);
    return;
  }
  const [y, x] = [clamp(h, height - 1), clamp(w, width - 1)];
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [bottom, right] = [Math.min(top + 1, height - 1), Math.min(left + 1, width - 1)];
  const [v, u] = [y - top, x - left];
  corners[0] = (1 - v) * (1 - u) * data[base + top * width + left];
  corners[1] = (1 - v) * u * data[base + top * width + right];
  corners[2] = v * (1 - u) * data[base + bottom * width + left];
  corners[3] = v * u * data[base + bottom * width + right];
}

export const regions: readonly HostKernel[] = [
  define({
    op: 'MaxRoiPool',
    compute: ({ inputs: [x, rois], outputs: [y], attrs }) => {
      const scale = attrs['spatial_scale'] as number;
      const [, channels, height, width] = x!.dims;
      const [, , outHeight, outWidth] = y!.dims;
      return rows(y!, (region, channel, oh, at) => {
        const [image, x1, y1, x2, y2] = rois!.data.slice(5 * region, 5 * region + 5) as number[];
        const [left, top] = [round(x1 * scale), round(y1 * scale)];
        const binHeight = Math.max(round(y2 * scale) - top + 1, 1) / outHeight;
        const binWidth = Math.max(round(x2 * scale) - left + 1, 1) / outWidth;
        const base = (checkImage(image, x!) * channels + channel) * height * width;
        const [h0, h1] = [
          clamp(Math.floor(oh * binHeight) + top, height),
          clamp(Math.ceil((oh + 1) * binHeight) + top, height),
        ];
        for (let ow = 0; ow < outWidth; ow++) {
          const [w0, w1] = [
            clamp(Math.floor(ow * binWidth) + left, width),
            clamp(Math.ceil((ow + 1) * binWidth) + left, width),
          ];
          let best = h1 > h0 && w1 > w0 ? Number.NEGATIVE_INFINITY : 0;
          for (let h = h0; h < h1; h++)
            for (let w = w0; w < w1; w++) best = Math.max(best, x!.data[base + h * width + w]);
          y!.data[at + ow] = best;
        }
      });
    },
  }),
  define({
    op: 'RoiAlign',
    compute: ({ inputs: [x, rois, images], outputs: [y], attrs }) => {
      const scale = attrs['spatial_scale'] as number;
      const samples = attrs['sampling_ratio'] as number;
      const isAverage = attrs['mode'] === 'avg';
      const isHalfPixel = attrs['coordinate_transformation_mode'] === 'half_pixel';
      const [, channels, height, width] = x!.dims;
      const [, , outHeight, outWidth] = y!.dims;
      const corners = [0, 0, 0, 0];
      const shift = isHalfPixel ? 0.5 : 0;
      // Regions were at least one pixel wide before they were placed by half pixels.
      const extent = (from: number, to: number): number => {
        const size = to * scale - from * scale;
        return isHalfPixel ? size : Math.max(size, 1);
      };
      return rows(y!, (region, channel, oh, at) => {
        const [x1, y1, x2, y2] = rois!.data.slice(4 * region, 4 * region + 4) as number[];
        const [binHeight, binWidth] = [extent(y1, y2) / outHeight, extent(x1, x2) / outWidth];
        const [countH, countW] = samples > 0 ? [samples, samples] : [Math.ceil(binHeight), Math.ceil(binWidth)];
        if (!(countH * countW <= MAX_SAMPLES))
          throw new EspalierError('LIMIT', `region ${region} needs ${countH} x ${countW} samples in each bin`);
        const base = (checkImage(Number(images!.data[region]), x!) * channels + channel) * height * width;
        for (let ow = 0; ow < outWidth; ow++) {
          let sum = 0;
          let best = Number.NEGATIVE_INFINITY;
          for (let i = 0; i < countH; i++) {
            const h = y1 * scale - shift + (oh + (i + 0.5) / countH) * binHeight;
            for (let j = 0; j < countW; j++) {
              const w = x1 * scale - shift + (ow + (j + 0.5) / countW) * binWidth;
              readCorners(x!.data, base, height, width, h, w, corners);
              sum += corners[0] + corners[1] + corners[2] + corners[3];
              best = Math.max(best, ...corners);
            }
          }
          const hasSamples = countH > 0 && countW > 0;
          if (isAverage) y!.data[at + ow] = hasSamples ? sum / (countH * countW) : 0;
          else y!.data[at + ow] = hasSamples ? best : 0;
        }
      });
    },
  }),
];
