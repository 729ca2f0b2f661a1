/** Files as memory, without reading them into memory of their own. */

import { findAddon } from './addon.ts';
import { MAX_BUFFER_BYTES } from './memory.ts';

export interface MappedFile {
  /** Empty once the file is closed. Reading what a file has lost meanwhile kills the process. */
  readonly bytes: Uint8Array;
  close(): void;
}

/** Maps a file; undefined where this host cannot, or not this file: reading it says more. */
export async function mapFile(path: string): Promise<MappedFile | undefined> {
  const found = findAddon();
  if ('reason' in found) return undefined;
  const { addon } = found;
  let mapped: Awaited<ReturnType<typeof addon.mapFile>>;
  try {
    mapped = await addon.mapFile(path);
  } catch {
    return undefined;
  }
  const { address, bytes } = mapped;
  if (bytes === 0 || bytes > MAX_BUFFER_BYTES) {
    addon.unmapFile(address, bytes);
    return undefined;
  }
  const memory = addon.view(address, bytes);
  return {
    bytes: new Uint8Array(memory),
    close() {
      if (memory.byteLength === 0) return;
      addon.detach(memory);
      addon.unmapFile(address, bytes);
    },
  };
}
