/** From exact sums in scratch memory to the result: scaled, through the epilogue, and stored as what it is. */

import {
  type Assembler,
  at,
  type Gpr,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import {
  emitLevel,
  type LevelType,
  loadZeroPoint,
  packLevels,
  packUnrounded,
  storeFewLevels,
  storeLevels,
  storeSomeLevels,
} from '../levels.ts';
import { addedFirst, type Epilogue, emitSteps, holdOperands, packedZeroPoint } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import type { Frame } from './emit.ts';
import { type DotIsa, lanesOf, panelColumns, register } from './isa.ts';

export interface Finish {
  /**
   * `sums`: none. `scaled`: times the scales of both operands, in float32. `levels`: these divided by the result's scale first, and the
   * product rounded to one of the result's levels.
   */
  readonly scaling: 'sums' | 'scaled' | 'levels';
  readonly epilogue: Epilogue;
  /** What is stored. */
  readonly result: 'int32' | 'float32' | LevelType;
}

const [resultAt, sumsAt, rowsLeft] = [rax, rdx, rcx];
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];
/** Registers behind those of the epilogue: the scales of two vectors of columns, the result's zero point. */
const [SCALE, ZERO_POINT] = [8, 10];
/** The first of those that hold operands of the epilogue. */
const HELD = 11;

/** Bytes of an element of the result. */
export const resultBytes = ({ result }: Finish): number => (result === 'int32' || result === 'float32' ? 4 : 1);

/**
 * The tile of the frame, whose sums are at rbx row by row; rbp points to the panel's parameters: a vector of the sums of columns, and one
 * of the scales behind those of all columns. `masked`: the last vector of a row is one of `tail` columns, which the mask says too.
 * @param tail as a number, where it is known
 */
export function emitFinish(
  a: Assembler,
  isa: DotIsa,
  finish: Finish,
  frame: Frame,
  vectors: number,
  masked: boolean,
  tail?: number,
): void {
  const { scaling, epilogue, result } = finish;
  const { floats } = isa;
  const v = new Vectors(a, floats === avx512);
  const [args, thread] = [at(rdi), at(rbx)];
  const addresses = epilogue.operands.map((_, i) => operandsAt[i]!);
  const vectorBytes = 4 * lanesOf(isa);
  const x = Array.from({ length: vectors }, (_, i) => register(isa, i));
  const t = register(isa, vectors);
  if (scaling !== 'sums') emitScales(v, isa, frame, vectors, scaling === 'levels' ? (result as LevelType) : undefined);
  locateResult(a, isa, finish, frame);
  epilogue.operands.forEach(({ perColumn, dtype }, i) => {
    const address = addresses[i]!;
    a.mov(address, rdx);
    a.imul(address, args, frame.rowStep(i));
    a.add(address, thread, frame.operandLocal(i));
    if (perColumn) a.lea(address, at(address, rcx, dtype === 'float32' ? 4 : 1));
  });
  const operands = addresses.map((address) => at(address));
  const free = floats === avx512 ? Array.from({ length: 32 - HELD }, (_, i) => register(isa, HELD + i)) : [];
  const held = holdOperands(a, floats, epilogue, operands, vectors, masked, free);
  // A bias is added without another rounding.
  const isAdded = scaling === 'scaled' && x.every((_, i) => addedFirst(epilogue, held, i) !== undefined);
  a.mov(rowsLeft, thread, frame.local('rows'));
  a.mov(sumsAt, rbx);
  const row = a.here();
  for (let i = 0; i < vectors; i++) {
    if (scaling === 'sums') {
      a.vmovups(x[i]!, at(sumsAt), i * vectorBytes);
      continue;
    }
    a.vcvtdq2ps(x[i]!, at(sumsAt), i * vectorBytes);
    const added = isAdded ? addedFirst(epilogue, held, i)! : undefined;
    if (added !== undefined) a.vfmadd213ps(x[i]!, register(isa, SCALE + i), added);
    else a.vmulps(x[i]!, x[i]!, register(isa, SCALE + i));
    if (scaling === 'levels') emitLevel(v, x[i]!, register(isa, ZERO_POINT), result as LevelType);
  }
  const rest = isAdded ? { ...epilogue, steps: epilogue.steps.slice(1) } : epilogue;
  emitSteps(a, floats, rest, operands, vectors, masked, held);
  const packedZero = packedZeroPoint(epilogue, held);
  for (let i = 0; i < vectors; i++) {
    const isLast = masked && i === vectors - 1;
    if (result === 'int32' || result === 'float32') floats.store(a, at(resultAt), i * vectorBytes, x[i]!, isLast);
    else {
      const low = packedZero === undefined ? packLevels(v, x[i]!, result, t) : packUnrounded(v, x[i]!, packedZero);
      if (!isLast) storeLevels(v, at(resultAt), i * lanesOf(isa), low);
      else if (tail !== undefined) storeFewLevels(v, at(resultAt), i * lanesOf(isa), low, tail);
      else {
        const kept = [resultAt, sumsAt, rowsLeft];
        for (const each of kept) a.push(each);
        a.mov(rcx, thread, frame.local('tail'));
        storeSomeLevels(v, resultAt, i * lanesOf(isa), low, rcx, rdx);
        for (const each of kept.toReversed()) a.pop(each);
      }
    }
  }
  a.addi(sumsAt, 2 * vectorBytes);
  a.add(resultAt, args, frame.argument('yRow'));
  addresses.forEach((address, i) => {
    a.add(address, args, frame.rowStep(i));
  });
  a.dec(rowsLeft);
  a.jnz(row);
}

