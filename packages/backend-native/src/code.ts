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
