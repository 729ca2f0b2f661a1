/** The products between the transforms: for each position of them, filters by channels of squares. */

import {
  Assembler,
  at,
  BROADCAST,
  edx,
  qword,
  r8,
  r9,
  r10,
  r11,
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
  rsp,
  type Vector,
} from '@espalier/x64';
import type { Isa } from '../matmul/isa.ts';
import { type Plan, panelAt } from './plan.ts';

/** The argument block. A unit is some panels and blocks of filters of a position of an image. */
export const productWords = [
  'inputs',
  'filters',
  'sums',
  'panelsPerUnit',
  'panelGroups',
  'blocksPerUnit',
  'blockGroups',
] as const;
const args = at(rdi);
const argument = (name: (typeof productWords)[number]): number => 8 * productWords.indexOf(name);

/** Steps of the sum in a round of the loop, and between a line of weights being fetched and used. */
const [UNROLL, PREFETCH] = [4, 32];

/** @param blocks of filters: how many each has, the same or one less in the last ones */
export function emitProduct(isa: Isa, plan: Plan, blocks: readonly number[]): Uint8Array {
  const a = new Assembler();
  const { channels, vectors, span } = plan;
  const vectorBytes = 4 * isa.lanes;
  const rowBytes = vectors * vectorBytes;
  const panels = Math.ceil(vectors / 2);
  const [rows, tall] = [blocks.at(-1)!, blocks.filter((each) => each > blocks.at(-1)!).length];
  const [input, weights, sum, block, blockEnd, panel, panelEnd] = [r8, r9, r10, r11, r12, r13, r14];
  const [inputs, sums, filters] = [r15, rsi, rbx];

  /** From rdx times `per` on, `per` of them but none beyond `total`; rax keeps what is left of the unit. */
  const range = (groups: 'panelGroups' | 'blockGroups', per: 'panelsPerUnit' | 'blocksPerUnit', total: number) => {
    const [start, end] = per === 'panelsPerUnit' ? [panel, panelEnd] : [block, blockEnd];
    a.xor(edx, edx);
    a.div(qword(rdi), argument(groups));
    a.mov(start, args, argument(per));
    a.imul(start, rdx);
    a.mov(end, start);
    a.add(end, args, argument(per));
    a.movi(rdx, total);
    a.cmp(end, rdx);
    a.cmova(end, rdx);
  };
  a.mov(rax, rsi);
  range('blockGroups', 'blocksPerUnit', blocks.length);
  range('panelGroups', 'panelsPerUnit', panels);
  a.xor(edx, edx);
  a.movi(rcx, span ** 2);
  a.div(rcx);
  // rax: the image, rdx: the position.
  const locate = (to: typeof inputs, from: 'inputs' | 'sums' | 'filters', step: number, image: number): void => {
    a.imuli(to, rdx, step);
    if (image > 0) {
      a.imuli(rcx, rax, image);
      a.add(to, rcx);
    }
    a.add(to, args, argument(from));
  };
  locate(inputs, 'inputs', plan.inputStep, plan.inputs);
  locate(sums, 'sums', plan.sumStep, plan.sums);
  locate(filters, 'filters', 4 * channels * plan.filters, 0);
  const firstBlock = rcx;
  a.push(block);
  const nextPanel = a.here();
  a.mov(block, at(rsp), 0);
  const nextBlock = a.here();
  // The first filter of the block.
  a.imuli(weights, block, rows);
  if (tall > 0) {
    a.movi(firstBlock, tall);
    a.cmp(firstBlock, block);
    a.cmova(firstBlock, block);
    a.add(weights, firstBlock);
  }
  a.imuli(sum, weights, rowBytes);
  a.add(sum, sums);
  a.imuli(rax, panel, 2 * vectorBytes);
  a.add(sum, rax);
  a.imuli(weights, weights, 4 * channels);
  a.add(weights, filters);
  a.imuli(input, panel, panelAt(plan, isa, 1));
  a.add(input, inputs);
  const done = a.label();
  const product = (count: number, width: number): void => {
    const sumOf = (r: number, v: number): Vector => isa.register(r * width + v);
    const broadcast = (r: number): Vector => isa.register(2 * isa.rows + 2 + (r % isa.broadcasts));
    for (let i = 0; i < count * width; i++) a.vxorps(isa.register(i), isa.register(i), isa.register(i));
    const step = (u: number, isRound: boolean): void => {
      for (let v = 0; v < width; v++)
        a.vmovups(isa.register(2 * isa.rows + v), at(input), (u * width + v) * vectorBytes);
      if (isRound) a.prefetcht0(at(weights), 4 * count * (PREFETCH + u));
      for (let r = 0; r < count; r++) {
        if (width === 1) {
          a.vfmadd231ps(sumOf(r, 0), isa.register(2 * isa.rows), at(weights), 4 * (u * count + r), BROADCAST);
          continue;
        }
        a.vbroadcastss(broadcast(r), at(weights), 4 * (u * count + r));
        for (let v = 0; v < width; v++) a.vfmadd231ps(sumOf(r, v), broadcast(r), isa.register(2 * isa.rows + v));
      }
    };
    const advance = (steps: number): void => {
      a.addi(input, steps * width * vectorBytes);
      a.addi(weights, 4 * steps * count);
    };
    if (channels >= UNROLL) {
      a.movi(rcx, Math.floor(channels / UNROLL));
      a.align(32);
      const round = a.here();
      for (let u = 0; u < UNROLL; u++) step(u, true);
      advance(UNROLL);
      a.dec(rcx);
      a.jnz(round);
    }
    for (let u = 0; u < channels % UNROLL; u++) step(u, false);
    for (let r = 0; r < count; r++)
      for (let v = 0; v < width; v++) a.vmovups(at(sum), r * rowBytes + v * vectorBytes, sumOf(r, v));
  };
  /** Code for each number of rows that blocks have. */
  const heights = (width: number): void => {
    const low = a.label();
    if (tall > 0) {
      if (tall < blocks.length) {
        a.cmpi(block, tall);
        a.jae(low);
      }
      product(rows + 1, width);
      a.jmp(done);
    }
    a.bind(low);
    if (tall < blocks.length) {
      product(rows, width);
      a.jmp(done);
    }
  };
  const lastPanel = a.label();
  if (vectors % 2 === 1 && panels > 1) {
    a.cmpi(panel, panels - 1);
    a.je(lastPanel);
  }
  if (vectors > 1) heights(2);
  a.bind(lastPanel);
  if (vectors % 2 === 1) heights(1);
  a.bind(done);
  a.inc(block);
  a.cmp(block, blockEnd);
  a.jb(nextBlock);
  a.inc(panel);
  a.cmp(panel, panelEnd);
  a.jb(nextPanel);
  a.pop(block);
  a.ret();
  return a.finish().slice();
}
