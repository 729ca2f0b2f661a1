/** The product of a listed row by a panel of weights that lie by rows. */

import {
  Assembler,
  at,
  dword,
  eax,
  edx,
  type Gpr,
  type Label,
  qword,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r14d,
  r15,
  r15d,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  zmm,
} from '@espalier/x64';
import { type Epilogue, emitSteps } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { DIGITS, digitAt, emitGroups, fixedBytes, SCALE_AT, sumAt } from './fixed.ts';
import { LINE, padded } from './layout.ts';
import { listOf } from './list.ts';
import { emitNumber } from './product.ts';
import { BLOCK, columnsOf, type Rows, rowBytes, rowsLayout, sharing } from './rows.ts';

/** The argument block of the product; then for each operand of the epilogue its address and its row step in bytes. */
export const argumentWords = ['scratch', 'lists', 'weights', 'c'] as const;
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const operandArgument = (i: number): number => 8 * (argumentWords.length + 2 * i);
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** What a thread keeps in memory, before the sums of a panel's columns. */
const localWords = ['args', 'row', 'panel', 'rows', 'end', 'fetchList', 'fetchColumn'] as const;
const local = (name: (typeof localWords)[number]): number => 8 * localWords.indexOf(name);
const SUMS_AT = 64;
export const threadBytes = (levels: Rows): number => SUMS_AT + 4 * columnsOf(levels);

/** Vectors of columns of a block. */
const VECTORS = BLOCK / 16;
const thread = at(rbx);
/** The quads of a span and their end; counts of spans; weights of the block's columns, and scales; sums. */
const [quads, quadsEnd, counts, weightsAt, spanScales, sumsAt, scalesAt, quad] = [r8, r9, r10, r11, r12, r13, rdi, rsi];
const rowRegisters = [
  [rax, eax],
  [rdx, edx],
  [r14, r14d],
  [r15, r15d],
] as const;
/** Registers: sums of digits come first. */
const digit = (v: number, d: number): number => zmm(v * DIGITS + d);
const [LINES, PAIRS, OWN, FIRST, NIBBLES, SCALE, SPAN_SCALE, SUM] = [12, 16, 20, 23, 26, 27, 28, 29];

/** Of a block's scales. */
const scaleBytes = ({ isHalf }: Rows): number => (isHalf ? 2 : 4) * BLOCK;

/** A row of the result in the columns of a panel, a unit. Entry: args in rdi, unit in rsi, thread in rdx. */
export function emitColumns(levels: Rows, epilogue: Epilogue): Uint8Array {
  const a = new Assembler();
  const { panels } = levels;
  const { bytes, scales, scaleRow } = rowsLayout(levels);
  const list = listOf(levels);
  a.imuli(rbx, rdx, threadBytes(levels));
  a.add(rbx, at(rdi), argument('scratch'));
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.movi(rcx, panels);
  a.div(rcx);
  a.mov(thread, local('args'), rdi);
  a.mov(thread, local('row'), rax);
  a.mov(thread, local('panel'), rdx);
  a.imuli(counts, rax, list.bytes);
  a.add(counts, at(rdi), argument('lists'));
  a.lea(quads, at(counts), list.numbers);
  a.imuli(spanScales, rdx, bytes);
  a.add(spanScales, at(rdi), argument('weights'));
  a.lea(rax, at(spanScales), scales);
  a.mov(thread, local('rows'), rax);
  emitEnd(a, levels);
  if (levels.bits !== 8) a.vpbroadcastd(zmm(NIBBLES), a.constant(Uint32Array.of(0x0f0f0f0f)));
  emitGroups(a, levels, (steps) => {
    const skip = a.label();
    a.mov(eax, dword(counts), 0);
    a.addi(counts, 4);
    a.test(rax, rax);
    a.jz(skip);
    a.shl(rax, 4);
    a.lea(quadsEnd, at(quads, rax));
    a.lea(sumsAt, thread, SUMS_AT);
    a.mov(weightsAt, thread, local('rows'));
    a.mov(scalesAt, spanScales);
    a.lea(rax, at(quads), list.rows - list.numbers + fixedBytes(padded(steps)));
    a.mov(thread, local('fetchList'), rax);
    a.xor(eax, eax);
    a.mov(thread, local('fetchColumn'), rax);
    a.vbroadcastss(zmm(SPAN_SCALE), at(quads), SCALE_AT);
    if (levels.zero !== 0) for (let d = 0; d < DIGITS; d++) a.vpbroadcastd(zmm(FIRST + d), at(quads), sumAt(d));
    const next = a.here();
    emitFetch(a, levels);
    for (let part = 0; part < sharing(levels); part++) emitBlock(a, levels, part);
    a.addi(weightsAt, LINE);
    a.addi(sumsAt, sharing(levels) * 4 * BLOCK);
    a.cmp(sumsAt, thread, local('end'));
    a.jb(next);
    a.bind(skip);
    a.addi(quads, fixedBytes(padded(steps)));
    if (levels.scales === 'group') a.addi(spanScales, scaleRow);
  });
  emitStore(a, levels, epilogue, bytes);
  a.ret();
  return a.finish().slice();
}

