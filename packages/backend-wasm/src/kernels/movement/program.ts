/** Programs that copy pieces. */

import type { Piece } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import type { WasmCall, WasmPhase, WasmProgram } from '../../program.ts';
import { programOf } from '../elements.ts';
import type { Size } from '../lanes.ts';
import { emitCopies } from './copy.ts';
import { type Copy, copyOf } from './pieces.ts';

/** Copies whose pieces follow from a bound call. */
function copyPhase(size: Size, pieces: (bound: WasmCall) => readonly Piece[]): Omit<WasmPhase, 'code'> {
  let last: { readonly bound: WasmCall; readonly copy: Copy } | undefined;
  const copy = (bound: WasmCall): Copy => {
    if (last?.bound !== bound) last = { bound, copy: copyOf(pieces(bound), size, bound.threads) };
    return last.copy;
  };
  return { units: (bound) => copy(bound).units, args: (bound) => copy(bound).args };
}

/** A program of one copy, that may read an element in memory of its own. */
export async function copyProgram(
  engine: Engine,
  size: Size,
  element: ArrayBufferView | undefined,
  pieces: (bound: WasmCall, element: number) => readonly Piece[],
): Promise<WasmProgram> {
  const buffer = element && engine.memory.put(element);
  const phase = copyPhase(size, (bound) => pieces(bound, buffer?.address ?? 0));
  const program = await programOf(engine, 'copies', {}, emitCopies, phase);
  return {
    ...program,
    dispose() {
      program.dispose!();
      if (buffer) engine.memory.free(buffer);
    },
  };
}