/** The block's rows of the result, which are not in the cache yet: meanwhile sums are added up. Clobbers rax, rcx, rdx. */
export function emitResultAhead(a: Assembler, isa: DotIsa, finish: Finish, frame: Frame, rows: number): void {
  locateResult(a, isa, finish, frame);
  a.mov(rcx, at(rdi), frame.argument('yRow'));
  for (let row = 0; row < rows; row++) {
    for (let line = 0; line < panelColumns(isa) * resultBytes(finish); line += 64) a.prefetchw(at(resultAt), line);
    if (row < rows - 1) a.add(resultAt, rcx);
  }
}

/** Where the block's result begins; rdx says which row it begins with, rcx which column. */
function locateResult(a: Assembler, isa: DotIsa, finish: Finish, frame: Frame): void {
  const [args, thread] = [at(rdi), at(rbx)];
  a.mov(rdx, thread, frame.local('row'));
  a.imuli(rcx, thread, frame.local('panel'), panelColumns(isa));
  a.mov(resultAt, rdx);
  a.imul(resultAt, args, frame.argument('yRow'));
  a.add(resultAt, thread, frame.local('y'));
  if (resultBytes(finish) === 1) a.add(resultAt, rcx);
  else a.lea(resultAt, at(resultAt, rcx, 4));
}

/** What sums of each column are multiplied by, and the zero point of the result's levels. Changes rax and rcx. */
function emitScales(v: Vectors, isa: DotIsa, frame: Frame, vectors: number, levels: LevelType | undefined): void {
  const { a } = v;
  const args = at(rdi);
  const [t, zero] = [register(isa, 0), register(isa, ZERO_POINT)];
  a.mov(rcx, args, frame.argument('aScale'));
  a.vbroadcastss(t, at(rcx));
  a.mov(rax, args, frame.argument('columnWords'));
  a.lea(rax, at(rbp, rax, 4));
  for (let i = 0; i < vectors; i++) a.vmulps(register(isa, SCALE + i), t, at(rax), 4 * lanesOf(isa) * i);
  if (!levels) return;
  a.mov(rcx, args, frame.argument('yScale'));
  a.vbroadcastss(t, at(rcx));
  for (let i = 0; i < vectors; i++) a.vdivps(register(isa, SCALE + i), register(isa, SCALE + i), t);
  a.mov(rcx, args, frame.argument('yZero'));
  loadZeroPoint(v, zero, at(rcx), levels);
}
