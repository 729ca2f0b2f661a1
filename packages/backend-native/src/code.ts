/** Emitted code in executable pages. */

import { UnsupportedError } from '@espalier/core';
import type { Addon } from './addon.ts';
import { noteCode } from './debug.ts';

export interface LoadedCode {
  /** Where each part begins. */
  readonly addresses: readonly number[];
  /** Bytes of pages. */
  readonly bytes: number;
  dispose(): void;
}

/** Entries and the constants behind code are aligned to this. */
const ALIGNMENT = 64;
/** Between parts, where nothing may run. */
const INT3 = 0xcc;

/**
 * Maps parts of code into pages of their own, in one go: a page costs more than what it holds.
 * @throws UnsupportedError where the host forbids executable pages
 */
export function loadCode(addon: Addon, parts: readonly Uint8Array[]): LoadedCode {
  const offsets: number[] = [];
  let bytes = 0;
  for (const part of parts) {
    offsets.push(bytes);
    bytes += Math.ceil(part.byteLength / ALIGNMENT) * ALIGNMENT;
  }
  const all = new Uint8Array(bytes);
  parts.forEach((part, i) => {
    all.set(part, offsets[i]);
    all.fill(INT3, offsets[i]! + part.byteLength, offsets[i + 1] ?? bytes);
  });
  let base: number;
  try {
    base = addon.mapCode(all);
  } catch (error) {
    throw new UnsupportedError(`this host forbids executable pages: ${(error as Error).message}`, [], { cause: error });
  }
  const addresses = offsets.map((offset) => base + offset);
  addresses.forEach((address, i) => {
    noteCode(address, parts[i]!.byteLength);
  });
  return { addresses, bytes, dispose: () => addon.unmapCode(base, bytes) };
}

interface Shared {
  readonly code: LoadedCode;
  users: number;
}

const shared = new WeakMap<Addon, Map<string, Shared>>();

/**
 * Code that is emitted and mapped once for all who hold the same at a time, and gone with the last of them: the layers of a model
 * differ in little but their weights.
 * @param of what `emit` is told: all that the code depends on. Functions, `emit` too, are known by identity, data by their JSON
 */
export function sharedCode<Of extends readonly unknown[]>(
  addon: Addon,
  emit: (...of: Of) => Uint8Array | readonly Uint8Array[],
  ...of: Of
): LoadedCode {
  const known = shared.get(addon) ?? new Map<string, Shared>();
  shared.set(addon, known);
  const key = JSON.stringify([emit, of], (_, value) => keyOf(value));
  const held = known.get(key) ?? { code: loadCode(addon, [emit(...of)].flat()), users: 0 };
  known.set(key, held);
  held.users++;
  const { addresses, bytes } = held.code;
  return {
    addresses,
    bytes,
    dispose() {
      if (--held.users > 0) return;
      known.delete(key);
      held.code.dispose();
    },
  };
}

const identities = new WeakMap<object, number>();
let identityCount = 0;

function keyOf(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : String(value);
  if (typeof value === 'string') return `"${value}`;
  if (typeof value !== 'function') return value;
  const known = identities.get(value) ?? identityCount++;
  identities.set(value, known);
  return `function ${known}`;
}
