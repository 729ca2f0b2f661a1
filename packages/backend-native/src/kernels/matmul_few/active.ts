/**
 * Products of rows of which many elements are zero, as ReLU and its kin leave them: the weights of a zero are not read. Weights lie in
 * panels of 128 or 256 columns, row by row; what is not zero of A is listed first, with where its row begins.
 */

import { ESPALIER, isRejection, runGenerator, Slicer } from '@espalier/core';
import { geometry } from '@espalier/lowering';
import {
  Assembler,
  at,
  BROADCAST,
  dword,
  eax,
  edx,
  type Gpr,
  k2,
  k3,
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
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  ZERO,
  zmm,
} from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import { type Epilogue, emitSteps, fuses } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import type { NarrowMatrix } from '../matmul/narrow.ts';
import { quantizedMatrix } from '../matmul/quantized.ts';
import { rowwise } from '../matmul_sparse/common.ts';
import { type Levels, levelsOf } from './layout.ts';
import { unpacked } from './pack.ts';
import { packedInputs, rowsOf, sizesOf } from './program.ts';

/** Columns of a panel: as many as there are registers for, twice where groups are added up apart. */
const columnsOf = (levels: Levels): number => (groups(levels) > 1 ? 128 : 256);
/** Entries between a row of weights being fetched and used. */
const AHEAD = 56;
/** Share of A that is taken to be not zero, and how fast rows that are not next to each other come from memory. */
const DENSITY = 0.2;
const SCATTERED = 0.1;
/** What a weight takes to widen and add up, in multiply-adds of float32. */
const WIDENING = { 4: 2.5, 8: 2.7 } as const;

/** Bits of a stored weight. */
const bitsOf = ({ bits }: Levels): 4 | 8 => (bits === 8 ? 8 : 4);
const rowBytes = (levels: Levels): number => (columnsOf(levels) * bitsOf(levels)) / 8;
const groups = ({ k, group }: Levels): number => Math.ceil(k / group);
const panels = (levels: Levels): number => Math.ceil(levels.n / columnsOf(levels));
const panelBytes = (levels: Levels): number => groups(levels) * 4 * columnsOf(levels) + levels.k * rowBytes(levels);

/** Of the list of a row: counts of groups, where rows of weights begin, numbers. */
function listOf(levels: Levels): { offsets: number; values: number; bytes: number } {
  const offsets = Math.ceil(groups(levels) / 16) * 64;
  const each = (Math.ceil(levels.k / 16) + 1 + AHEAD / 16) * 64;
  return { offsets, values: offsets + each, bytes: offsets + 2 * each };
}

/** Lists a row of A, a unit. Arguments: A, where to. */
function emitList(levels: Levels): Uint8Array {
  const a = new Assembler();
  const { k, group } = levels;
  const { offsets, values, bytes } = listOf(levels);
  const [from, counts, offsetsAt, valuesAt, count, left] = [r8, r9, r10, r11, r12, r13];
  const [x, index, magnitude] = [zmm(0), zmm(1), zmm(2)];
  const own = rowBytes(levels);
  a.imuli(from, rsi, 4 * k);
  a.add(from, at(rdi), 0);
  a.imuli(counts, rsi, bytes);
  a.add(counts, at(rdi), 8);
  a.lea(offsetsAt, at(counts), offsets);
  a.lea(valuesAt, at(counts), values);
  a.vmovups(index, a.constant(Uint32Array.from({ length: 16 }, (_, i) => i * own)));
  a.vpbroadcastd(magnitude, a.constant(Uint32Array.of(0x7fffffff)));
  const vector = (lanes: number): void => {
    if (lanes < 16) {
      a.movi(eax, (1 << lanes) - 1);
      a.kmovw(k3, eax);
    }
    a.vmovups(x, at(from), 0, lanes < 16 ? k3 | ZERO : 0);
    a.vptestmd(k2, x, magnitude);
    a.vpcompressd(zmm(4), x, k2 | ZERO);
    a.vmovups(at(valuesAt), 0, zmm(4));
    a.vpcompressd(zmm(4), index, k2 | ZERO);
    a.vmovups(at(offsetsAt), 0, zmm(4));
    a.kmovw(eax, k2);
    a.popcnt(rax, rax);
    a.lea(valuesAt, at(valuesAt, rax, 4));
    a.lea(offsetsAt, at(offsetsAt, rax, 4));
    a.add(count, rax);
    a.vpaddd(index, index, a.constant(Uint32Array.of(lanes * own)), 0, BROADCAST);
    a.addi(from, 4 * lanes);
  };
  const rows = (steps: number): void => {
    a.xor(count, count);
    const whole = Math.floor(steps / 16);
    if (whole > 0) {
      a.movi(rcx, whole);
      const loop = a.here();
      vector(16);
      a.dec(rcx);
      a.jnz(loop);
    }
    if (steps % 16 > 0) vector(steps % 16);
    a.mov(rax, count);
    a.mov(dword(counts), 0, eax);
    a.addi(counts, 4);
  };
  const whole = Math.floor(k / group);
  a.movi(left, whole);
  const loop = a.here();
  rows(group);
  a.dec(left);
  a.jnz(loop);
  if (k % group > 0) rows(k % group);
  a.ret();
  return a.finish().slice();
}

