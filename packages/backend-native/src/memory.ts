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

/** Bytes of a chunk: what is large lies in huge pages, and what nobody touched takes no memory. */
const CHUNK_BYTES = 2 ** 24;
/** Larger ones lie alone. */
const MOST_SHARED = CHUNK_BYTES / 4;
/** What fits into none of the last ones opens another. */
const MOST_OPEN = 2;
const ALIGNMENT = 64;

/** Memory that buffers share. Each part is used once, so that it is fresh; the whole goes back with the last of them. */
interface Chunk {
  readonly address: number;
  used: number;
  parts: number;
}

class Allocation implements NativeBuffer {
  readonly address: number;
  readonly bytes: number;
  /** What it is a part of. */
  readonly chunk: Chunk | undefined;
  private readonly addon: Addon;
  private known: Uint8Array | undefined;

  constructor(addon: Addon, address: number, bytes: number, chunk: Chunk | undefined) {
    this.addon = addon;
    this.address = address;
    this.bytes = bytes;
    this.chunk = chunk;
  }

  /** Made when it is first asked for: V8 collects the sooner the more memory it has views of, and most is only native code's. */
  get view(): Uint8Array {
    // An external buffer of no bytes may be made at any address, and be no view of ours.
    this.known ??= new Uint8Array(this.bytes > 0 ? this.addon.view(this.address, this.bytes) : new ArrayBuffer(0));
    return this.known;
  }

  /** Empties the view. */
  end(): void {
    if (this.known && this.bytes > 0) this.addon.detach(this.known.buffer as ArrayBuffer);
    this.known ??= new Uint8Array(0);
  }
}

/** Allocates and frees; with `guard`, touching the byte after a buffer kills the process (for tests). */
export class Memory {
  /** Bytes that are allocated now. */
  live = 0;
  private readonly addon: Addon;
  private readonly guard: boolean;
  /** Those with room. */
  private open: Chunk[] = [];

  constructor(addon: Addon, guard = false) {
    this.addon = addon;
    this.guard = guard;
  }

  /** Zeros. @throws EspalierError `LIMIT` when the system has no such memory */
  alloc(bytes: number): NativeBuffer {
    return this.bufferAt(this.allocate(bytes), bytes);
  }

  /**
   * The same for what stays as long as a session: next to each other in huge pages, as weights that are read once in a run miss
   * a page each otherwise.
   */
  allocLasting(bytes: number): NativeBuffer {
    if (this.guard || bytes === 0 || bytes > MOST_SHARED) return this.alloc(bytes);
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const chunk = this.open.find(({ used }) => used + size <= CHUNK_BYTES) ?? this.openChunk();
    const address = chunk.address + chunk.used;
    chunk.used += size;
    chunk.parts++;
    return this.bufferAt(address, bytes, chunk);
  }

  private openChunk(): Chunk {
    const chunk = { address: this.allocate(CHUNK_BYTES), used: 0, parts: 0 };
    this.open = [...this.open, chunk].slice(-MOST_OPEN);
    return chunk;
  }

  free(buffer: NativeBuffer): void {
    const { address, bytes, chunk } = buffer as Allocation;
    (buffer as Allocation).end();
    this.live -= bytes;
    if (!chunk) this.addon.release(address, bytes, this.guard);
    else if (--chunk.parts === 0) {
      this.open = this.open.filter((other) => other !== chunk);
      this.addon.release(chunk.address, CHUNK_BYTES, this.guard);
    }
  }

  private allocate(bytes: number): number {
    if (bytes > MAX_BUFFER_BYTES)
      throw new EspalierError('LIMIT', `a buffer of ${bytes} bytes is more than ${MAX_BUFFER_BYTES}`);
    try {
      return this.addon.allocate(bytes, this.guard);
    } catch (error) {
      throw new EspalierError('LIMIT', `the system has no ${bytes} bytes of memory left`, { cause: error });
    }
  }

  private bufferAt(address: number, bytes: number, chunk?: Chunk): NativeBuffer {
    this.live += bytes;
    return new Allocation(this.addon, address, bytes, chunk);
  }
}
