/** How sums of a tile become pixels of the result: what is no pixel is left out, then the epilogue. */

import type { PlaneEpilogue } from '@espalier/lowering';
import {
  type Assembler,
  at,
  eax,
  ecx,
  type Gpr,
  k2,
  r8,
  r9,
  r10,
  r11,
  rax,
  rbp,
  rcx,
  rdi,
  rdx,
  rsi,
  ZERO,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES } from '../activations.ts';
import { emitSteps } from '../epilogue.ts';
import { avx512, type Isa } from '../matmul/isa.ts';
import { tiles } from '../matmul_sparse/frame.ts';
import { tilesLeft } from '../matmul_sparse/stream.ts';
import { argument, local, operandArgument, thread } from './frame.ts';

const operandsAt: readonly Gpr[] = [rcx, rax, rbp, r10];
export const MOST_OPERANDS = operandsAt.length;

/** A routine: lines of sums at rdi for rdx filters of the group from rsi on. Changes those and rcx. */
export function emitStore(a: Assembler, isa: Isa, { operands, steps }: PlaneEpilogue): void {
  const isWide = isa === avx512;
  const math = new Vectors(a, isWide);
  const sum = isa.register(0);
  const temporaries = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => isa.register(1 + i));
  const order = isa.register(1 + ACTIVATION_TEMPORARIES);
  const [args, result, offset, pixels, step] = [r11, rsi, r8, r9, r9];
  const kept = [rax, rbp, r8, r9, r10, r11];
  for (const register of kept) a.push(register);
  a.mov(rax, tiles);
  a.sub(rax, tilesLeft);
  a.add(rax, thread, local('tile'));
  a.mov(args, thread, local('args'));
  a.mov(pixels, at(args), argument('pixelsTable'));
  a.add(pixels, args);
  a.mov(pixels, at(pixels, rax, 8), 0);
  a.mov(rax, pixels);
  a.andi(eax, 0xffff);
  a.shr(pixels, 16);
  a.popcnt(ecx, eax);
  const whole = a.label();
  const rows = (masked: boolean): void => {
    a.mov(offset, rsi);
    a.imul(offset, at(args), argument('yChannel'));
    a.lea(offset, at(offset, pixels, 4));
    a.add(offset, thread, local('y'));
    a.add(rsi, thread, local('filter'));
    for (const [i, { per }] of operands.entries()) {
      const address = operandsAt[i]!;
      a.mov(address, at(args), operandArgument(i));
      if (per === 'channel') a.lea(address, at(address, rsi, 4));
      else if (per === 'element') a.add(address, offset);
    }
    a.mov(result, at(args), argument('y'));
    a.add(result, offset);
    a.mov(step, at(args), argument('yChannel'));
    const row = a.here();
    a.vmovups(sum, at(rdi));
    if (masked && isWide) a.vcompressps(sum, sum, k2 | ZERO);
    else if (masked) a.vpermps(sum, order, sum);
    emitSteps(math, steps, sum, temporaries, (dst, input) => {
      const found = operands.findIndex((operand) => operand.input === input);
      if (found < 0) return false;
      if (operands[found]!.per === 'element') isa.load(a, dst, at(operandsAt[found]!), 0, masked);
      else a.vbroadcastss(dst, at(operandsAt[found]!));
      return true;
    });
    isa.store(a, at(result), 0, sum, masked);
    a.addi(rdi, 4 * isa.lanes);
    a.add(result, step);
    for (const [i, { per }] of operands.entries()) {
      if (per === 'channel') a.addi(operandsAt[i]!, 4);
      else if (per === 'element') a.add(operandsAt[i]!, step);
    }
    a.dec(rdx);
    a.jnz(row);
    for (const register of kept.toReversed()) a.pop(register);
    a.ret();
  };
  a.cmpi(ecx, isa.lanes);
  a.je(whole);
  if (isWide) a.kmovd(k2, eax);
  else {
    a.lea(r10, a.constant(closingOrders(isa.lanes)));
    a.vpmovzxbd(order, at(r10, rax, isa.lanes as 8));
  }
  isa.setMask(a);
  rows(true);
  a.bind(whole);
  rows(false);
}

/** For all bits that lanes may have the lanes whose bit is set, one after the other. */
function closingOrders(lanes: number): Uint8Array {
  const orders = new Uint8Array(lanes * 2 ** lanes);
  for (let bits = 0; bits < 2 ** lanes; bits++) {
    const set = Array.from({ length: lanes }, (_, i) => i).filter((i) => (bits >> i) & 1);
    orders.set(set, bits * lanes);
  }
  return orders;
}
