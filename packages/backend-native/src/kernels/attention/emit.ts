/**
 * Attention in one pass over keys and values, as in "FlashAttention" (Dao and others, 2022), for blocks of queries that share keys: their
 * scores for some keys stay in the cache, with the greatest score and the sum of weights so far ("Online normalizer calculation
 * for softmax", Milakov and Gimelshein, 2018). Queries lie across the lanes of vectors.
 */

import { Assembler, at, qword, r8, rax, rbx, rcx, rdx, rsi } from '@espalier/x64';
import { Frame, KEYS, type OperandName, type Unit, VECTORS } from './frame.ts';
import { emitMask, emitQueries, emitResult } from './rows.ts';
import { emitTop, emitWeights } from './softmax.ts';
import { emitScores, emitValues } from './tiles.ts';

export interface Variant extends Unit {
  readonly mask: 'none' | 'float' | 'bool';
  readonly isCausal: boolean;
  readonly nanToZero: boolean;
}

/** The least finite number where nothing has been seen: differences to it are never NaN, as those of infinities are. */
const LEAST = -3.4028234663852886e38;

export function emitAttention(variant: Variant): Uint8Array {
  const a = new Assembler();
  const f = new Frame(a, variant);
  a.mov(rbx, rdx);
  a.imul(rbx, ...f.argument('threadBytes'));
  a.add(rbx, ...f.argument('scratch'));
  a.imul(rsi, ...f.argument('blocksPerUnit'));
  store(f, 'block', rsi);
  a.add(rsi, ...f.argument('blocksPerUnit'));
  a.mov(rcx, ...f.argument('blocks'));
  a.cmp(rsi, rcx);
  a.cmova(rsi, rcx);
  store(f, 'blockEnd', rsi);
  const nextBlock = a.here();
  const [single, done] = [a.label(), a.label()];
  emitLocate(f, variant);
  a.mov(rax, ...f.local('lanes'));
  a.cmpi(rax, f.v.lanes);
  a.jbe(single);
  emitBlock(f, variant, VECTORS);
  a.jmp(done);
  a.bind(single);
  emitBlock(f, variant, 1);
  a.bind(done);
  a.mov(rax, ...f.local('block'));
  a.inc(rax);
  store(f, 'block', rax);
  a.cmp(rax, ...f.local('blockEnd'));
  a.jb(nextBlock);
  a.ret();
  return a.finish().slice();
}

function store(f: Frame, name: Parameters<Frame['local']>[0], from: typeof rax): void {
  const [address, offset] = f.local(name);
  f.a.mov(address, offset, from);
}

/** Which queries the block has, where they and their keys are, and up to where they see. */
function emitLocate(f: Frame, { mask, isCausal }: Variant): void {
  const { a } = f;
  /** rax by an argument: the quotient stays, the rest is in rdx. */
  const divide = (by: 'blocksPerImage' | 'groups' | 'positions'): void => {
    a.xor(rdx, rdx);
    const [address, offset] = f.argument(by);
    a.div(qword(address), offset);
  };
  a.mov(rax, ...f.local('block'));
  divide('blocksPerImage');
  a.imuli(rsi, rdx, VECTORS * f.v.lanes);
  divide('groups');
  store(f, 'batch', rax);
  store(f, 'group', rdx);
  a.mov(rcx, ...f.argument('queries'));
  a.sub(rcx, rsi);
  a.movi(rax, VECTORS * f.v.lanes);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  store(f, 'lanes', rcx);
  a.mov(rax, rsi);
  divide('positions');
  store(f, 'head', rax);
  store(f, 'position', rdx);
  const locate = (name: OperandName, isOfQueries: boolean): void => {
    a.mov(r8, ...f.operand(name, 'start'));
    for (const [index, word] of [
      ['batch', 'batch'],
      ['group', 'group'],
      ...(isOfQueries
        ? ([
            ['head', 'head'],
            ['position', 'row'],
          ] as const)
        : []),
    ] as const) {
      a.mov(rax, ...f.local(index));
      a.imul(rax, ...f.operand(name, word));
      a.add(r8, rax);
    }
    store(f, name, r8);
  };
  for (const name of ['q', 'y', ...(mask === 'none' ? [] : (['mask'] as const))] as const) locate(name, true);
  for (const name of ['k', 'v'] as const) locate(name, false);
  a.mov(rcx, ...f.argument('keys'));
  if (isCausal) {
    // The last position of these queries, which may go on in the next head.
    a.mov(rax, ...f.local('position'));
    a.add(rax, ...f.local('lanes'));
    for (const limit of ['positions', 'keys'] as const) {
      a.mov(rcx, ...f.argument(limit));
      a.cmp(rax, rcx);
      a.cmova(rax, rcx);
    }
    a.mov(rcx, rax);
  }
  store(f, 'keyEnd', rcx);
}

function emitBlock(f: Frame, variant: Variant, vectors: number): void {
  const { a } = f;
  emitQueries(f, vectors);
  emitStart(f, vectors);
  const [nextKeys, finish] = [a.label(), a.label()];
  a.xor(rax, rax);
  store(f, 'key', rax);
  a.bind(nextKeys);
  a.mov(rcx, ...f.local('keyEnd'));
  a.sub(rcx, ...f.local('key'));
  a.jz(finish);
  a.movi(rax, KEYS);
  a.cmp(rcx, rax);
  a.cmova(rcx, rax);
  store(f, 'count', rcx);
  if (variant.mask !== 'none') emitMask(f, vectors, variant.mask === 'bool');
  emitScores(f, vectors);
  emitMaskedTop(f, variant, vectors);
  emitWeights(f, vectors);
  emitValues(f, vectors);
  a.mov(rax, ...f.local('key'));
  a.add(rax, ...f.local('count'));
  store(f, 'key', rax);
  a.jmp(nextKeys);
  a.bind(finish);
  emitResult(f, vectors, variant.nanToZero);
}

function emitMaskedTop(f: Frame, { mask, isCausal }: Variant, vectors: number): void {
  const { a } = f;
  if (mask === 'none') {
    emitTop(f, vectors, 'none', isCausal);
    return;
  }
  const [own, done] = [a.label(), a.label()];
  a.mov(rax, ...f.argument('maskShared'));
  a.test(rax, rax);
  a.jz(own);
  emitTop(f, vectors, 'shared', isCausal);
  a.jmp(done);
  a.bind(own);
  emitTop(f, vectors, 'own', isCausal);
  a.bind(done);
}

/** A result of zero, and sums of zero: of one where there is no key at all, as the result is no quotient then. */
function emitStart(f: Frame, vectors: number): void {
  const { a, v } = f;
  const [zero, one, least] = [v.register(0), v.register(1), v.register(2)];
  const some = a.label();
  a.vxorps(zero, zero, zero);
  a.vmovaps(one, zero);
  a.mov(rax, ...f.argument('keys'));
  a.test(rax, rax);
  a.jnz(some);
  v.fill(one, 1);
  a.bind(some);
  v.fill(least, LEAST);
  for (let i = 0; i < vectors; i++)
    for (const [name, register] of [
      ['top', least],
      ['sum', one],
    ] as const) {
      const [address, offset] = f.vector(name, i);
      a.vmovups(address, offset, register);
    }
  f.place(r8, 'resultAt');
  a.mov(rcx, ...f.argument('valueSize'));
  const done = a.label();
  a.test(rcx, rcx);
  a.jz(done);
  const loop = a.here();
  for (let i = 0; i < vectors; i++) a.vmovups(at(r8), i * v.bytes, zero);
  a.addi(r8, f.width);
  a.dec(rcx);
  a.jnz(loop);
  a.bind(done);
}
