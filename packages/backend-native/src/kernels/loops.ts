/** How the code of a unit finds its part of rows, columns and products, and goes through it. */

import { type Assembler, at, edx, type Label, qword, rax, rbx, rcx, rdi, rdx } from '@espalier/x64';

const args = at(rdi);
const thread = at(rbx);

/** Loops whose counters and ends lie in the thread's memory (at rbx), and sizes in the argument block (at rdi), at these offsets. */
export class Loops<Argument extends string, Local extends string> {
  private readonly a: Assembler;
  private readonly argument: (name: Argument) => number;
  private readonly local: (name: Local) => number;

  constructor(a: Assembler, argument: (name: Argument) => number, local: (name: Local) => number) {
    this.a = a;
    this.argument = argument;
    this.local = local;
  }

  /** Takes the part of rax that says which of `groups` the unit is in, and stores the range of what that holds. Changes rcx, rdx. */
  range(groups: Argument, ...range: Parameters<Loops<Argument, Local>['storeRange']>): void {
    this.a.xor(edx, edx);
    this.a.div(qword(args), this.argument(groups));
    this.storeRange(...range);
  }

  /** From rdx times `per` on, `per` of them but none beyond `total`. Changes rcx, rdx. */
  storeRange(per: Argument, total: Argument | number, start: Local, end: Local): void {
    const { a } = this;
    a.imul(rdx, args, this.argument(per));
    a.mov(thread, this.local(start), rdx);
    a.add(rdx, args, this.argument(per));
    if (typeof total === 'number') a.movi(rcx, total);
    else a.mov(rcx, args, this.argument(total));
    a.cmp(rdx, rcx);
    a.cmova(rdx, rcx);
    a.mov(thread, this.local(end), rdx);
  }

  /** `body` for each from `start` to `end`, at least one. Changes rax. */
  each(index: Local, start: Local, end: Local, body: () => void): void {
    const { a } = this;
    a.mov(rax, thread, this.local(start));
    a.mov(thread, this.local(index), rax);
    const loop = a.here();
    body();
    this.next(index, end, loop);
  }

  /** Counts on, and jumps while there is more. Changes rax. */
  next(index: Local, end: Local, loop: Label): void {
    const { a } = this;
    a.mov(rax, thread, this.local(index));
    a.inc(rax);
    a.mov(thread, this.local(index), rax);
    a.cmp(rax, thread, this.local(end));
    a.jb(loop);
  }
}

/** Steps of a round. */
export const UNROLL = 4;

/** As many steps as rcx says, four at a time, then one at a time. Changes rcx and rdx. */
export function emitRounds(
  a: Assembler,
  step: (u: number, isRound: boolean) => void,
  advance: (steps: number) => void,
): void {
  const [single, done] = [a.label(), a.label()];
  a.mov(rdx, rcx);
  a.shr(rdx, Math.log2(UNROLL));
  a.jz(single);
  a.align(32);
  const round = a.here();
  for (let u = 0; u < UNROLL; u++) step(u, true);
  advance(UNROLL);
  a.dec(rdx);
  a.jnz(round);
  a.bind(single);
  a.andi(rcx, UNROLL - 1);
  a.jz(done);
  const last = a.here();
  step(0, false);
  advance(1);
  a.dec(rcx);
  a.jnz(last);
  a.bind(done);
}
