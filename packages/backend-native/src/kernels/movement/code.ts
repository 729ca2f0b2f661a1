/** The code of all movements: one copy for each engine and instruction set, as none of it depends on a call. */

import { Assembler } from '@espalier/x64';
import { type LoadedCode, loadCode } from '../../code.ts';
import type { Engine } from '../../list.ts';
import { Vectors } from '../../math/index.ts';
import type { Size } from '../lanes.ts';
import { scattered } from '../reduce/functions.ts';
import { canTurn, emitDispatch, emitElements, emitFill, emitRows, emitTurn } from './emit.ts';
import { emitIndexed } from './indexed.ts';
import { emitCount, emitWords } from './values.ts';

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
  }
  parts.set('scatter none', (v) => emitIndexed(v, 8, 'scatter'));
  for (const { name, dtype, step } of scattered) parts.set(`scatter ${name} ${dtype}`, (v) => emitIndexed(v, 8, step));
  return parts;
}

export interface MovementCode {
  readonly isWide: boolean;
  /** Where a part begins; undefined where it is missing. */
  readonly entries: ReadonlyMap<string, number>;
  release(): void;
}

interface Shared {
  readonly code: LoadedCode;
  readonly entries: ReadonlyMap<string, number>;
  users: number;
}

const shared = new WeakMap<Engine, (Shared | undefined)[]>();

/** The code of an engine, made for its first user and gone with its last. */
export function movementCode(engine: Engine, isWide: boolean): MovementCode {
  const both = shared.get(engine) ?? [];
  shared.set(engine, both);
  const index = isWide ? 1 : 0;
  let found = both[index];
  if (!found) {
    const parts = partsOf(isWide ? 64 : 32);
    const code = loadCode(
      engine.addon,
      [...parts.values()].map((emit) => {
        const a = new Assembler();
        emit(new Vectors(a, isWide));
        return a.finish();
      }),
    );
    found = { code, entries: new Map([...parts.keys()].map((name, i) => [name, code.addresses[i]!])), users: 0 };
    both[index] = found;
  }
  const held = found;
  held.users++;
  return {
    isWide,
    entries: held.entries,
    release() {
      if (--held.users > 0) return;
      held.code.dispose();
      both[index] = undefined;
    },
  };
}
