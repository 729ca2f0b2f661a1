/**
 * What is not zero of a row of A: for each span how many quads of such numbers there are (none behind the last), these in fixed point, and for each number where
 * the weights that it is multiplied by begin. A quad is filled up with zeros times the first row of weights.
 */

import {
  Assembler,
  at,
  BROADCAST,
  dword,
  eax,
  k2,
  k3,
  r8,
  r9,
  r10,
  r11,
  r12,
  rax,
  rbx,
  rdi,
  rsi,
  ZERO,
  zmm,
} from '@espalier/x64';
import { emitGroups, Fixing, fixedBytes } from './fixed.ts';
import { eachSpan, type Levels, padded, paddedDepth } from './layout.ts';

/** Bytes of a list, and where in it counts end and rows of weights begin; numbers lie between. */
export function listOf(levels: Levels): { numbers: number; rows: number; bytes: number } {
  const numbers = Math.ceil((spanCount(levels) + 1) / 16) * 64;
  const rows = numbers + fixedBytes(paddedDepth(levels));
  return { numbers, rows, bytes: rows + 4 * paddedDepth(levels) };
}

export function spanCount(levels: Levels): number {
  let count = 0;
  eachSpan(levels, () => count++);
  return count;
}

/** Lists a row of A, a unit. Arguments: A, where to. @param rowBytes from one row of weights to the next */
export function emitList(levels: Levels, rowBytes: number): Uint8Array {
  const a = new Assembler();
  const { numbers, rows, bytes } = listOf(levels);
  const [from, counts, to, numbersAt, rowsAt, count] = [r8, r9, r10, r11, r12, rbx];
  const [x, packed] = [zmm(0), zmm(1)];
  const [index, nothing] = [zmm(26), zmm(27)];
  a.imuli(from, rsi, 4 * levels.k);
  a.add(from, at(rdi), 0);
  a.imuli(counts, rsi, bytes);
  a.add(counts, at(rdi), 8);
  a.lea(to, at(counts), numbers);
  a.vmovups(index, a.constant(Uint32Array.from({ length: 16 }, (_, i) => i * rowBytes)));
  a.vpxord(nothing, nothing, nothing);
  const fixing = new Fixing(a, levels.zero);
  const vector = (lanes: number): void => {
    if (lanes < 16) {
      a.movi(eax, (1 << lanes) - 1);
      a.kmovw(k3, eax);
    }
    a.vmovups(x, at(from), 0, lanes < 16 ? k3 | ZERO : 0);
    a.vcmpps(k2, x, nothing, NOT_EQUAL);
    a.vpcompressd(packed, x, k2 | ZERO);
    a.vmovups(at(numbersAt), 0, packed);
    a.vpcompressd(packed, index, k2 | ZERO);
    a.vmovups(at(rowsAt), 0, packed);
    a.kmovw(eax, k2);
    a.popcnt(rax, rax);
    a.lea(numbersAt, at(numbersAt, rax, 4));
    a.lea(rowsAt, at(rowsAt, rax, 4));
    a.add(count, rax);
    a.vpaddd(index, index, a.constant(Uint32Array.of(lanes * rowBytes)), 0, BROADCAST);
    a.addi(from, 4 * lanes);
  };

  emitGroups(a, levels, (steps) => {
    for (let i = 0; i < padded(steps) / 16; i++) a.vmovups(at(to), 64 * i, nothing);
    a.mov(numbersAt, to);
    a.lea(rowsAt, at(to), rows - numbers);
    a.xor(count, count);
    for (let step = 0; step < steps; step += 16) vector(Math.min(16, steps - step));
    a.addi(count, 3);
    a.shr(count, 2);
    a.mov(rax, count);
    a.mov(dword(counts), 0, eax);
    a.addi(counts, 4);
    fixing.span(to, padded(steps) / 16, (own, i) => a.vmovups(own, at(to), 64 * i));
    a.addi(to, fixedBytes(padded(steps)));
  });
  a.xor(eax, eax);
  a.mov(dword(counts), 0, eax);
  a.ret();
  return a.finish().slice();
}

/** Neither is greater, or one is no number. */
const NOT_EQUAL = 4;