/** The argument block of the product; then for each operand of the epilogue its address and its row step in bytes. */
const argumentWords = ['lists', 'weights', 'c', 'panels'] as const;
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const operandArgument = (i: number): number => 8 * (argumentWords.length + 2 * i);
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** A row of the result in the columns of a panel, a unit. */
function emitColumns(levels: Levels, epilogue: Epilogue): Uint8Array {
  const a = new Assembler();
  const { n } = levels;
  const columns = columnsOf(levels);
  const [row, panel] = [rsi, rbx];
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(at(rdi)), argument('panels'));
  a.mov(row, rax);
  a.mov(panel, rdx);
  const whole = Math.floor(n / columns);
  const [last, rest] = [a.label(), n % columns];
  if (whole > 0 && rest > 0) {
    a.cmpi(panel, whole);
    a.je(last);
  }
  if (whole > 0) {
    emitPanel(a, levels, columns / 16);
    emitStore(a, levels, epilogue, columns / 16, false);
    a.ret();
  }
  if (rest > 0) {
    a.bind(last);
    const vectors = Math.ceil(rest / 16);
    emitPanel(a, levels, vectors);
    a.movi(rcx, rest % 16 || 16);
    avx512.setMask(a);
    emitStore(a, levels, epilogue, vectors, true);
    a.ret();
  }
  return a.finish().slice();
}

const total = (v: number): number => zmm(16 + v);