/** Where the sums of the unit's columns (panel in rdx) end, whole lines; and zeros in them. */
function emitEnd(a: Assembler, levels: Rows): void {
  const line = BLOCK * sharing(levels);
  const columns = columnsOf(levels);
  const last = levels.panels - 1;
  a.lea(rcx, thread, SUMS_AT + 4 * columns);
  a.lea(rsi, thread, SUMS_AT + 4 * Math.ceil((levels.n - last * columns) / line) * line);
  a.cmpi(rdx, last);
  a.cmove(rcx, rsi);
  a.mov(thread, local('end'), rcx);
  a.vpxord(zmm(0), zmm(0), zmm(0));
  a.lea(rax, thread, SUMS_AT);
  const clear = a.here();
  a.vmovups(at(rax), 0, zmm(0));
  a.addi(rax, 64);
  a.cmp(rax, rcx);
  a.jb(clear);
}

/** Fetches a share of what the next span needs, row by row, as memory likes it. */
function emitFetch(a: Assembler, levels: Rows): void {
  const [list, column, left] = [r14, r15, rax];
  const [next, same, done] = [a.label(), a.label(), a.label()];
  if (levels.scales === 'group')
    for (let byte = 0; byte < sharing(levels) * scaleBytes(levels); byte += LINE)
      a.prefetcht1(at(scalesAt), rowsLayout(levels).scaleRow + byte);
  a.mov(eax, dword(counts), 0);
  a.test(left, left);
  a.jz(done);
  a.mov(list, thread, local('fetchList'));
  a.mov(column, thread, local('fetchColumn'));
  a.bind(next);
  a.mov(edx, dword(list), 0);
  a.add(rdx, column);
  a.add(rdx, thread, local('rows'));
  for (let line = 0; line < 4; line++) a.prefetcht1(at(rdx), LINE * line);
  a.addi(column, 4 * LINE);
  a.cmpi(column, rowBytes(levels));
  a.jb(same);
  a.xor(column, column);
  a.addi(list, 4);
  a.bind(same);
  a.dec(left);
  a.jnz(next);
  a.mov(thread, local('fetchList'), list);
  a.mov(thread, local('fetchColumn'), column);
  a.bind(done);
}

