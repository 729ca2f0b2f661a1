/** The code that copies what a block of pixels sees, a channel at a time, piece by piece. */

import { type Assembler, at, r8, r9, r10, r11, r12, rax, rbp, rcx, rdx, rsi } from '@espalier/x64';
import { emitReader } from '../conv/gather.ts';
import type { Isa } from '../matmul/isa.ts';
import { local, PIECE, thread } from './frame.ts';

/** Channels that go through the list of pieces together. */
const TOGETHER = 4;

export interface Copy {
  readonly isa: Isa;
  readonly channels: number;
  /** Elements of a row from one that is copied to the next. */
  readonly stride: number;
  /** Bytes from one channel to the next in the thread's memory. */
  readonly pitch: number;
}

/** Bits of the elements that are read of a row for so many that are copied; every second of a double stride is read with the others. */
const bitsOf = (count: number, stride: number): number => {
  const read = stride === 2 ? Math.max(0, 2 * count - 1) : count;
  return 2 ** read - 1;
};

/** From local `x`, channels rdx bytes apart, to rcx. Changes rax, rcx, rdx, rsi, rbp and r8 to r12. */
export function emitCopy(a: Assembler, { isa, channels, stride, pitch }: Copy): void {
  const [from, to, step, left, table, piece, end] = [r8, r9, rdx, r10, r12, rsi, rbp];
  a.mov(from, thread, local('x'));
  a.mov(to, rcx);
  a.mov(end, thread, local('piecesEnd'));
  a.lea(table, a.constant(Uint32Array.from({ length: isa.lanes + 1 }, (_, count) => bitsOf(count, stride))));
  const reader = emitReader(a, isa, stride);
  const loop = (together: number, rounds: number): void => {
    if (rounds === 0) return;
    a.movi(left, rounds);
    const nextChannels = a.here();
    a.mov(piece, thread, local('pieces'));
    const nextPiece = a.here();
    a.mov(rax, at(piece), 0);
    a.movsxd(rcx, at(piece), 8);
    a.movsxd(r11, at(piece), 12);
    a.add(rax, from);
    a.add(rcx, to);
    reader.mask(at(table, r11, 4), 0);
    for (let c = 0; c < together; c++) {
      reader.read(isa.register(c));
      if (c + 1 < together) a.add(rax, step);
    }
    for (let c = 0; c < together; c++) a.vmovups(at(rcx), c * pitch, isa.register(c));
    a.addi(piece, PIECE);
    a.cmp(piece, end);
    a.jb(nextPiece);
    for (let c = 0; c < together; c++) a.add(from, step);
    a.addi(to, together * pitch);
    a.dec(left);
    a.jnz(nextChannels);
  };
  loop(TOGETHER, Math.floor(channels / TOGETHER));
  loop(1, channels % TOGETHER);
}