/** The totals of the unit's row (rsi) and panel (rbx), scaled. */
function emitPanel(a: Assembler, levels: Levels, vectors: number): void {
  const { offsets, values, bytes } = listOf(levels);
  const [counts, offsetsAt, valuesAt, scalesAt, weightsAt, left] = [r8, r9, r10, r11, r12, r13];
  const [value, zero, table, nibbles] = [zmm(0), zmm(1), zmm(2), zmm(3)];
  a.imuli(counts, rsi, bytes);
  a.add(counts, at(rdi), argument('lists'));
  a.lea(offsetsAt, at(counts), offsets);
  a.lea(valuesAt, at(counts), values);
  a.imuli(scalesAt, rbx, panelBytes(levels));
  a.add(scalesAt, at(rdi), argument('weights'));
  a.lea(weightsAt, at(scalesAt), groups(levels) * 4 * columnsOf(levels));
  // Of one group the sums are scaled at the end.
  const isOne = groups(levels) === 1;
  const sum = isOne ? total : (v: number): number => zmm(8 + v);
  const isNarrow = bitsOf(levels) === 4;
  if (isNarrow) a.vmovups(table, a.constant(Float32Array.from({ length: 16 }, (_, i) => i - (levels.zero as number))));
  else a.vbroadcastss(zero, a.constant(Float32Array.of(levels.zero as number)));
  for (let v = 0; v < vectors; v++) a.vxorps(total(v), total(v), total(v));
  a.movi(left, groups(levels));
  const nextGroup = a.here();
  const [none, entry] = [a.label(), a.label()];
  a.mov(eax, dword(counts), 0);
  a.mov(rcx, rax);
  a.test(rcx, rcx);
  a.jz(none);
  for (let v = 0; v < vectors && !isOne; v++) a.vxorps(sum(v), sum(v), sum(v));
  a.align(32);
  a.bind(entry);
  a.mov(eax, dword(offsetsAt), 0);
  a.mov(edx, dword(offsetsAt), 4 * AHEAD);
  a.vbroadcastss(value, at(valuesAt));
  for (let line = 0; line < rowBytes(levels); line += 64) a.prefetcht1(at(weightsAt, rdx), line);
  for (let v = 0; v < vectors; v++) {
    const x = zmm(4 + (v % 4));
    if (!isNarrow) {
      a.vpmovzxbd(x, at(weightsAt, rax), 16 * v);
      a.vcvtdq2ps(x, x);
      if (levels.zero !== 0) a.vsubps(x, x, zero);
    } else {
      if (v % 2 === 0) a.vpmovzxbd(nibbles, at(weightsAt, rax), 8 * v);
      if (v % 2 === 0) a.vpermps(x, nibbles, table);
      else {
        a.vpsrldi(x, nibbles, 4);
        a.vpermps(x, x, table);
      }
    }
    a.vfmadd231ps(sum(v), x, value);
  }
  a.addi(offsetsAt, 4);
  a.addi(valuesAt, 4);
  a.dec(rcx);
  a.jnz(entry);
  for (let v = 0; v < vectors; v++) {
    if (isOne) a.vmulps(sum(v), sum(v), at(scalesAt), 64 * v);
    else a.vfmadd231ps(total(v), sum(v), at(scalesAt), 64 * v);
  }
  a.bind(none);
  a.addi(counts, 4);
  a.addi(scalesAt, 4 * columnsOf(levels));
  a.dec(left);
  a.jnz(nextGroup);
}

/** Totals through the epilogue into the result. */
function emitStore(a: Assembler, levels: Levels, epilogue: Epilogue, vectors: number, masked: boolean): void {
  const [result, column] = [rax, rcx];
  a.imuli(column, rbx, 4 * columnsOf(levels));
  a.imuli(result, rsi, 4 * levels.n);
  a.add(result, at(rdi), argument('c'));
  a.add(result, column);
  a.mov(rdx, rsi);
  for (const [i, { perColumn }] of epilogue.operands.entries()) {
    const operand = operandsAt[i]!;
    a.mov(operand, rdx);
    a.imul(operand, at(rdi), operandArgument(i) + 8);
    a.add(operand, at(rdi), operandArgument(i));
    if (perColumn) a.add(operand, column);
  }
  const sources = epilogue.operands.map((_, i) => at(operandsAt[i]!));
  for (let v = 0; v < vectors; v++) {
    const isLast = masked && v === vectors - 1;
    a.vmovaps(zmm(0), total(v));
    emitSteps(a, avx512, epilogue, sources, 1, isLast);
    avx512.store(a, at(result), 64 * v, zmm(0), isLast);
    for (const [i, { perColumn }] of epilogue.operands.entries()) if (perColumn) a.addi(operandsAt[i]!, 64);
  }
}

/** Packs into fresh memory, which is zero; yields after each panel. */
function* pack(
  levels: Levels,
  { scale }: Pick<NarrowMatrix, 'scale'>,
  weights: Uint8Array,
  to: Uint8Array,
): Generator<void, void> {
  const { k, n, group } = levels;
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  const own = rowBytes(levels);
  const width = columnsOf(levels);
  for (let panel = 0; panel < panels(levels); panel++) {
    const columns = Math.min(width, n - panel * width);
    let write = panel * panelBytes(levels);
    for (let row = 0; row < k; row += group, write += 4 * width)
      for (let i = 0; i < columns; i++) view.setFloat32(write + 4 * i, scale(row, panel * width + i), true);
    for (let row = 0; row < k; row++, write += own) {
      const read = row * n + panel * width;
      for (let i = 0; i < columns; i++) {
        if (own === width) to[write + i] = weights[read + i]!;
        // Two neighbouring vectors are the halves of sixteen bytes.
        else to[write + 16 * (i >> 5) + (i & 15)]! |= weights[read + i]! << ((i & 16) / 4);
      }
    }
    yield;
  }
}

