/** The code of movements, in parts, one copy of each for each instruction set, as none of it depends on a call. */

import { Assembler } from '@espalier/x64';
import { type LoadedCode, sharedCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import { Vectors } from '../../math/index.ts';
import type { Size } from '../lanes.ts';
import { scattered } from '../reduce/functions.ts';
import { canTurn, emitDispatch, emitElements, emitFill, emitRows, emitTurn } from './emit.ts';
import { emitIndexed } from './indexed.ts';
import { emitCount, emitMark, emitWords } from './values.ts';

const sizes: readonly Size[] = [1, 2, 4, 8];

/** By name; a name that is not there is code that this instruction set has no registers for. */
function partsOf(bytes: number): ReadonlyMap<string, (v: Vectors) => void> {
  const parts = new Map<string, (v: Vectors) => void>([
    ['dispatch', emitDispatch],
    ['rows', emitRows],
  ]);
  for (const size of sizes) {
    parts.set(`fill ${size}`, (v) => emitFill(v, size));
    parts.set(`elements ${size}`, (v) => emitElements(v, size));
    if (canTurn(size, bytes === 64))
      for (const each of [bytes, 16]) {
        parts.set(`turn ${size} ${each}`, (v) => emitTurn(v, size, each, false));
        parts.set(`turn ${size} ${each} staged`, (v) => emitTurn(v, size, each, true));
      }
  }
  for (const size of [4, 8] as const) {
    parts.set(`gather ${size}`, (v) => emitIndexed(v, size, 'gather'));
    parts.set(`count ${size}`, (v) => emitCount(v, size));
    parts.set(`words ${size}`, (v) => emitWords(v, size));
    for (const each of sizes) parts.set(`mark ${size} ${each}`, (v) => emitMark(v, size, each));
  }
  parts.set('scatter none', (v) => emitIndexed(v, 8, 'scatter'));
  for (const { name, dtype, step } of scattered) parts.set(`scatter ${name} ${dtype}`, (v) => emitIndexed(v, 8, step));
  return parts;
}

export interface MovementCode {
  readonly isWide: boolean;
  /** Where a part begins, which is emitted when it is first asked for; undefined where it is missing. */
  readonly entries: { get(name: string): number | undefined };
  release(): void;
}

const known = new Map<boolean, ReturnType<typeof partsOf>>();

function parts(isWide: boolean): ReturnType<typeof partsOf> {
  const found = known.get(isWide) ?? partsOf(isWide ? 64 : 32);
  known.set(isWide, found);
  return found;
}

function emitPart(isWide: boolean, name: string): Uint8Array {
  const a = new Assembler();
  parts(isWide).get(name)!(new Vectors(a, isWide));
  return a.finish();
}

/** Code that its user releases when it needs none of its parts any more. */
export function movementCode({ addon }: Engine, isWide: boolean): MovementCode {
  const held = new Map<string, LoadedCode>();
  return {
    isWide,
    entries: {
      get(name) {
        const code =
          held.get(name) ?? (parts(isWide).has(name) ? sharedCode(addon, emitPart, isWide, name) : undefined);
        if (code) held.set(name, code);
        return code?.addresses[0];
      },
    },
    release() {
      for (const code of held.values()) code.dispose();
      held.clear();
    },
  };
}
