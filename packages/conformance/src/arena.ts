/**
 * One buffer with all operands of one run, as the runtime lays them out: aligned, one after the other. What lies between them,
 * and outputs before they are written, is filled with bytes that are a very large number in every floating-point dtype, so
 * that reading outside an operand spoils the result and writing outside one is seen.
 */

import {
  type AnyBackend,
  type Binding,
  bindShape,
  byteLength,
  type Call,
  dtypes,
  type HostCall,
  type HostOperand,
  type Program,
  type Slot,
  sizeOf,
  Tensor,
  type TensorDesc,
} from '@espalier/core';
import { Mismatch } from './mismatch.ts';

const GUARD = 0xfb;
const GUARD_BYTES = 64;

interface Place {
  readonly what: string;
  readonly desc: TensorDesc;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}

export class Arena {
  /** By input, then by output. */
  readonly slots: readonly (Slot<unknown> | undefined)[];
  readonly at: Binding;
  private readonly backend: AnyBackend;
  private readonly call: Call;
  private readonly inputs: readonly (Place | undefined)[];
  private readonly outputs: readonly (Place | undefined)[];
  private readonly before: Uint8Array;
  private readonly buffer: unknown;

  constructor(
    backend: AnyBackend,
    call: Call,
    program: Pick<Program, 'packed'>,
    tensors: readonly (Tensor | undefined)[],
    at: Binding,
  ) {
    this.backend = backend;
    this.call = call;
    this.at = at;
    const { alignment } = backend.limits;
    let end = 0;
    const place = (desc: TensorDesc | undefined, what: string): Place | undefined => {
      if (!desc) return undefined;
      const dims = bindShape(desc.shape, at);
      const bytes = byteLength(desc.dtype, sizeOf(dims));
      const offset = Math.ceil((end + GUARD_BYTES) / alignment) * alignment;
      end = offset + bytes;
      return { what, desc, dims, offset, bytes };
    };
    this.inputs = call.inputs.map((desc, i) => (program.packed?.includes(i) ? undefined : place(desc, `input ${i}`)));
    this.outputs = call.outputs.map((desc, i) => place(desc, `output ${i}`));
    this.before = new Uint8Array(Math.ceil((end + GUARD_BYTES) / alignment) * alignment).fill(GUARD);
    this.inputs.forEach((input, i) => {
      if (input) this.before.set(tensors[i]!.bytes, input.offset);
    });
    const buffer = backend.alloc(this.before.byteLength);
    backend.write(buffer, 0, this.before);
    this.buffer = buffer;
    this.slots = [...this.inputs, ...this.outputs].map((each) => each && { buffer, offset: each.offset });
  }

  /** The same memory as an operand of a program over host memory. */
  hostCall(): HostCall {
    const memory = this.backend.view!(this.buffer);
    const operand = (place: Place | undefined): HostOperand | undefined => {
      if (!place) return undefined;
      const { desc, dims, offset, bytes } = place;
      const { array } = dtypes[desc.dtype];
      const data = new array(memory.buffer, memory.byteOffset + offset, bytes / array.BYTES_PER_ELEMENT);
      return { dtype: desc.dtype, dims, data };
    };
    const { attrs } = this.call;
    return { inputs: this.inputs.map(operand), outputs: this.outputs.map(operand), attrs, at: this.at };
  }

  /** The outputs. @throws Mismatch where anything else has changed */
  async results(): Promise<(Tensor | undefined)[]> {
    const after = await this.backend.read(this.buffer, 0, this.before.byteLength);
    const outputs = this.outputs.map(
      (place) =>
        place && Tensor.fromBytes(place.desc.dtype, after.slice(place.offset, place.offset + place.bytes), place.dims),
    );
    for (const place of this.outputs)
      if (place) after.set(this.before.subarray(place.offset, place.offset + place.bytes), place.offset);
    const at = after.findIndex((byte, i) => byte !== this.before[i]);
    if (at >= 0)
      throw new Mismatch(
        `wrote outside its outputs: ${this.locate(at)} changed from ${this.before[at]} to ${after[at]}`,
      );
    return outputs;
  }

  free(): void {
    this.backend.free(this.buffer);
  }

  private locate(at: number): string {
    const places = [...this.inputs, ...this.outputs].filter((place) => place !== undefined);
    const owner = places.findLast((place) => place.offset <= at);
    if (!owner) return `the byte ${places[0]!.offset - at} before ${places[0]!.what}`;
    const after = at - owner.offset - owner.bytes;
    return after < 0 ? `byte ${at - owner.offset} of ${owner.what}` : `the byte ${after + 1} past ${owner.what}`;
  }
}
