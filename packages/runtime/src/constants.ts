/** The constants that runs still read once kernels have packed theirs. What nothing reads any more is let go. */

import { type AnyBackend, type Slot, Tensor } from '@espalier/core';
import type { Planned } from '@espalier/planner';

/** A tensor that keeps a buffer alive of which less than this share is used gets bytes of its own. */
const LEAST_SHARE = 0.5;

/** Gathers the constants that runs will read. What a backend wants in memory of its own goes there while others are still prepared. */
export class ConstantsKeeper {
  private readonly planned: Pick<Planned, 'graph' | 'inferred'>;
  private readonly roots: ReadonlyMap<string, string>;
  private readonly backends: readonly AnyBackend[];
  private readonly host = new Map<string, Tensor>();
  private readonly uploads: readonly Map<string, Promise<Slot<unknown>>>[];

  /** @param roots by value, the value whose bytes it is, where it is a view of another */
  constructor(
    planned: Pick<Planned, 'graph' | 'inferred'>,
    roots: ReadonlyMap<string, string>,
    backends: readonly AnyBackend[],
  ) {
    this.planned = planned;
    this.roots = roots;
    this.backends = backends;
    this.uploads = backends.map(() => new Map());
  }

  /** Something reads the value, if it is a constant: in host memory, or where that backend reads. */
  keep(name: string, backend?: number): void {
    const { graph, inferred } = this.planned;
    const root = this.roots.get(name) ?? name;
    const tensor = graph.constants.get(root) ?? inferred.values.get(root)?.constant;
    if (!tensor) return;
    if (backend === undefined || this.backends[backend]!.adopt) {
      this.host.set(root, tensor);
      return;
    }
    const uploads = this.uploads[backend]!;
    if (uploads.has(root)) return;
    const uploaded = upload(this.backends[backend]!, tensor);
    uploads.set(root, uploaded);
    // Whoever waits for all of them is told.
    uploaded.catch(() => undefined);
  }

  /** @param areBorrowed true where the bytes of the graph's constants are gone later */
  async finish(areBorrowed: boolean): Promise<Constants> {
    const slots = this.uploads.map(async (uploads) => {
      const pairs = [...uploads].map(async ([root, uploaded]) => [root, await uploaded] as const);
      return new Map(await Promise.all(pairs));
    });
    const host = areBorrowed ? mapValues(this.host, copyOf) : withoutWaste(this.host);
    return new Constants(this.backends, host, await Promise.all(slots));
  }

  /** Frees what was put into memory of backends. */
  async abandon(): Promise<void> {
    for (const [b, uploads] of this.uploads.entries()) {
      for (const uploaded of await Promise.allSettled(uploads.values()))
        if (uploaded.status === 'fulfilled') this.backends[b]!.free(uploaded.value.buffer);
    }
  }
}

async function upload(backend: AnyBackend, tensor: Tensor): Promise<Slot<unknown>> {
  return { buffer: backend.upload ? await backend.upload(tensor.bytes) : toBuffer(backend, tensor), offset: 0 };
}

export class Constants {
  private readonly backends: readonly AnyBackend[];
  private readonly host: ReadonlyMap<string, Tensor>;
  private readonly slots: readonly Map<string, Slot<unknown>>[];

  constructor(
    backends: readonly AnyBackend[],
    host: ReadonlyMap<string, Tensor>,
    slots: readonly Map<string, Slot<unknown>>[],
  ) {
    this.backends = backends;
    this.host = host;
    this.slots = slots;
  }

  has(name: string): boolean {
    return this.host.has(name) || this.slots.some((slots) => slots.has(name));
  }

  /** In host memory, where something reads it there. */
  tensor(name: string): Tensor | undefined {
    return this.host.get(name);
  }

  /** In a backend's memory; put there once. */
  slot(name: string, backend: number): Slot<unknown> | undefined {
    const known = this.slots[backend]!.get(name);
    if (known) return known;
    const tensor = this.host.get(name);
    if (!tensor) return undefined;
    const slot = { buffer: toBuffer(this.backends[backend]!, tensor), offset: 0 };
    this.slots[backend]!.set(name, slot);
    return slot;
  }

  dispose(): void {
    this.slots.forEach((slots, b) => {
      for (const { buffer } of slots.values()) this.backends[b]!.free(buffer);
      slots.clear();
    });
  }
}

/** Host memory as a buffer of the backend: its own bytes where the backend can work there. */
export function toBuffer(backend: AnyBackend, tensor: Tensor): unknown {
  if (backend.adopt) {
    // `data` is aligned for its dtype where `bytes` of a file may not be.
    const { buffer, byteOffset, byteLength } = tensor.data as ArrayBufferView;
    return backend.adopt(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const copy = backend.alloc(tensor.bytes.byteLength);
  backend.write(copy, 0, tensor.bytes);
  return copy;
}

/** The same tensor with memory of its own. */
export function copyOf(tensor: Tensor): Tensor {
  if (tensor.type === 'string') return new Tensor('string', [...(tensor.data as string[])], tensor.dims);
  return Tensor.fromBytes(tensor.type, tensor.bytes.slice(), tensor.dims);
}

/** Tensors as they are, or with bytes of their own where they would keep a far larger buffer, such as a whole file, in memory. */
function withoutWaste(tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const viewed = new Map<ArrayBufferLike, Set<Tensor>>();
  for (const tensor of tensors.values()) {
    if (tensor.type === 'string') continue;
    const { buffer } = tensor.bytes;
    viewed.set(buffer, (viewed.get(buffer) ?? new Set()).add(tensor));
  }
  const wasteful = new Set<ArrayBufferLike>();
  for (const [buffer, users] of viewed) {
    const used = [...users].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    if (used < LEAST_SHARE * buffer.byteLength) wasteful.add(buffer);
  }
  return mapValues(tensors, (tensor) =>
    tensor.type !== 'string' && wasteful.has(tensor.bytes.buffer) ? copyOf(tensor) : tensor,
  );
}

function mapValues<T>(map: ReadonlyMap<string, T>, change: (value: T) => T): ReadonlyMap<string, T> {
  return new Map([...map].map(([key, value]) => [key, change(value)]));
}
