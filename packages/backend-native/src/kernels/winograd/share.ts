/** Which channels or filters of an image a unit has. */

import { type Assembler, at, edx, type Gpr, qword, rax, rbx, rcx, rdi, rdx, rsi } from '@espalier/x64';

/** What argument blocks of units of this kind have; beside it planes of a unit. */
export type ShareWord = 'scratch' | 'threadBytes' | 'unitsPerImage';

/**
 * The thread's memory into rbx, the image into rax, the unit's first of `total` planes into rdx, and how many it has into `left`. Changes rcx.
 * @param perUnit where the argument block (at rdi) says how many planes a unit has at most
 */
export function emitShare(
  a: Assembler,
  argument: (name: ShareWord) => number,
  perUnit: number,
  total: number,
  left: Gpr,
): void {
  const args = at(rdi);
  a.mov(rbx, args, argument('threadBytes'));
  a.imul(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(rdi), argument('unitsPerImage'));
  a.mov(left, args, perUnit);
  a.imul(rdx, left);
  a.movi(rcx, total);
  a.sub(rcx, rdx);
  a.cmp(left, rcx);
  a.cmova(left, rcx);
}
