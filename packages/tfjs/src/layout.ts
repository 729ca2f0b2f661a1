/** TensorFlow keeps channels in the last axis (NHWC), ONNX in the second (NCHW). */

import type { Operand } from './builder.ts';
import type { Translation } from './translation.ts';

/** What the node's `data_format` says; also for 1-D and 3-D images. */
export function isChannelsLast(c: Translation): boolean {
  const format = c.attrs.string('data_format', 'NHWC');
  if (!/^N(D?HW?C|CD?HW?)$/.test(format)) c.unsupported(`no data_format ${format}`);
  return format.endsWith('C');
}

/** From NHWC to NCHW. */
export function channelsFirst(c: Translation, x: Operand): string {
  const rank = c.rank(x);
  return c.transpose(x, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}

/** From NCHW to NHWC. */
export function channelsLast(c: Translation, x: Operand): string {
  const rank = c.rank(x);
  return c.transpose(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

/** In ONNX's layout, whichever the node has. */
export function toOnnxLayout(c: Translation, x: Operand): Operand {
  return isChannelsLast(c) ? channelsFirst(c, x) : x;
}

/** From ONNX's layout to the node's. */
export function toNodeLayout(c: Translation, x: Operand): Operand {
  return isChannelsLast(c) ? channelsLast(c, x) : x;
}
