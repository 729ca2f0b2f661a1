/**
 * The memory of a model, that kernels work in: it grows in steps, and is let go when nothing in it is used any more. Where memory can be
 * shared, this thread writes and reads it; where it cannot, the worker that has it does, in the order in which it is told.
 */

import { EspalierError, runGenerator, Slicer } from '@espalier/core';
import { Allocator } from './allocator.ts';
import type { Pool } from './pool.ts';

export interface WasmBuffer {
  readonly address: number;
  readonly bytes: number;
}

const PAGE = 2 ** 16;
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
const SPARE_PAGES = 512;
export const MAX_BUFFER_BYTES = MOST_PAGES * PAGE - 2 * PAGE;

/** A WebAssembly memory with what is free in it. */
export interface Space {
  /** The memory itself where it is shared. */
  readonly object: WebAssembly.Memory | undefined;
  pages: number;
  readonly maximum: number;
  readonly allocator: Allocator;
}

/** What the memories of an engine have in common. */
export interface Household {
  readonly pool: Pool;
  /** Bytes that are allocated now. */
  live: number;
  /** An empty memory for the next model: to let go of one takes garbage collections, in every worker. */
  spare?: Space | undefined;
}

export class Memory {
  /** Bytes that are allocated now. */
  live = 0;
  readonly household: Household;
  private current: Space | undefined;

  constructor(household: Household) {
    this.household = household;
  }

  /** @throws EspalierError `LIMIT` when it does not fit into the memory */
  alloc(bytes: number): WasmBuffer {
    const size = roundUp(Math.max(1, bytes), ALIGNMENT);
    this.current ??= this.takeSpare() ?? this.makeSpace();
    const address = this.current.allocator.take(size) ?? this.grow(size);
    this.count(size);
    return { address, bytes };
  }

  free({ address, bytes }: WasmBuffer): void {
    const size = roundUp(Math.max(1, bytes), ALIGNMENT);
    this.space.allocator.release(address, size);
    this.count(-size);
    if (this.live > 0) return;
    const { household, space } = this;
    if (space.pages <= SPARE_PAGES && !household.spare) household.spare = space;
    else {
      household.pool.removeMemory(space);
      if (space.pages > SPARE_PAGES) household.pool.renew();
    }
    this.current = undefined;
  }

  /** Lets go of what was kept for the next model. */
  dispose(): void {
    const { spare, pool } = this.household;
    if (spare) pool.removeMemory(spare);
    this.household.spare = undefined;
  }

  /** As long as something is allocated. */
  get space(): Space {
    return this.current!;
  }

  /** The buffer's bytes, where this thread sees them. */
  view({ address, bytes }: WasmBuffer): Uint8Array | undefined {
    const { object } = this.space;
    return object && new Uint8Array(object.buffer, address, bytes);
  }

  write(buffer: WasmBuffer, offset: number, bytes: Uint8Array): void {
    const view = this.view(buffer);
    if (view) view.set(bytes, offset);
    else this.household.pool.write(this.space, buffer.address + offset, bytes);
  }

  /** The first bytes of a buffer become zero. */
  clear(buffer: WasmBuffer, bytes: number): void {
    const view = this.view(buffer);
    if (view) view.fill(0, 0, bytes);
    else this.write(buffer, 0, new Uint8Array(bytes));
  }

  async read(buffer: WasmBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    const view = this.view(buffer);
    return view
      ? view.slice(offset, offset + bytes)
      : this.household.pool.read(this.space, buffer.address + offset, bytes);
  }

  /** A buffer that `packing` fills, giving the event loop its turns. What it leaves out is anything. */
  async pack(bytes: number, packing: (to: Uint8Array) => Generator<void, void>): Promise<WasmBuffer> {
    const buffer = this.alloc(bytes);
    try {
      const view = this.view(buffer);
      const to = view ?? new Uint8Array(bytes);
      await runGenerator(packing(to), new Slicer());
      if (!view) this.household.pool.write(this.space, buffer.address, to, [to.buffer as ArrayBuffer]);
      return buffer;
    } catch (error) {
      this.free(buffer);
      throw error;
    }
  }

  /** A buffer of these bytes. */
  put({ buffer, byteOffset, byteLength }: ArrayBufferView): WasmBuffer {
    const copy = this.alloc(byteLength);
    this.write(copy, 0, new Uint8Array(buffer, byteOffset, byteLength));
    return copy;
  }

  private count(bytes: number): void {
    this.live += bytes;
    this.household.live += bytes;
  }

  private takeSpare(): Space | undefined {
    const { spare, pool } = this.household;
    this.household.spare = undefined;
    return spare && pool.has(spare) ? spare : undefined;
  }

  private makeSpace(): Space {
    const { pool } = this.household;
    const made = pool.isShared ? makeShared() : { object: undefined, maximum: MOST_PAGES };
    const space = { ...made, pages: STEP, allocator: new Allocator(MARGIN) };
    space.allocator.extend(STEP * PAGE - MARGIN);
    pool.addMemory(space, SPACES);
    return space;
  }

  private grow(bytes: number): number {
    const { space } = this;
    const { object, pages, maximum, allocator } = space;
    const needed = Math.ceil((bytes - allocator.tail) / PAGE);
    const wanted = Math.max(needed, Math.min(Math.max(STEP, Math.ceil(pages * SHARE)), maximum - pages));
    for (const step of [wanted, needed]) {
      if (pages + step > maximum) continue;
      try {
        if (object) object.grow(step);
        else this.household.pool.growMemory(space, step);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        continue; // The host has no more: a smaller step, or the error below.
      }
      space.pages += step;
      allocator.extend(space.pages * PAGE - MARGIN);
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

function makeShared(): Pick<Space, 'object' | 'maximum'> {
  for (const maximum of SPACES) {
    try {
      return { object: new WebAssembly.Memory({ initial: STEP, maximum, shared: true }), maximum };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // Too large for the host: the next one.
    }
  }
  throw new EspalierError('LIMIT', 'this host grants no WebAssembly memory');
}
