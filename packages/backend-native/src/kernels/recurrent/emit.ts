/**
 * The code of a recurrence: a unit is one sequence in one direction, from its first step to its last. In each step the state before
 * is multiplied by the weights of all gates of a vector of the state at a time, which then goes through the cell.
 */

import {
  type Activation,
  directionFloats,
  passFloats,
  type Recurrent,
  type RecurrentPass,
  stateFloats,
} from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  dword,
  eax,
  edx,
  type Gpr,
  qword,
  r8,
  r9,
  r10,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  type Vector,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { emitRow } from '../row.ts';
import { emitCell, type Places } from './cell.ts';

/** The argument block. Steps in bytes from a direction, a sequence and a step to the next; addresses. */
export const argumentWords = [
  ...['scratch', 'threadBytes', 'weights', 'batch', 'steps', 'lengths'],
  ...['gates', 'gatesSequence', 'gatesStep'],
  ...['y', 'yDirection', 'ySequence', 'yStep'],
  ...['h', 'c', 'lastH', 'lastC', 'stateDirection', 'stateSequence'],
] as const;

/** Words of a thread's scratch memory before its states. */
const localWords = ['direction', 'sequence', 'xStep', 'yStep'] as const;
const LOCAL_BYTES = 64;
/** Two states that take turns, the cell state or what the reset gate lets through, the update gate. */
const STATES = 4;

export const threadBytesOf = (shape: Recurrent): number =>
  LOCAL_BYTES + STATES * 4 * Math.ceil(stateFloats(shape) / 16) * 16;

/** Steps over the state before in a round; sums that hide the latency of a multiply-add. */
const UNROLL = 4;
const LEAST_SUMS = 8;
/** Bytes between weights being fetched and used. */
const PREFETCH = 1024;

const args = at(rdi);
const thread = at(rbx);
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const [gatesAt, yAt, stepsLeft, before, after, weightsAt, offset] = [r8, r9, r10, r12, r13, r14, r15];

export function emitRecurrence(isWide: boolean, shape: Recurrent): Uint8Array {
  const v = new Vectors(new Assembler(), isWide);
  const { a } = v;
  a.imul(rdx, args, argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(args), argument('batch'));
  a.mov(thread, local('direction'), rax);
  a.mov(thread, local('sequence'), rdx);
  const second = a.label();
  if (shape.directions > 1) {
    a.test(rax, rax);
    a.jnz(second);
  }
  for (let d = 0; d < shape.directions; d++) {
    if (d > 0) a.bind(second);
    emitSequence(v, shape, d, d === 1 || shape.attrs['direction'] === 'reverse');
    a.ret();
  }
  return a.finish().slice();
}

/** The address of an operand for the unit's direction and sequence. Changes rax. */
function locate(
  a: Assembler,
  to: Gpr,
  base: (typeof argumentWords)[number],
  direction: (typeof argumentWords)[number],
  sequence: (typeof argumentWords)[number],
): void {
  a.mov(to, args, argument(direction));
  a.imul(to, thread, local('direction'));
  a.mov(rax, args, argument(sequence));
  a.imul(rax, thread, local('sequence'));
  a.add(to, rax);
  a.add(to, args, argument(base));
}

function emitSequence(v: Vectors, shape: Recurrent, d: number, isReverse: boolean): void {
  const { a } = v;
  const { hidden, has, op } = shape;
  const bytes = 4 * stateFloats(shape);
  const stateAt = (index: number): number => LOCAL_BYTES + index * bytes;
  /** `hidden` elements from one place to another, or zeros. Clobbers rax, rcx, r11. */
  const copy = (to: Gpr, from: Gpr | undefined): void => {
    a.movi(rcx, hidden);
    emitRow(v, (block) => {
      const x = v.register(block.index);
      if (from === undefined) a.vxorps(x, x, x);
      else block.load(x, from);
      block.store(to, x);
    });
  };
  const keep = (isGiven: boolean, from: 'h' | 'c', to: number): void => {
    if (isGiven) locate(a, rsi, from, 'stateDirection', 'stateSequence');
    a.lea(rdx, thread, stateAt(to));
    copy(rdx, isGiven ? rsi : undefined);
  };
  const give = (isWanted: boolean, to: 'lastH' | 'lastC', from: Gpr): void => {
    if (!isWanted) return;
    locate(a, rsi, to, 'stateDirection', 'stateSequence');
    copy(rsi, from);
  };
  keep(has.h, 'h', 0);
  if (op === 'LSTM') keep(has.c, 'c', 2);
  a.lea(before, thread, stateAt(0));
  a.lea(after, thread, stateAt(1));
  a.mov(stepsLeft, args, argument('steps'));
  if (has.lengths) {
    // A length that is not within the steps, which only a wrong input has, ends with them.
    a.mov(rcx, args, argument('lengths'));
    a.mov(rax, thread, local('sequence'));
    a.mov(eax, dword(at(rcx, rax, 4)), 0);
    a.cmp(stepsLeft, rax);
    a.cmova(stepsLeft, rax);
  }
  a.mov(gatesAt, args, argument('gatesSequence'));
  a.imul(gatesAt, thread, local('sequence'));
  a.add(gatesAt, args, argument('gates'));
  a.addi(gatesAt, 4 * d * shape.gates * hidden);
  if (has.y) {
    locate(a, yAt, 'y', 'yDirection', 'ySequence');
    if (has.lengths) emitZeros(a, copy);
  }
  for (const [pointer, step, own] of [
    [gatesAt, 'gatesStep', 'xStep'],
    ...(has.y ? ([[yAt, 'yStep', 'yStep']] as const) : []),
  ] as const) {
    a.mov(rax, args, argument(step));
    if (isReverse) {
      a.lea(rcx, at(stepsLeft), -1);
      a.imul(rcx, rax);
      a.add(pointer, rcx);
      a.neg(rax);
    }
    a.mov(thread, local(own), rax);
  }
  const [done, nextStep] = [a.label(), a.label()];
  a.test(stepsLeft, stepsLeft);
  a.jz(done);
  a.bind(nextStep);
  const first = 4 * d * directionFloats(shape);
  a.mov(weightsAt, args, argument('weights'));
  if (first > 0) a.addi(weightsAt, first);
  const passBytes = shape.passes.reduce((sum, pass) => sum + 4 * passFloats(pass, shape), 0);
  if (has.peepholes) a.lea(rdx, at(weightsAt), passBytes);
  const places: Places = {
    gateBytes: 4 * hidden,
    state: stateAt(2),
    update: stateAt(3),
    peepholeBytes: has.peepholes ? bytes : undefined,
  };
  for (const pass of shape.passes) emitPass(v, shape, shape.activations[d]!, pass, places);
  a.mov(rax, before);
  a.mov(before, after);
  a.mov(after, rax);
  if (has.y) {
    copy(yAt, before);
    a.add(yAt, thread, local('yStep'));
  }
  a.add(gatesAt, thread, local('xStep'));
  a.dec(stepsLeft);
  a.jnz(nextStep);
  a.bind(done);
  give(has.lastH, 'lastH', before);
  if (has.lastC) a.lea(rdx, thread, stateAt(2));
  give(has.lastC, 'lastC', rdx);
}

