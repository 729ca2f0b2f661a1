/** The memory of a model, that kernels work in: it grows in steps, and is let go when nothing in it is used any more. */

import { EspalierError } from '@espalier/core';
import { Allocator } from './allocator.ts';

export interface WasmBuffer {
  readonly address: number;
  readonly bytes: number;
}

export const PAGE = 2 ** 16;
/** What 32 bits can address. */
export const MOST_PAGES = 2 ** 16;
/** Address spaces to ask for, in pages: not every host grants the largest. */
const SPACES = [MOST_PAGES, MOST_PAGES / 2, MOST_PAGES / 4, MOST_PAGES / 16];
const ALIGNMENT = 64;
/** Kept free at both ends: no operand is at address 0, and vectors may be read beyond the last one. */
const MARGIN = 64;
/** Pages that are added at least, and as a share of what is there. */
const STEP = 64;
const SHARE = 1 / 8;
/** A memory of this size at most is kept for the next model. */
const SPARE_BYTES = 2 ** 25;
export const MAX_BUFFER_BYTES = MOST_PAGES * PAGE - 2 * PAGE;

/** A WebAssembly memory with what is free in it. */
export interface Space {
  readonly object: WebAssembly.Memory;
  readonly maximum: number;
  readonly allocator: Allocator;
}

/** What the memories of an engine have in common. */
export interface Household {
  /** Bytes that are allocated now. */
  live: number;
  /** An empty memory for the next model: to let go of one takes garbage collections, in every worker. */
  spare?: Space | undefined;
  /** Told when a memory that is too large to be kept is let go. */
  onDrop?(): void;
}

export class Memory {
  /** Bytes that are allocated now. */
  live = 0;
  readonly isShared: boolean;
  readonly household: Household;
  private space: Space | undefined;
  private buffer: ArrayBufferLike | undefined;
  private words: Int32Array | undefined;

  constructor(isShared: boolean, household: Household = { live: 0 }) {
    this.isShared = isShared;
    this.household = household;
  }

  /** @throws EspalierError `LIMIT` when it does not fit into the memory */
  alloc(bytes: number): WasmBuffer {
    const size = roundUp(Math.max(1, bytes), ALIGNMENT);
    this.space ??= this.takeSpare() ?? makeSpace(this.isShared);
    const address = this.space.allocator.take(size) ?? this.grow(size);
    this.count(size);
    return { address, bytes };
  }

  free({ address, bytes }: WasmBuffer): void {
    const size = roundUp(Math.max(1, bytes), ALIGNMENT);
    this.space!.allocator.release(address, size);
    this.count(-size);
    if (this.live > 0) return;
    if (this.object.buffer.byteLength <= SPARE_BYTES) this.household.spare = this.space;
    else this.household.onDrop?.();
    this.space = undefined;
    this.buffer = undefined;
    this.words = undefined;
  }

  /** The WebAssembly object, as long as something is allocated. */
  get object(): WebAssembly.Memory {
    return this.space!.object;
  }

  /** The buffer's bytes, until memory is allocated next where it is not shared. */
  view({ address, bytes }: WasmBuffer): Uint8Array {
    return new Uint8Array(this.space!.object.buffer, address, bytes);
  }

  /** All of it as words, until memory is allocated next. */
  get i32(): Int32Array {
    const { buffer } = this.space!.object;
    if (buffer !== this.buffer) {
      this.buffer = buffer;
      this.words = new Int32Array(buffer);
    }
    return this.words!;
  }

  private count(bytes: number): void {
    this.live += bytes;
    this.household.live += bytes;
  }

  private takeSpare(): Space | undefined {
    const { spare } = this.household;
    this.household.spare = undefined;
    return spare;
  }

  private grow(bytes: number): number {
    const { object, maximum, allocator } = this.space!;
    const pages = object.buffer.byteLength / PAGE;
    const needed = Math.ceil((bytes - allocator.tail) / PAGE);
    const wanted = Math.max(needed, Math.min(Math.max(STEP, Math.ceil(pages * SHARE)), maximum - pages));
    for (const step of [wanted, needed]) {
      if (pages + step > maximum) continue;
      try {
        object.grow(step);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        continue; // The host has no more: a smaller step, or the error below.
      }
      allocator.extend((pages + step) * PAGE - MARGIN);
      return allocator.take(bytes)!;
    }
    const most = (maximum * PAGE) / 2 ** 30;
    throw new EspalierError(
      'LIMIT',
      `${bytes} bytes more than the ${this.live} in use do not fit: a model has one WebAssembly memory, on this host of at most ${most} GiB`,
    );
  }
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

function makeSpace(shared: boolean): Space {
  for (const maximum of SPACES) {
    try {
      const object = new WebAssembly.Memory({ initial: STEP, maximum, shared });
      const allocator = new Allocator(MARGIN);
      allocator.extend(STEP * PAGE - MARGIN);
      return { object, maximum, allocator };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // Too large for the host: the next one.
    }
  }
  throw new EspalierError('LIMIT', 'this host has no address space for a WebAssembly memory');
}
