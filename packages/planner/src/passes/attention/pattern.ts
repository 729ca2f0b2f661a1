/** What is found of an attention that is written out. */

import type { Node } from '@espalier/core';

/** What is done to the scores before the softmax: a value is added, or a bool mask says where to look. */
export interface Mask {
  readonly value: string;
  /** For bool masks: what the scores become where one must not look. */
  readonly fill?: number;
  /** For bool masks: true says where not to look. */
  readonly isInverted?: boolean;
}

/** A value, and how it has to be transposed to be `[B,H,S,D]`. */
export interface Operand {
  readonly name: string;
  readonly perm: readonly number[];
}

export interface AttentionPattern {
  readonly nodes: ReadonlySet<Node>;
  readonly rank: number;
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
  /** Query heads that share a head of K and V. */
  readonly groups: number;
  readonly scale: number;
  readonly masks: readonly Mask[];
  readonly nanToZero: boolean;
}

/** Scores that are filled with less than this are lost in it when they are added instead. */
export const ABYSS = -1e30;

/** Permutations of `[B,H,S,D]`. */
export const asIs = [0, 1, 2, 3];
export const swapHeads = [0, 2, 1, 3];
export const swapLast = [0, 1, 3, 2];
