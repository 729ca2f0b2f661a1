/**
 * What a chain of views and transposes does to the order of elements, followed factor by factor: axes are split and joined
 * into atoms, and only the order of the atoms says whether bytes move at all.
 */

import { type Dim, dim, type Shape } from '@espalier/core';
import { sameShape } from './editor.ts';

interface Atom {
  readonly extent: Dim;
}

/** A step that does the same as a chain: at most a reshape, a transpose, a reshape. */
export type Step = { readonly shape: Shape } | { readonly perm: readonly number[] };

export class Movement {
  private readonly from: Shape;
  /** The axes of the source, each as its atoms. */
  private source: Atom[][];
  /** The same atoms as they stand now; those of extent 1 may be gone. */
  private current: Atom[][];

  constructor(shape: Shape) {
    this.from = shape;
    this.source = shape.map((extent) => [{ extent }]);
    this.current = [...this.source];
  }

  transpose(perm: readonly number[]): void {
    this.current = perm.map((axis) => this.current[axis]!);
  }

  /** False where it cannot be told which axes become which. */
  reshape(shape: Shape): boolean {
    if (shape.includes(0)) return false;
    const atoms = this.current.flat().filter(isLong);
    const axes: Atom[][] = [];
    for (const extent of shape) {
      const axis: Atom[] = [];
      let rest: Dim = extent;
      while (rest !== 1) {
        const atom = atoms.shift();
        if (!atom) return false;
        const more = quotient(rest, atom.extent);
        if (more !== undefined) {
          axis.push(atom);
          rest = more;
          continue;
        }
        const left = quotient(atom.extent, rest);
        if (left === undefined) return false;
        const parts: [Atom, Atom] = [{ extent: rest }, { extent: left }];
        this.split(atom, parts);
        axis.push(parts[0]);
        atoms.unshift(parts[1]);
        rest = 1;
      }
      axes.push(axis);
    }
    this.current = axes;
    return atoms.length === 0;
  }

  private split(atom: Atom, parts: readonly Atom[]): void {
    this.source = this.source.map((axis) => axis.flatMap((a) => (a === atom ? parts : [a])));
  }

  /** The fewest steps that lead to the same result of this shape. */
  steps(shape: Shape): Step[] {
    const before = this.source.flat().filter(isLong);
    const after = this.current.flat().filter(isLong);
    if (before.every((atom, i) => atom === after[i])) return sameShape(this.from, shape) ? [] : [{ shape }];
    const direct = this.directPermutation();
    if (direct) return [{ perm: direct }];
    const steps: Step[] = [{ perm: after.map((atom) => before.indexOf(atom)) }];
    const flat = before.map((atom) => atom.extent);
    if (!sameShape(this.from, flat)) steps.unshift({ shape: flat });
    const moved = after.map((atom) => atom.extent);
    if (!sameShape(moved, shape)) steps.push({ shape });
    return steps;
  }

  /** The permutation of the source's own axes, where it is only that. Axes of extent 1 are all alike. */
  private directPermutation(): number[] | undefined {
    if (this.source.length !== this.current.length) return undefined;
    const units = this.source.flatMap((axis, i) => (axis.some(isLong) ? [] : [i]));
    const perm: number[] = [];
    for (const axis of this.current) {
      const long = axis.filter(isLong);
      if (long.length > 1) return undefined;
      const at = long.length === 0 ? units.shift() : this.source.findIndex((a) => a.length === 1 && a[0] === long[0]);
      if (at === undefined || at < 0) return undefined;
      perm.push(at);
    }
    return perm;
  }
}

const isLong = ({ extent }: Atom): boolean => extent !== 1;

/** a / b where b divides a whatever the symbols are. */
function quotient(a: Dim, b: Dim): Dim | undefined {
  if (a === 0 || b === 0) return undefined;
  const result = dim.floorDiv(a, b);
  return dim.equal(dim.mul(result, b), a) === true ? result : undefined;
}