const emitAll = (levels: Levels, epilogue: Epilogue): readonly Uint8Array[] => [
  emitList(levels),
  emitColumns(levels, epilogue),
];

export const activeColumns: NativeKernel = {
  name: 'matmul_f32i_active_1x256__avx512',
  op: 'DequantizeMatMul',
  domain: ESPALIER,
  requires: ['avx512'],
  types: { T: ['float32'], W: ['int8', 'uint8', 'int4', 'uint4'] },
  fuses,
  work(call, at, constants) {
    if (call.attrs['sparse_input'] !== 1) return { reason: 'nothing says that elements of A are zero' };
    const epilogue = rowwise(call, 1);
    if (isRejection(epilogue)) return epilogue;
    const levels = levelsOf(call, constants);
    if ('reason' in levels) return levels;
    if (levels.scales === 'row' || levels.zero === 'many') return { reason: 'scales differ by rows, or zero points' };
    const { k, n } = levels;
    const resident = panels(levels) * panelBytes(levels);
    const { rows, operands } = sizesOf(call, at, n, epilogue);
    return {
      macs: DENSITY * rows * n * k,
      bytes: 4 * (rows * (k + n) + operands) + DENSITY * rows * resident,
      resident,
      widened: DENSITY * WIDENING[bitsOf(levels)] * rows * k * panels(levels) * columnsOf(levels),
      streamed: DENSITY * rows * resident,
    };
  },
  law: ({ widened, streamed }, rates) =>
    2 * rates['call']! +
    Math.max(widened! / rates['fma']!, streamed! / (SCATTERED * rates['bytes']!)) / rates['threads']!,
  async prepare(call, constants, engine) {
    const levels = levelsOf(call, constants) as Levels;
    const epilogue = rowwise(call, 1) as Epilogue;
    const { k, n, least } = levels;
    const slicer = new Slicer();
    const weights = engine.memory.allocLasting(panels(levels) * panelBytes(levels));
    const elements = await runGenerator(unpacked(constants[1]!.tensor, least), slicer);
    await runGenerator(pack(levels, quantizedMatrix(call, constants), elements, weights.view), slicer);
    const code = sharedCode(engine.addon, emitAll, { ...levels, least: 0, nonzeros: 0 }, epilogue);
    const others = epilogue.operands.map(({ input }) => input);
    const { bytes } = listOf(levels);
    return {
      resident: code.bytes + weights.bytes,
      packed: packedInputs(constants, 1, 2, 3),
      scratch: (bound) => rowsOf(bound, n) * bytes,
      phases: [
        {
          code: code.addresses[0]!,
          units: (bound) => rowsOf(bound, n),
          args: ({ inputs, scratch }) => [inputs[0]!.address, scratch],
        },
        {
          code: code.addresses[1]!,
          units: (bound) => rowsOf(bound, n) * panels(levels),
          args({ inputs, outputs, scratch }) {
            const operands = others.map((input) => inputs[input]!);
            const operandDims = operands.map(({ dims }) => dims);
            const { rowSteps } = geometry(inputs[0]!.dims, [k, n], outputs[0]!.dims, operandDims);
            const words = { lists: scratch, weights: weights.address, c: outputs[0]!.address, panels: panels(levels) };
            const bytes = operands.map(({ dtype }) => (dtype === 'float32' ? 4 : 1));
            return [
              ...argumentWords.map((name) => words[name]),
              ...operands.flatMap(({ address }, i) => [address, bytes[i]! * rowSteps[i]!]),
            ];
          },
        },
      ],
      dispose() {
        code.dispose();
        engine.memory.free(weights);
      },
    };
  },
};
