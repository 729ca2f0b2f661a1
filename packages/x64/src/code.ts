/** Labels, jumps to them, alignment and the pool of constants: what turns a run of bytes into a program. */
import { type Address, describe, LABEL, type Label, MAX_LABELS, rip } from './address.ts';
import { CodeBuffer, readInt32, writeInt32 } from './buffer.ts';
import { AssemblerError } from './errors.ts';
import { type Feature, featureNames } from './features.ts';

/** Recommended no-ops of 1 to 9 bytes: Intel's optimization manual, "Using NOPs". */
const NOPS = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];
const UNBOUND = -1;

/** A place that holds the distance to a label, once the label is known. */
interface Fixup {
  readonly label: number;
  /** Of the field, whose end the distance is counted from. It already holds what has to be added. */
  readonly position: number;
  readonly bytes: 1 | 4;
}

interface Constant {
  readonly bytes: Uint8Array;
  readonly alignment: number;
  readonly label: Label;
}

export class Code extends CodeBuffer {
  /** Features of what was emitted, a bit each. @internal */
  used = 0;
  #positions: number[] = [];
  #names = new Map<number, string>();
  #fixups: Fixup[] = [];
  #constants = new Map<string, Constant>();

  /** The instruction set extensions that what was emitted so far needs, beyond plain x86-64. */
  features(): Feature[] {
    return featureNames(this.used);
  }

  /** A label, to be placed with {@link bind}. @param name shown in messages */
  label(name?: string): Label {
    const number = this.#positions.length;
    if (number === MAX_LABELS) throw new AssemblerError('OUT_OF_RANGE', `there can be ${MAX_LABELS} labels at most`);
    this.#positions.push(UNBOUND);
    if (name !== undefined) this.#names.set(number, name);
    return LABEL | number;
  }

  /** Places a label here, before the next instruction. @throws AssemblerError `BAD_LABEL` when it has a place already */
  bind(label: Label): void {
    const number = this.#number(label);
    if (this.#positions[number] !== UNBOUND) {
      throw new AssemblerError('BAD_LABEL', `${this.#name(number)} is already bound, at ${this.#positions[number]}`);
    }
    this.#positions[number] = this.position;
  }

  /** A label placed here: for loops, whose jump comes later. */
  here(name?: string): Label {
    const label = this.label(name);
    this.bind(label);
    return label;
  }

  /** The offset of a label in the code, or undefined while it has no place. */
  offset(label: Label): number | undefined {
    const position = this.#positions[this.#number(label)];
    return position === UNBOUND ? undefined : position;
  }

  /** Pads with no-ops up to a multiple of `alignment` bytes; the code has to be loaded at a multiple as well. */
  align(alignment: number): void {
    if (!Number.isInteger(Math.log2(alignment)) || alignment < 1 || alignment > 4096) {
      throw new AssemblerError('OUT_OF_RANGE', `the alignment is a power of two up to 4096, not ${alignment}`);
    }
    this.nop(-this.position & (alignment - 1));
  }

  /** Does nothing, in `count` bytes and as few instructions as possible. */
  nop(count = 1): void {
    if (!Number.isInteger(count) || count < 0) throw new AssemblerError('OUT_OF_RANGE', `there are no ${count} bytes`);
    for (let rest = count; rest > 0; rest -= NOPS.length) this.data(NOPS[Math.min(rest, NOPS.length) - 1]);
  }

  /**
   * The address of a constant in the pool, which {@link finish} puts behind the code. Equal constants are stored once.
   *
   * @param values for example `Float32Array.of(0.5)`, to be used with BROADCAST
   * @param alignment of the address in bytes, a power of two up to 64; the code has to be loaded at a multiple of 64
   */
  constant(
    values: ArrayBufferView,
    alignment: 1 | 2 | 4 | 8 | 16 | 32 | 64 = naturalAlignment(values.byteLength),
  ): Address {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = `${alignment}:${bytes.join()}`;
    let constant = this.#constants.get(key);
    if (constant === undefined) {
      constant = { bytes: bytes.slice(), alignment, label: this.label() };
      this.#constants.set(key, constant);
    }
    return rip(constant.label);
  }

  /**
   * Places the pool of constants and fills in the distances to labels.
   *
   * @returns the program, a view of the assembler's own memory: copy or load it before the next `reset`
   * @throws AssemblerError `BAD_LABEL` when a label is used but not bound, `OUT_OF_RANGE` when a short jump does not reach
   */
  finish(): Uint8Array {
    for (const { bytes, alignment, label } of [...this.#constants.values()].sort((a, b) => b.alignment - a.alignment)) {
      while ((this.position & (alignment - 1)) !== 0) this.data([0xcc]);
      this.bind(label);
      this.data(bytes);
    }
    this.#constants.clear();
    for (const fixup of this.#fixups) this.#resolve(fixup);
    this.#fixups = [];
    return this.bytes.subarray(0, this.position);
  }

  /** Forgets everything but the memory, which the next program reuses. Labels and constants' addresses lose their meaning. */
  reset(): void {
    this.position = 0;
    this.used = 0;
    this.#positions = [];
    this.#names.clear();
    this.#fixups = [];
    this.#constants.clear();
  }

  /** Notes that the `bytes` at `position`, which hold an addend, are the distance from their end to a label. @internal */
  fixup(label: Label, position: number, bytes: 1 | 4): void {
    this.#fixups.push({ label: this.#number(label), position, bytes });
  }

  #resolve({ label, position, bytes }: Fixup): void {
    const target = this.#positions[label];
    if (target === UNBOUND) {
      throw new AssemblerError('BAD_LABEL', `${this.#name(label)} is used at ${position} but never bound: call bind()`);
    }
    const distance = target - position - bytes;
    if (bytes === 4) {
      writeInt32(this.bytes, position, readInt32(this.bytes, position) + distance);
      return;
    }
    if (distance !== (distance << 24) >> 24) {
      throw new AssemblerError(
        'OUT_OF_RANGE',
        `the short jump at ${position - 1} to ${this.#name(label)} spans ${distance} bytes: leave 'short' away`,
      );
    }
    this.bytes[position] = distance;
  }

  #number(label: Label): number {
    const number = label & (MAX_LABELS - 1);
    if (label >> 18 === LABEL >> 18 && number < this.#positions.length) return number;
    throw new AssemblerError('BAD_LABEL', `${describe(label)} is no label of this program: make one with label()`);
  }

  #name(number: number): string {
    return `label ${this.#names.get(number) ?? number}`;
  }
}

/** The largest power of two that divides the size, up to 64. */
function naturalAlignment(bytes: number): 1 | 2 | 4 | 8 | 16 | 32 | 64 {
  return Math.min(64, bytes & -bytes || 1) as 1 | 2 | 4 | 8 | 16 | 32 | 64;
}
