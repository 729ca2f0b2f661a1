/** Rows of queries, masks and results on their way to and from scratch memory, where they are turned into columns. */

import {
  at,
  byte,
  dword,
  eax,
  esi,
  r8,
  r9,
  r10,
  r11,
  r14,
  rax,
  rbp,
  rbx,
  rcx,
  rsi,
  type Vector,
  xmm,
} from '@espalier/x64';
import { emitRow } from '../row.ts';
import type { Frame } from './frame.ts';
import { emitRoundedRow } from './round.ts';
import { emitTurn } from './turn.ts';

/** Where rows of an operand and of scratch memory are, while {@link walkRows} goes through them. */
const [operandAt, scratchAt] = [r8, r10];

/** Goes through the rows of a block's queries, from `operandAt` on. Clobbers rbp, rsi and what `body` does. */
function walkRows(f: Frame, operand: 'q' | 'y' | 'mask', body: () => void): void {
  const { a } = f;
  a.mov(rsi, ...f.local('position'));
  a.mov(rbp, ...f.local('lanes'));
  f.place(scratchAt, 'rowsAt');
  const loop = a.here();
  const next = a.label();
  body();
  a.add(operandAt, ...f.operand(operand, 'row'));
  a.add(scratchAt, ...f.argument('pitch'));
  a.inc(rsi);
  a.cmp(rsi, ...f.argument('positions'));
  a.jne(next);
  a.xor(rsi, rsi);
  a.add(operandAt, ...f.operand(operand, 'wrap'));
  a.bind(next);
  a.dec(rbp);
  a.jnz(loop);
}

/** Makes all rows in scratch memory zero where the block has fewer queries than lanes, so that these compute nothing odd. */
function clearRows(f: Frame, vectors: number): void {
  const { a, v } = f;
  const done = a.label();
  const lanes = vectors * v.lanes;
  a.mov(rax, ...f.local('lanes'));
  a.cmpi(rax, lanes);
  a.je(done);
  a.mov(rcx, ...f.argument('pitch'));
  a.imuli(rcx, rcx, lanes);
  a.shr(rcx, 2);
  f.place(scratchAt, 'rowsAt');
  const zero = v.register(0);
  a.vxorps(zero, zero, zero);
  emitRow(v, (block) => block.store(scratchAt, zero));
  a.bind(done);
}

/** Queries, scaled and turned, and their positions. */
export function emitQueries(f: Frame, vectors: number): void {
  const { a, v } = f;
  const [scale, x] = [v.register(0), v.register(1)];
  clearRows(f, vectors);
  a.vbroadcastss(scale, ...f.argument('scale'));
  a.lea(r9, ...f.vector('positions', 0));
  a.mov(operandAt, ...f.local('q'));
  walkRows(f, 'q', () => {
    a.mov(dword(r9), 0, esi);
    a.addi(r9, 4);
    a.mov(rcx, ...f.argument('size'));
    if (f.isRounded) emitRoundedRow(v, operandAt, scratchAt, scale);
    else
      emitRow(v, (block) => {
        block.load(x, operandAt);
        a.vmulps(x, x, scale);
        block.store(scratchAt, x);
      });
  });
  a.mov(rcx, ...f.argument('sizeSteps'));
  a.lea(r14, at(rbx), f.queriesAt);
  emitTurn(f, vectors, 'columns');
}

/** The sums, divided by those of the weights and turned back, into the result. */
export function emitResult(f: Frame, vectors: number, nanToZero: boolean): void {
  const { a, v } = f;
  a.mov(rcx, ...f.argument('valueSize'));
  f.place(r14, 'resultAt');
  emitTurn(f, vectors, nanToZero ? 'rows-or-zero' : 'rows');
  a.mov(operandAt, ...f.local('y'));
  walkRows(f, 'y', () => {
    a.mov(rcx, ...f.argument('valueSize'));
    emitRow(v, (block) => {
      block.load(v.register(0), scratchAt);
      block.store(operandAt, v.register(0));
    });
  });
}

/** What is added to the scores of the current keys: a number for each key, or turned as the scores are. */
export function emitMask(f: Frame, vectors: number, isBool: boolean): void {
  const { a } = f;
  const [own, done] = [a.label(), a.label()];
  a.mov(r14, ...f.local('key'));
  a.imul(r14, ...f.argument('maskStep'));
  a.add(r14, ...f.local('mask'));
  a.mov(rax, ...f.argument('maskShared'));
  a.test(rax, rax);
  a.jz(own);
  a.mov(operandAt, r14);
  f.place(scratchAt, 'maskAt');
  emitFloats(f, isBool);
  a.jmp(done);
  a.bind(own);
  clearRows(f, vectors);
  a.mov(operandAt, r14);
  walkRows(f, 'mask', () => emitFloats(f, isBool));
  a.mov(rcx, ...f.local('count'));
  f.place(r14, 'maskAt');
  emitTurn(f, vectors, 'columns');
  a.bind(done);
}

/** A row of the mask for the current keys as floats. Clobbers rax, rcx, r11. */
function emitFloats(f: Frame, isBool: boolean): void {
  const { a, v } = f;
  const x = v.register(0);
  const [one, done] = [a.label(), a.label()];
  a.mov(rcx, ...f.local('count'));
  a.mov(rax, ...f.argument('maskStep'));
  a.test(rax, rax);
  a.jz(one);
  if (isBool) emitBools(f, x);
  else
    emitRow(v, (block) => {
      block.load(x, operandAt);
      block.store(scratchAt, x);
    });
  a.jmp(done);
  a.bind(one);
  if (isBool) {
    a.movzx(eax, byte(operandAt), 0);
    emitBool(f);
    const low = xmm(x & 0xff);
    a.vmovd(low, eax);
    a.vbroadcastss(x, low);
  } else a.vbroadcastss(x, at(operandAt), 0);
  emitRow(v, (block) => block.store(scratchAt, x));
  a.bind(done);
}

/** The bits of minus infinity, which hides a key. */
const HIDDEN = 0xff800000;

/** A vector at a time, then one element at a time, so that nothing is read beyond the mask. */
function emitBools(f: Frame, x: Vector): void {
  const { a, v } = f;
  const [loop, rest, single, done] = [a.label(), a.label(), a.label(), a.label()];
  a.xor(r11, r11);
  a.bind(loop);
  a.subi(rcx, v.lanes);
  a.jb(rest);
  a.vpmovzxbd(x, at(operandAt, r11), 0);
  // 0 becomes all ones, everything else zero.
  a.vpaddd(x, x, ...v.bits(0xffffffff));
  a.vpsradi(x, x, 31);
  a.vandps(x, x, ...v.bits(HIDDEN));
  a.vmovups(at(scratchAt, r11, 4), 0, x);
  a.addi(r11, v.lanes);
  a.jmp(loop);
  a.bind(rest);
  a.addi(rcx, v.lanes);
  a.jz(done);
  a.bind(single);
  a.movzx(eax, byte(operandAt, r11), 0);
  emitBool(f);
  a.mov(dword(scratchAt, r11, 4), 0, eax);
  a.inc(r11);
  a.dec(rcx);
  a.jnz(single);
  a.bind(done);
}

/** A bool in eax becomes the bits of what is added for it. */
function emitBool({ a }: Frame): void {
  a.subi(eax, 1);
  a.sar(eax, 31);
  a.andi(eax, HIDDEN | 0);
}
