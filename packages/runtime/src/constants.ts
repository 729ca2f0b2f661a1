/** The constants that runs still read once kernels have packed theirs. What nothing reads any more is let go. */

import { type AnyBackend, type Slot, Tensor, usedValues } from '@espalier/core';
import type { Planned } from '@espalier/planner';
import type { Unit } from './executable.ts';

/** A tensor that keeps a buffer alive of which less than this share is used gets bytes of its own. */
const LEAST_SHARE = 0.5;

export class Constants {
  private readonly backends: readonly AnyBackend[];
  private readonly host: ReadonlyMap<string, Tensor>;
  private readonly slots: readonly Map<string, Slot<unknown>>[];

  private constructor(backends: readonly AnyBackend[], host: ReadonlyMap<string, Tensor>) {
    this.backends = backends;
    this.host = host;
    this.slots = backends.map(() => new Map());
  }

  /**
   * @param roots by value, the value whose bytes it is, where it is a view of another
   * @param areBorrowed true where the bytes of the graph's constants are gone later
   */
  static async of(
    { graph, inferred }: Planned,
    units: readonly Unit[],
    roots: ReadonlyMap<string, string>,
    backends: readonly AnyBackend[],
    areBorrowed: boolean,
  ): Promise<Constants> {
    const host = new Map<string, Tensor>();
    const uploads = backends.map(() => new Map<string, Tensor>());
    const keep = (name: string, backend?: number): void => {
      const root = roots.get(name) ?? name;
      const tensor = graph.constants.get(root) ?? inferred.values.get(root)?.constant;
      if (!tensor) return;
      if (backend === undefined || backends[backend]!.adopt) host.set(root, tensor);
      else uploads[backend]!.set(root, tensor);
    };
    for (const name of graph.outputs) keep(name);
    for (const unit of units) {
      if (unit.kind === 'region') for (const name of unit.reads) keep(name, unit.backend);
      else for (const name of usedValues(unit.task.node)) keep(name);
    }
    const constants = new Constants(backends, areBorrowed ? mapValues(host, copyOf) : withoutWaste(host));
    const done = await Promise.allSettled(
      uploads.flatMap((tensors, b) => [...tensors].map(([root, tensor]) => constants.upload(root, tensor, b))),
    );
    const failed = done.find((each) => each.status === 'rejected');
    if (!failed) return constants;
    constants.dispose();
    throw failed.reason;
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
    return tensor && this.place(name, tensor, backend);
  }

  private place(name: string, tensor: Tensor, backend: number): Slot<unknown> {
    const slot = { buffer: toBuffer(this.backends[backend]!, tensor), offset: 0 };
    this.slots[backend]!.set(name, slot);
    return slot;
  }

  private async upload(name: string, tensor: Tensor, backend: number): Promise<void> {
    const to = this.backends[backend]!;
    if (!to.upload) this.place(name, tensor, backend);
    else this.slots[backend]!.set(name, { buffer: await to.upload(tensor.bytes), offset: 0 });
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
