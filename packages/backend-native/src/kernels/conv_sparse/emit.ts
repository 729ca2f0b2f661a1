/**
 * A convolution by sparse filters as a stream of instructions: a unit copies what a block of tiles of pixels sees into the thread's
 * memory, row after row of the image with its padding, where a line of it at some distance is what one tap of one channel sees.
 */

import type { Convolution, PlaneEpilogue } from '@espalier/lowering';
import { Assembler, at, edx, qword, r8, rax, rbx, rcx, rdi, rdx, rip, rsi } from '@espalier/x64';
import type { Isa } from '../matmul/isa.ts';
import { tiles, turnedAt } from '../matmul_sparse/frame.ts';
import { type Lines, storeAt, sumsAt, weightsAt } from '../matmul_sparse/stream.ts';
import { emitCopy } from './copy.ts';
import type { Flat } from './flat.ts';
import { argument, type Layout, local, PHASES_AT, thread } from './frame.ts';
import { emitStore } from './store.ts';

/** Where the line of each channel and tap lies. */
export function linesOf(isa: Isa, { taps }: Flat, { channel, phase }: Layout): Lines {
  return {
    of(row) {
      const tap = taps[row % taps.length]!;
      return Math.floor(row / taps.length) * channel + tap.phase * phase + 4 * tap.ahead;
    },
    tileStep: 4 * isa.lanes,
  };
}

export interface Entry {
  readonly isa: Isa;
  readonly conv: Convolution;
  readonly layout: Layout;
  readonly epilogue: PlaneEpilogue;
}

/** The way into the code of the units of filters, and what stores a tile. Args in rdi, unit in rsi, thread in rdx. */
export function emitEntry({ isa, conv, layout, epilogue }: Entry): Uint8Array {
  const a = new Assembler();
  const args = at(rdi);
  a.imul(rdx, args, argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  a.mov(thread, local('args'), rdi);
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(args), argument('blocks'));
  // The block: its pieces and tiles.
  a.mov(rcx, args, argument('blockTable'));
  a.add(rcx, rdi);
  for (const [i, name] of (['pieces', 'piecesEnd'] as const).entries()) {
    a.mov(rsi, at(rcx, rdx, 8), 8 * i);
    a.add(rsi, rdi);
    a.mov(thread, local(name), rsi);
  }
  a.imuli(rdx, rdx, layout.tiles);
  a.mov(thread, local('tile'), rdx);
  a.mov(rcx, args, argument('tiles'));
  a.sub(rcx, rdx);
  a.movi(rdx, layout.tiles);
  a.cmp(rcx, rdx);
  a.cmova(rcx, rdx);
  a.mov(thread, local('tiles'), rcx);
  // The part of the filters.
  a.xor(edx, edx);
  a.div(qword(args), argument('parts'));
  a.imul(rdx, args, argument('unitsPerPart'));
  a.mov(rcx, args, argument('units'));
  a.sub(rcx, rdx);
  a.cmp(rcx, args, argument('unitsPerPart'));
  a.cmova(rcx, args, argument('unitsPerPart'));
  a.mov(r8, rdx);
  // The image and group.
  for (const [name, step] of [
    ['x', 'xImage'],
    ['y', 'yImage'],
  ] as const) {
    a.mov(rsi, rax);
    a.imul(rsi, args, argument(step));
    if (name === 'x') a.add(rsi, args, argument('x'));
    a.mov(thread, local(name), rsi);
  }
  a.xor(edx, edx);
  a.div(qword(args), argument('groups'));
  a.imuli(rsi, rdx, conv.filters);
  a.mov(thread, local('filter'), rsi);
  a.imul(rdx, args, argument('units'));
  a.add(rdx, r8);
  a.mov(rsi, args, argument('entries'));
  a.lea(rsi, at(rsi, rdx, 8));
  a.mov(thread, local('entry'), rsi);
  a.lea(rsi, at(rsi, rcx, 8));
  a.mov(thread, local('entryEnd'), rsi);
  a.mov(rdx, args, argument('xChannel'));
  a.lea(rcx, thread, PHASES_AT);
  emitCopy(a, { isa, channels: conv.channels, stride: conv.strides[2]!, pitch: layout.channel });
  const store = a.label();
  a.lea(storeAt, rip(store));
  const next = a.here();
  a.mov(rdi, thread, local('args'));
  a.mov(weightsAt, args, argument('weights'));
  a.lea(sumsAt, thread, layout.sumsAt);
  a.lea(turnedAt, thread, PHASES_AT);
  a.mov(tiles, thread, local('tiles'));
  a.mov(rax, thread, local('entry'));
  a.call(at(rax), 0);
  a.mov(rax, thread, local('entry'));
  a.addi(rax, 8);
  a.mov(thread, local('entry'), rax);
  a.cmp(rax, thread, local('entryEnd'));
  a.jb(next);
  a.ret();
  a.bind(store);
  emitStore(a, isa, epilogue);
  return a.finish().slice();
}
