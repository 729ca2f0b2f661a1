/** Walks lines along one axis: vectors of lines that are neighbours together, and what is left of them. */

import { at, r8, r9, r10, r11, r12, rcx, rdi, rdx } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import type { Lanes, Part, Size } from '../lanes.ts';
import { emitWalk, stepsAt } from '../walk.ts';

/** Where the result and the elements of the lines are. */
export const [TO, FROM] = [r8, r9];
/** The same within a line. */
export const [INTO, READ] = [r11, r10];
/** Bytes of words before those of the walk: elements of a line, and the steps from one to the next in the result and the input. */
export const LINE = 64;
export const LENGTH = 0 - LINE;
const STEP_TO = 8 - LINE;
const STEP_FROM = 16 - LINE;

/**
 * Arguments from {@link LINE} on: the walk of lines.
 * @param sizes bytes of an element of the result and of the input
 * @param most vectors that are computed together
 * @param line computes as many lines as `count` vectors or `part` say; it may clobber all but TO, FROM, rdx, rdi, rbp, rsp
 */
export function emitAcross(
  v: Vectors,
  lanes: Lanes,
  sizes: readonly [to: Size, from: Size],
  most: number,
  line: (part: Part, count: number) => void,
): void {
  const { a } = v;
  a.addi(rdi, LINE);
  emitWalk(
    a,
    [TO, FROM],
    0,
    () => {},
    () => {
      const [single, end] = [a.label(), a.label()];
      a.mov(rdx, rcx);
      for (const count of new Set([most, 1])) {
        const [loop, done] = [a.label(), a.label()];
        a.subi(rdx, count * lanes.count);
        a.jb(done);
        a.bind(loop);
        line('all', count);
        a.addi(TO, count * lanes.count * sizes[0]);
        a.addi(FROM, count * lanes.count * sizes[1]);
        a.subi(rdx, count * lanes.count);
        a.jae(loop);
        a.bind(done);
        a.addi(rdx, count * lanes.count);
      }
      a.test(rdx, rdx);
      a.jz(end);
      if (lanes.canMask(sizes)) {
        // Masked stores of one element take longer than plain ones.
        a.cmpi(rdx, 1);
        a.je(single);
        a.mov(rcx, rdx);
        lanes.setMask();
        line('some', 1);
        a.jmp(end);
      }
      a.bind(single);
      line('one', 1);
      a.addi(TO, sizes[0]);
      a.addi(FROM, sizes[1]);
      a.dec(rdx);
      a.jnz(single);
      a.bind(end);
    },
  );
}

/** The same with one line after the other, whose elements stand together: `line` finds the first at FROM. */
export function emitAlong(v: Vectors, frame: number, line: () => void): void {
  const { a } = v;
  a.addi(rdi, LINE);
  emitWalk(
    a,
    [TO, FROM],
    frame,
    () => {},
    () => {
      a.mov(rdx, rcx);
      const loop = a.here();
      line();
      a.add(TO, at(rdi), stepsAt(2));
      a.add(FROM, at(rdi), stepsAt(2) + 8);
      a.dec(rdx);
      a.jnz(loop);
    },
  );
}

/** Runs `element` for each element of a line that begins at READ, or for all but the first. Clobbers r12. */
export function emitElements({ a }: Vectors, element: () => void, isFirstDone = false): void {
  const [loop, end] = [a.label(), a.label()];
  a.mov(r12, at(rdi), LENGTH);
  if (isFirstDone) {
    a.dec(r12);
    a.jz(end);
  }
  a.bind(loop);
  if (isFirstDone) emitNext();
  element();
  if (!isFirstDone) emitNext();
  a.dec(r12);
  a.jnz(loop);
  a.bind(end);

  function emitNext(): void {
    a.add(INTO, at(rdi), STEP_TO);
    a.add(READ, at(rdi), STEP_FROM);
  }
}