/** Adds the products of the span's numbers to the sums of a block of columns; of those of four bits the first or the second that share lines. */
function emitBlock(a: Assembler, levels: Rows, part: number): void {
  const rowsAt = listOf(levels).rows - listOf(levels).numbers;
  for (let v = 0; v < VECTORS; v++)
    for (let d = 0; d < DIGITS; d++) {
      const to = digit(v, d);
      if (levels.zero === 0) a.vpxord(to, to, to);
      else a.vmovaps(to, zmm(FIRST + d));
    }
  a.mov(quad, quads);
  const next = a.here();
  for (const [i, [row, half]] of rowRegisters.entries()) {
    a.mov(half, dword(quad), rowsAt + 4 * i);
    a.vmovups(zmm(LINES + i), at(weightsAt, row));
  }
  if (levels.bits !== 8)
    for (let i = 0; i < 4; i++) {
      const x = zmm(LINES + i);
      if (part > 0) a.vpsrlwi(x, x, 4);
      a.vpandd(x, x, zmm(NIBBLES));
    }
  const [lines, pairs] = [LINES, PAIRS].map((first) => [0, 1, 2, 3].map((i) => zmm(first + i))) as [number[], number[]];
  for (let i = 0; i < 4; i += 2) {
    a.vpunpcklbw(pairs[i]!, lines[i]!, lines[i + 1]!);
    a.vpunpckhbw(pairs[i + 1]!, lines[i]!, lines[i + 1]!);
  }
  for (let i = 0; i < 2; i++) {
    a.vpunpcklwd(lines[2 * i]!, pairs[i]!, pairs[2 + i]!);
    a.vpunpckhwd(lines[2 * i + 1]!, pairs[i]!, pairs[2 + i]!);
  }
  for (let d = 0; d < DIGITS; d++) {
    const own = zmm(OWN + d);
    a.vpbroadcastd(own, at(quad), digitAt(0, d));
    for (let v = 0; v < VECTORS; v++) a.vpdpbusd(digit(v, d), lines[v]!, own);
  }
  a.addi(quad, digitAt(1, 0));
  a.cmp(quad, quadsEnd);
  a.jb(next);
  const [scale, sum] = [zmm(SCALE), zmm(SUM)];
  for (let v = 0; v < VECTORS; v++) {
    const [low, middle, high] = [0, 1, 2].map((d) => digit(v, d)) as [number, number, number];
    emitNumber(a, low, middle, high);
    const column = part * BLOCK + 16 * v;
    a.vmovups(sum, at(sumsAt), 4 * column);
    if (levels.scales === 'group') {
      if (levels.isHalf) a.vcvtph2ps(scale, at(scalesAt), 32 * v);
      else a.vmovups(scale, at(scalesAt), 64 * v);
      a.vmulps(scale, scale, zmm(SPAN_SCALE));
      a.vfmadd231ps(sum, low, scale);
    } else a.vfmadd231ps(sum, low, zmm(SPAN_SCALE));
    a.vmovups(at(sumsAt), 4 * column, sum);
  }
  if (levels.scales === 'group') a.addi(scalesAt, scaleBytes(levels));
}

/** Sums through the epilogue into the result. @param panelBytes from panel to panel */
function emitStore(a: Assembler, levels: Rows, epilogue: Epilogue, panelBytes: number): void {
  const { n, scales } = levels;
  const columns = columnsOf(levels);
  const last = n - (levels.panels - 1) * columns;
  const [result, sums, left, columnScales] = [rax, rdx, rcx, rdi];
  const operands = epilogue.operands.map((operand, i) => ({ ...operand, address: operandsAt[i]! }));
  const tail = last % 16;
  if (tail > 0) {
    a.movi(rcx, tail);
    avx512.setMask(a);
  }
  a.mov(rdi, thread, local('args'));
  a.imuli(rcx, thread, local('panel'), 4 * columns);
  a.mov(rdx, thread, local('row'));
  a.imuli(result, rdx, 4 * n);
  a.add(result, at(rdi), argument('c'));
  a.add(result, rcx);
  for (const [i, { perColumn, address }] of operands.entries()) {
    a.mov(address, rdx);
    a.imul(address, at(rdi), operandArgument(i) + 8);
    a.add(address, at(rdi), operandArgument(i));
    if (perColumn) a.add(address, rcx);
  }
  a.imuli(rdx, thread, local('panel'), panelBytes);
  a.mov(columnScales, at(rdi), argument('weights'));
  a.add(columnScales, rdx);
  const sources = operands.map(({ address }) => at(address));
  const vector = (masked: boolean): void => {
    a.vmovups(zmm(0), at(sums));
    if (scales === 'column') a.vmulps(zmm(0), zmm(0), at(columnScales));
    emitSteps(a, avx512, epilogue, sources, 1, masked);
    avx512.store(a, at(result), 0, zmm(0), masked);
    for (const register of [result, sums, columnScales]) a.addi(register, 64);
    for (const { perColumn, address } of operands) if (perColumn) a.addi(address, 64);
  };
  const [start, rest, done] = [a.label(), a.label(), a.label()];
  const ifLast = (not: Label): void => {
    a.cmpi(qword(thread), local('panel'), levels.panels - 1);
    a.jne(not);
  };
  a.lea(sums, thread, SUMS_AT);
  a.movi(left, columns / 16);
  ifLast(start);
  a.movi(left, Math.floor(last / 16));
  a.bind(start);
  a.test(left, left);
  a.jz(rest);
  const next = a.here();
  vector(false);
  a.dec(left);
  a.jnz(next);
  a.bind(rest);
  if (tail === 0) return;
  ifLast(done);
  vector(true);
  a.bind(done);
}
