/** What windows see: the input as it is, or copied into scratch memory with what stands around it. */

import { type Convolution, padded, seenExtents, type Windows, windowsOf } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import type { WasmCall, WasmProgram } from '../../program.ts';
import { copyProgram } from '../movement/program.ts';

export interface Seen {
  /** Of the three spatial axes. */
  readonly extents: readonly number[];
  /** Of scratch memory; 0 where the input is seen as it is. */
  readonly bytes: number;
  readonly windows: Windows;
  readonly channels: number;
}

export function seenBy(conv: Convolution, windows: Windows, channels: number): Seen {
  const extents = seenExtents(conv, windows);
  const isWhole = extents.every((extent, axis) => windows.begin[axis] === 0 && extent <= windows.input[axis]!);
  if (isWhole) return { extents: windows.input, bytes: 0, windows, channels };
  const size = windows.batch * channels * extents.reduce((a, b) => a * b, 1);
  return { extents, bytes: 64 * Math.ceil((4 * size) / 64), windows, channels };
}

/** What copying takes, in multiply-adds: for each row, and each element. */
const COPY = { row: 250, element: 2 } as const;

/** What {@link copySeen} takes of a call, in multiply-adds. */
export function copyCost(conv: Convolution, x: readonly number[], y: readonly number[]): number {
  const { extents, bytes } = seenBy(conv, windowsOf(conv, x, y), x[1]!);
  return bytes === 0 ? 0 : (bytes / 4) * (COPY.element + COPY.row / Math.max(1, extents[2]!));
}

/** Copies what is seen to the start of scratch memory, if it is not the input as it is. @param fill what stands around */
export function copySeen(engine: Engine, fill: number, seenIn: (bound: WasmCall) => Seen): Promise<WasmProgram> {
  return copyProgram(engine, 4, Float32Array.of(fill), (bound, element) => {
    const { extents, bytes, windows, channels } = seenIn(bound);
    if (bytes === 0) return [];
    const lead = [windows.batch, channels];
    const x = { address: bound.inputs[0]!.address, dims: [...lead, ...windows.input] };
    const y = { address: bound.scratch, dims: [...lead, ...extents] };
    return padded(x, y, [0, 0, ...windows.begin], 4, element);
  });
}
