/** Buffers kept for the next run instead of being given back after each. */

import { type AnyBackend, EspalierError } from '@espalier/core';

/** A buffer of the backend. @throws EspalierError `LIMIT` when it is too large for the backend or for the machine */
export function allocate(backend: AnyBackend, bytes: number): unknown {
  const { id, limits } = backend;
  if (bytes > limits.maxBufferBytes)
    throw new EspalierError(
      'LIMIT',
      `a buffer of ${bytes} bytes is needed; backend ${id} has at most ${limits.maxBufferBytes}: run with smaller sizes`,
    );
  try {
    return backend.alloc(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new EspalierError('LIMIT', `there is no memory for a buffer of ${bytes} bytes on backend ${id}`, { cause });
  }
}

interface Kept {
  readonly buffer: unknown;
  readonly bytes: number;
}

/** Keeps the one buffer that was used last; concurrent runs get buffers of their own. */
export class Pool {
  private readonly backend: AnyBackend;
  private kept: Kept | undefined;
  private disposed = false;

  constructor(backend: AnyBackend) {
    this.backend = backend;
  }

  take(bytes: number): Kept {
    const kept = this.kept;
    // A buffer far larger than this run needs would hold memory that only one odd run wanted.
    if (kept && kept.bytes >= bytes && kept.bytes <= 4 * bytes + 65536) {
      this.kept = undefined;
      return kept;
    }
    return { buffer: allocate(this.backend, bytes), bytes };
  }

  give(used: Kept): void {
    const old = this.kept;
    this.kept = this.disposed ? undefined : used;
    if (this.disposed) this.backend.free(used.buffer);
    else if (old) this.backend.free(old.buffer);
  }

  dispose(): void {
    this.disposed = true;
    if (this.kept) this.backend.free(this.kept.buffer);
    this.kept = undefined;
  }
}

export type { Kept };