/** The output of steps behind a sequence's end. Changes rsi and rdx. */
function emitZeros(a: Assembler, copy: (to: Gpr, from: Gpr | undefined) => void): void {
  const [loop, done] = [a.label(), a.label()];
  a.mov(rdx, args, argument('steps'));
  a.sub(rdx, stepsLeft);
  a.jz(done);
  a.mov(rsi, args, argument('yStep'));
  a.imul(rsi, stepsLeft);
  a.add(rsi, yAt);
  a.bind(loop);
  copy(rsi, undefined);
  a.add(rsi, args, argument('yStep'));
  a.dec(rdx);
  a.jnz(loop);
  a.bind(done);
}

/** The gates of a pass for one vector of the state after the other; `weightsAt` moves on. */
function emitPass(
  v: Vectors,
  shape: Recurrent,
  activations: readonly Activation[],
  pass: RecurrentPass,
  places: Places,
): void {
  const { a } = v;
  const { hidden } = shape;
  const gates = pass.gates.length;
  let sets = 1;
  while (sets < UNROLL && sets * gates < LEAST_SUMS) sets *= 2;
  const sum = (set: number, gate: number): Vector => v.register(set * gates + gate);
  const element = v.register(v.isWide ? 31 : 14);
  a.xor(eax, eax);
  a.mov(offset, rax);
  const nextVector = a.here();
  for (let gate = 0; gate < gates; gate++) a.vmovups(sum(0, gate), at(weightsAt), gate * v.bytes);
  for (let set = 1; set < sets; set++)
    for (let gate = 0; gate < gates; gate++) a.vxorps(sum(set, gate), sum(set, gate), sum(set, gate));
  a.addi(weightsAt, gates * v.bytes);
  if (pass.by === 'h') a.mov(rsi, before);
  else a.lea(rsi, thread, places.state);
  const from: Address = at(rsi);
  const step = (u: number): void => {
    a.vbroadcastss(element, from, 4 * u);
    for (let gate = 0; gate < gates; gate++) {
      const row = (u * gates + gate) * v.bytes;
      a.vfmadd231ps(sum(u % sets, gate), element, at(weightsAt), row);
      if (row % 64 === 0) a.prefetcht0(at(weightsAt), PREFETCH + row);
    }
  };
  const rounds = Math.floor(hidden / UNROLL);
  if (rounds > 0) {
    a.movi(rcx, rounds);
    a.align(32);
    const round = a.here();
    for (let u = 0; u < UNROLL; u++) step(u);
    a.addi(weightsAt, UNROLL * gates * v.bytes);
    a.addi(rsi, 4 * UNROLL);
    a.dec(rcx);
    a.jnz(round);
  }
  for (let u = 0; u < hidden % UNROLL; u++) step(u);
  if (hidden % UNROLL > 0) a.addi(weightsAt, (hidden % UNROLL) * gates * v.bytes);
  for (let half = sets / 2; half >= 1; half /= 2)
    for (let set = 0; set < half; set++)
      for (let gate = 0; gate < gates; gate++) a.vaddps(sum(set, gate), sum(set, gate), sum(set + half, gate));
  emitCell(v, shape.op, shape.attrs, activations, pass, places);
  a.addi(offset, v.bytes);
  a.cmpi(offset, 4 * stateFloats(shape));
  a.jb(nextVector);
}
