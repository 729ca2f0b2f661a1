/** Native memory as buffers: an address for kernels, a view for JavaScript. */

import { EspalierError } from '@espalier/core';
import type { Addon } from './addon.ts';

export interface NativeBuffer {
  readonly address: number;
  readonly bytes: number;
  /** The same memory; empty once the buffer is freed. */
  readonly view: Uint8Array;
}

/** Views of more than this abort the process on Node 20. */
export const MAX_BUFFER_BYTES = 2 ** 32 - 2 ** 16;

/** Allocates and frees; with `guard`, touching the byte after a buffer kills the process (for tests). */
export class Memory {
  /** Bytes that are allocated now. */
  live = 0;
  private readonly addon: Addon;
  private readonly guard: boolean;

  constructor(addon: Addon, guard = false) {
    this.addon = addon;
    this.guard = guard;
  }

  /** @throws EspalierError `LIMIT` when the system has no such memory */
  alloc(bytes: number): NativeBuffer {
    if (bytes > MAX_BUFFER_BYTES)
      throw new EspalierError('LIMIT', `a buffer of ${bytes} bytes is more than ${MAX_BUFFER_BYTES}`);
    let address: number;
    try {
      address = this.addon.allocate(bytes, this.guard);
    } catch (error) {
      throw new EspalierError('LIMIT', `the system has no ${bytes} bytes of memory left`, { cause: error });
    }
    this.live += bytes;
    // An external buffer of no bytes may be made at any address, and be no view of ours.
    const view = bytes > 0 ? new Uint8Array(this.addon.view(address, bytes)) : new Uint8Array(0);
    return { address, bytes, view };
  }

  free({ address, bytes, view }: NativeBuffer): void {
    if (bytes > 0) this.addon.detach(view.buffer as ArrayBuffer);
    this.addon.release(address, bytes, this.guard);
    this.live -= bytes;
  }
}
