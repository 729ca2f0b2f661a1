/** Emits cases as GNU as is asked to: each padded to a slot. */
import { Assembler } from '../src/index.ts';
import type { Case } from './cases.ts';
import { PAD, SLOT } from './gnu.ts';

const padding = new Uint8Array(SLOT).fill(PAD);

export function emitAll(cases: Iterable<Case>): Uint8Array {
  const a = new Assembler();
  for (const { emit, text } of cases) {
    const start = a.position;
    try {
      emit(a, text.includes('@') ? a.here() : 0);
    } catch (cause) {
      throw new Error(`cannot emit: ${text}`, { cause });
    }
    a.data(padding.subarray(0, SLOT - (a.position - start)));
  }
  return a.finish();
}
