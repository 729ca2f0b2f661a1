/** Where emitted attention finds things: the argument block, and what each thread keeps in scratch memory. */

import { type Address, type Assembler, at, type Gpr, rbx, rdi } from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import type { Geometry } from './geometry.ts';

/** Operands whose rows belong to queries, and those whose rows belong to keys. */
export const operands = ['q', 'y', 'mask', 'k', 'v'] as const;
export type OperandName = (typeof operands)[number];
/**
 * Of each operand: its address, and bytes from one batch, key-value head, query head of a group, and row to the next; `wrap` leads
 * from behind the last row of a head to the first of the next.
 */
export const operandWords = ['start', 'batch', 'group', 'head', 'row', 'wrap'] as const;

export type Place = Readonly<Record<(typeof operandWords)[number], number>>;

export const argumentWords = [
  'scratch',
  'threadBytes',
  'blocks',
  'blocksPerUnit',
  'blocksPerImage',
  'groups',
  'queries',
  'positions',
  'keys',
  'size',
  'valueSize',
  /** 32 bits of a query or key: an element, or two that were rounded. */
  'sizeSteps',
  /** The bits of a float32. */
  'scale',
  /** Bytes from a key to the next in the mask. */
  'maskStep',
  /** 1 where a mask is the same for all queries of a block. */
  'maskShared',
  /** Bytes from row to row of what is turned, and where it and the parts that depend on sizes lie in scratch memory. */
  'pitch',
  'resultAt',
  'rowsAt',
  'maskAt',
  'valuesAt',
  /** Bytes from row to row of values: not those of the operand where its rows would evict each other. */
  'valuePitch',
] as const;
type ArgumentName = (typeof argumentWords)[number];

/** 64-bit words that a thread keeps. */
const localWords = [
  'block',
  'blockEnd',
  'batch',
  'group',
  'head',
  'position',
  'lanes',
  ...operands,
  'key',
  'keyEnd',
  'count',
  'row',
] as const;
type LocalName = (typeof localWords)[number];
const LOCAL_BYTES = Math.ceil(localWords.length / 8) * 64;

/** Vectors for the queries of a block: greatest score, sum of weights, what the result so far is multiplied by, positions. */
const vectorNames = ['top', 'sum', 'decay', 'positions'] as const;

/** Keys whose scores are computed at once: with queries and result they stay in the first-level cache, or nearly. */
export const KEYS = 128;

/** Vectors of queries in a block at most. */
export const VECTORS = 2;

/** Bytes of the parts of scratch memory before those whose place depends on sizes. */
const fixedBytes = (width: number): number => LOCAL_BYTES + (vectorNames.length + KEYS) * width;
/** From row to row an odd number of lines, so that rows do not evict each other. */
export const pitchOf = (bytes: number): number => (Math.ceil(bytes / 64) | 1) * 64;
/** What is turned is turned in groups of so many elements. */
const GROUP = 4;

/** Rows that are a multiple of so many bytes apart lie in few sets of the first-level cache, where they evict each other. */
const CONFLICT_BYTES = 2048;

/** How rows are multiplied. */
export interface Unit {
  /** Vectors of 512 bits; else of 256. */
  readonly isWide: boolean;
  /** Operands of the products are rounded to bfloat16: keys and values were before. */
  readonly isRounded: boolean;
}

/** What a thread needs for sizes, and where its parts lie. */
export function scratchLayout({ size, valueSize, v }: Geometry, { isWide, isRounded }: Unit, hasMask: boolean) {
  const lanes = VECTORS * (isWide ? 16 : 8);
  const part = (elements: number): number => Math.ceil(elements / GROUP) * GROUP * lanes * 4;
  // Rows are as long as any that are turned.
  const pitch = pitchOf(4 * Math.max(size, valueSize, hasMask ? KEYS : 0));
  // Wide tiles take so much of a line at once that fetching it again costs no more than a copy.
  const isCopied = !isWide && (4 * v.row) % CONFLICT_BYTES === 0;
  const valuePitch = isCopied || isRounded ? pitchOf(4 * valueSize) : 4 * v.row;
  const resultAt = fixedBytes(lanes * 4) + part(size);
  const rowsAt = resultAt + part(valueSize);
  const maskAt = rowsAt + lanes * pitch;
  const valuesAt = maskAt + (hasMask ? part(KEYS) : 0);
  const threadBytes = valuesAt + (isCopied ? KEYS * valuePitch : 0);
  return { pitch, valuePitch, resultAt, rowsAt, maskAt, valuesAt, threadBytes };
}

const [argumentsAt, threadAt] = [at(rdi), at(rbx)];

/** Code that is being written, and names for what it reads. */
export class Frame {
  readonly v: Vectors;
  readonly a: Assembler;
  /** Bytes for one key or one column of all queries of a block. */
  readonly width: number;
  /** Rows of a register tile at most. */
  readonly tileRows: number;
  readonly isRounded: boolean;

  constructor(a: Assembler, { isWide, isRounded }: Unit) {
    this.v = new Vectors(a, isWide);
    this.a = a;
    this.isRounded = isRounded;
    this.width = VECTORS * this.v.bytes;
    this.tileRows = isWide ? 14 : 6;
  }

  argument(name: ArgumentName): [Address, number] {
    return [argumentsAt, 8 * argumentWords.indexOf(name)];
  }

  operand(name: OperandName, word: (typeof operandWords)[number]): [Address, number] {
    const at = operands.indexOf(name) * operandWords.length + operandWords.indexOf(word);
    return [argumentsAt, 8 * (argumentWords.length + at)];
  }

  local(name: LocalName): [Address, number] {
    return [threadAt, 8 * localWords.indexOf(name)];
  }

  vector(name: (typeof vectorNames)[number], index: number): [Address, number] {
    return [threadAt, LOCAL_BYTES + vectorNames.indexOf(name) * this.width + index * this.v.bytes];
  }

  /** Where scores lie: a row for each key, a column for each query. */
  get scoresAt(): number {
    return LOCAL_BYTES + vectorNames.length * this.width;
  }

  /** Where queries lie, turned: a row for each element of theirs. */
  get queriesAt(): number {
    return fixedBytes(this.width);
  }

  /** The address of a part of scratch memory whose place depends on sizes. */
  place(to: Gpr, name: 'resultAt' | 'rowsAt' | 'maskAt' | 'valuesAt'): void {
    this.a.mov(to, ...this.argument(name));
    this.a.add(to, rbx);
  }
}
