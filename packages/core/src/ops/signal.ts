/** Fourier transforms, and the windows and filter banks that go with them. */

import { type Dim, dim } from '../dim.ts';
import { type DType, dtypeFromOnnx, floats, numbers } from '../dtype.ts';
import type { Inference, OpSchema } from '../schema.ts';
import { normalizeAxis } from '../shape.ts';
import { ranked, single, vector } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const lengths: readonly DType[] = ['int32', 'int64'];

/** The single integer that input `index` holds, where it is known. */
function scalar(c: Inference, index: number): Dim | undefined {
  single(c, index);
  return c.contents(index)?.[0];
}

function outputType(c: Inference): DType {
  const dtype = dtypeFromOnnx(c.int('output_datatype'));
  if (dtype === undefined || !(numbers as readonly DType[]).includes(dtype))
    c.fail(`its attribute "output_datatype" is ${c.int('output_datatype')}, which is no numeric type`);
  return dtype;
}

/** How many bins of a transform of `length` are given: all, or those that its symmetry does not repeat. */
const bins = (length: Dim, onesided: boolean): Dim => (onesided ? dim.add(dim.floorDiv(length, 2), 1) : length);

function dft(c: Inference): void {
  const shape = [...ranked(c, 0, 2, true)];
  const last = shape.length - 1;
  const [inverse, onesided] = [c.int('inverse') !== 0, c.int('onesided') !== 0];
  if (shape[last] !== 1 && shape[last] !== 2) c.fail(`its input is [${shape}]; the last axis must be 1 or 2`);
  if (onesided && shape[last] !== (inverse ? 2 : 1))
    c.fail(`transforms one side ${inverse ? 'back' : ''}, and so needs ${inverse ? 'complex' : 'real'} input`);
  const axis = c.has(2) ? c.integers(2)?.[0] : -2;
  const length = c.has(1) ? scalar(c, 1) : undefined;
  const extent = (own: Dim): Dim => {
    if (c.has(1) && length === undefined) return c.fresh(0, 0);
    if (inverse && onesided) return length ?? dim.mul(2, dim.sub(own, 1));
    return bins(length ?? own, onesided);
  };
  shape[last] = inverse && onesided ? 1 : 2;
  if (axis === undefined) {
    for (let i = 0; i < last; i++) shape[i] = c.fresh(0, i + 1);
  } else {
    const at = normalizeAxis(axis, shape.length);
    if (at === last) c.fail(`cannot transform axis ${axis}, which holds real and imaginary parts`);
    shape[at] = extent(shape[at]);
  }
  c.output(0, shape);
}

function stft(c: Inference): void {
  const [batch, length, parts] = ranked(c, 0, 3);
  if (parts !== 1 && parts !== 2) c.fail(`its signal is [${c.shape(0)}]; the last axis must be 1 or 2`);
  const onesided = c.int('onesided') !== 0;
  if (onesided && parts === 2)
    c.fail('transforms a complex signal, which has no one-sided spectrum: set onesided to 0');
  const step = scalar(c, 1);
  if (typeof step === 'number' && step < 1) c.fail(`its frame_step is ${step}`);
  const window = c.has(2) ? ranked(c, 2, 1)[0] : undefined;
  const frame = (c.has(3) ? scalar(c, 3) : undefined) ?? window ?? (c.has(3) ? undefined : length);
  // What follows from a size that only the run tells is told by the run, too.
  if (frame === undefined) {
    c.output(0, [batch, c.fresh(0, 1), c.fresh(0, 2), 2]);
    return;
  }
  vector(c, 2, frame);
  const frames = step === undefined ? c.fresh(0, 1) : dim.add(dim.floorDiv(dim.sub(length, frame), step), 1);
  c.output(0, [batch, frames, bins(frame, onesided), 2]);
}

const window = (name: string): OpSchema =>
  op(name, [17], {
    types: { T1: lengths, T2: numbers },
    inputs: params('size:T1'),
    outputs: params('output:T2'),
    attributes: { output_datatype: attr.int(1), periodic: attr.int(1) },
    shapeInputs: [0],
    infer: (c) => c.output(0, [scalar(c, 0) ?? c.fresh(0, 0)], { dtype: outputType(c) }),
  });

export const signal = schemas(() => [
  op('DFT', [17, 20], {
    types: { T1: floats, T2: lengths },
    inputs: params('input:T1', 'dft_length?:T2', 'axis?:int64'),
    outputs: params('output:T1'),
    attributes: { inverse: attr.int(0), onesided: attr.int(0) },
    shapeInputs: [1, 2],
    infer: dft,
  }),
  op('STFT', [17], {
    types: { T1: floats, T2: lengths },
    inputs: params('signal:T1', 'frame_step:T2', 'window?:T1', 'frame_length?:T2'),
    outputs: params('output:T1'),
    attributes: { onesided: attr.int(1) },
    shapeInputs: [1, 3],
    infer: stft,
  }),
  op('MelWeightMatrix', [17], {
    types: { T1: lengths, T2: floats, T3: numbers },
    inputs: params('num_mel_bins:T1', 'dft_length:T1', 'sample_rate:T1', 'lower_edge_hertz:T2', 'upper_edge_hertz:T2'),
    outputs: params('output:T3'),
    attributes: { output_datatype: attr.int(1) },
    shapeInputs: [0, 1],
    infer: (c) => {
      for (const index of [2, 3, 4]) single(c, index);
      const [mel, length] = [scalar(c, 0), scalar(c, 1)];
      const rows = length === undefined ? c.fresh(0, 0) : bins(length, true);
      c.output(0, [rows, mel ?? c.fresh(0, 1)], { dtype: outputType(c) });
    },
  }),
  window('HannWindow'),
  window('HammingWindow'),
  window('BlackmanWindow'),
]);
