/**
 * The code of a product of bytes: for each register tile of a unit, rows of A broadcast against two vectors of a panel of B, the
 * exact sums left in the thread's scratch memory, and from there scaled and through the epilogue into the result.
 */

import { partitionWords } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  eax,
  type Gpr,
  qword,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  type Vector,
  xmm,
  zmm,
} from '@espalier/x64';
import { emitChannelSums } from '../conv_int8/depthwise.ts';
import { emitPatches, type Patches, patchLocals, patchWords } from '../conv_int8/patches.ts';
import { emitRounds, Loops, UNROLL } from '../loops.ts';
import { MOST_OPERANDS } from '../matmul/epilogue.ts';
import { emitTileConfiguration, emitTileProduct, TILE_ROWS, TILE_STEPS, tileRegisters } from '../tiles.ts';
import { emitFinish, emitResultAhead, type Finish } from './finish.ts';
import { type DotIsa, elementBytes, lanesOf, panelColumns, register, stepBytes, weightBytes } from './isa.ts';
import { emitZeroPoint, type ZeroPoint } from './zero-point.ts';

/** The argument block; then, where A are patches, {@link patchWords}; then the row step in bytes of each operand of the epilogue, then for each matrix where everything begins. */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'steps',
  'aRow',
  'yRow',
  'panelBytes',
  'columnWords',
  'aScale',
  'aZero',
  'yScale',
  'yZero',
  'batch',
  ...partitionWords,
] as const;
type Argument = (typeof argumentWords)[number];

/**
 * Where things begin for each matrix, in this order, before the operands of the epilogue. Where A are patches, `a` is the number of the
 * first row, and `rowTerms` bytes from the beginning of a pixel.
 */
export const entryWords = ['a', 'rowTerms', 'b', 'parameters', 'y'] as const;

/** What a unit keeps in memory, behind its tile of sums; the entry of the current matrix comes last. */
const localWords = [
  'tail',
  'batch',
  'batchEnd',
  'panel',
  'panelStart',
  'panelEnd',
  'block',
  'blockStart',
  'blockEnd',
  'row',
  'rows',
  ...patchLocals,
  ...entryWords,
] as const;
type Local = (typeof localWords)[number];
const LOCAL_BYTES = Math.ceil((localWords.length + MOST_OPERANDS) / 8) * 64;

const tileBytes = (isa: DotIsa): number => isa.rows * panelColumns(isa) * 4;
/** Bytes of scratch memory that each thread needs. */
export const threadBytes = (isa: DotIsa): number => tileBytes(isa) + LOCAL_BYTES;

/** Columns that a panel may have: all, or all of the first vector's, or some of these, or all of these and some of the second's. */
export type Columns = 'full' | 'one' | 'first' | 'second';

export interface Shape {
  readonly isa: DotIsa;
  /** Numbers of rows that blocks have. */
  readonly rows: readonly number[];
  /** Kinds of panels that there are. */
  readonly columns: readonly Columns[];
  /** Columns of the last vector where it is not full, if they are known. */
  readonly tail?: number;
  /** A counts from a zero point: `given` by an address, and 128 more where its bytes were signed. */
  readonly aZero: ZeroPoint;
  /** B counts from zero points, and so each row of A brings a term of its own. */
  readonly bZero: boolean;
  readonly finish: Finish;
  /** A are patches of a picture, which each unit gathers for itself. */
  readonly patches?: Patches;
  /** Each column is of a channel by itself: how many taps it has. */
  readonly channelTaps?: number;
}

/** Kinds of panels for `n` columns; every kind where it is not known. */
export function panelKinds(isa: DotIsa, n: number | undefined): readonly Columns[] {
  if (n === undefined) return ['full', 'first', 'second'];
  const rest = n % panelColumns(isa);
  const last: Columns = rest > lanesOf(isa) ? 'second' : rest === lanesOf(isa) ? 'one' : 'first';
  return [...(n >= panelColumns(isa) || n === 0 ? ['full' as const] : []), ...(rest > 0 ? [last] : [])];
}

/** Places that the code for a tile and what follows it need to know. */
export interface Frame {
  argument(name: Argument): number;
  rowStep(operand: number): number;
  local(name: Local): number;
  operandLocal(operand: number): number;
}

const args = at(rdi);
const thread = at(rbx);

/** The first four rows of A are at r8 and one, two and three times aRow behind it, the next four at r9, and so on. */
const rowBases = [r8, r9, r10, r11];
const [aRow, aRow3, bAt] = [r12, r13, r14];
/** What the next panel will read, of which each of the first blocks fetches a part. */
const nextAt = rax;

/** Cycles that a line takes from memory, and lines that may be on their way. */
const LATENCY = 340;
const MOST_AHEAD = 48;
/** Sums that hide the latency of a dot product. */
const LEAST_SUMS = 8;

export function emitProduct(shape: Shape): Uint8Array {
  return new Emission(shape).emit();
}

class Emission implements Frame {
  private readonly a = new Assembler();
  private readonly loops = new Loops(
    this.a,
    (name: Argument) => this.argument(name),
    (name: Local) => this.local(name),
  );
  private readonly shape: Shape;
  private readonly isa: DotIsa;

  constructor(shape: Shape) {
    this.shape = shape;
    this.isa = shape.isa;
  }

  /** Entry: args in rdi, unit in rsi, thread in rdx. */
  emit(): Uint8Array {
    const { a } = this;
    const operands = this.shape.finish.epilogue.operands.length;
    const words = entryWords.length + operands;
    a.imul(rdx, args, this.argument('threadBytes'));
    a.mov(rbx, rdx);
    a.add(rbx, args, this.argument('scratch'));
    a.mov(rax, rsi);
    this.loops.range('rowGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
    this.loops.range('columnGroups', 'panelsPerUnit', 'panels', 'panelStart', 'panelEnd');
    a.mov(rdx, rax);
    this.loops.storeRange('batchesPerUnit', 'batch', 'batch', 'batchEnd');
    if (this.isa.tileSteps !== undefined) this.configureTiles();
    const nextBatch = a.here();
    a.mov(rax, thread, this.local('batch'));
    a.imuli(rax, rax, 8 * words);
    for (let i = 0; i < words; i++) {
      a.mov(rcx, at(rdi, rax), this.rowStep(operands) + 8 * i);
      a.mov(thread, this.local(entryWords[0]) + 8 * i, rcx);
    }
    if (this.shape.patches) this.gather(this.shape.patches);
    a.mov(rax, thread, this.local('panelStart'));
    a.mov(thread, this.local('panel'), rax);
    const nextPanel = a.here();
    this.panels();
    this.loops.next('panel', 'panelEnd', nextPanel);
    this.loops.next('batch', 'batchEnd', nextBatch);
    a.ret();
    return a.finish().slice();
  }

  argument(name: Argument | (typeof patchWords)[number]): number {
    const all: readonly string[] = [...argumentWords, ...patchWords];
    return 8 * all.indexOf(name);
  }

  rowStep(operand: number): number {
    return 8 * (argumentWords.length + (this.shape.patches ? patchWords.length : 0) + operand);
  }

  local(name: Local): number {
    return tileBytes(this.isa) + 8 * localWords.indexOf(name);
  }

  operandLocal(operand: number): number {
    return this.local('y') + 8 * (1 + operand);
  }

  /** Jumps to the code for the kind of panel that the current one is. */
  private panels(): void {
    const { a, isa, shape } = this;
    const [done, isLast] = [a.label(), a.label()];
    const labels = shape.columns.map(() => a.label());
    // rcx: how many columns the panel has.
    a.mov(rax, thread, this.local('panel'));
    a.inc(rax);
    a.mov(rcx, args, this.argument('lastColumns'));
    a.cmp(rax, args, this.argument('panels'));
    a.je(isLast);
    a.movi(rcx, panelColumns(isa));
    a.bind(isLast);
    shape.columns.forEach((columns, i) => {
      if (i === shape.columns.length - 1) return;
      a.cmpi(rcx, columns === 'full' ? panelColumns(isa) : lanesOf(isa));
      if (columns === 'full') a.je(labels[i]!);
      else a.jbe(labels[i]!);
    });
    for (const [i, columns] of [...shape.columns.entries()].reverse()) {
      a.bind(labels[i]!);
      this.panel(columns);
      if (i > 0) a.jmp(done);
    }
    a.bind(done);
  }

  /** All blocks of a panel; rcx says how many columns it has. */
  private panel(columns: Columns): void {
    const { a, isa, shape } = this;
    const masked = columns === 'first' || columns === 'second';
    const vectors = columns === 'first' || columns === 'one' ? 1 : 2;
    if (masked) {
      if (vectors === 2) a.subi(rcx, lanesOf(isa));
      a.mov(thread, this.local('tail'), rcx);
    }
    a.mov(rax, thread, this.local('blockStart'));
    a.mov(thread, this.local('block'), rax);
    const nextBlock = a.here();
    this.locateBlock();
    const finish = a.label();
    const labels = shape.rows.map(() => a.label());
    for (let i = labels.length - 1; i > 0; i--) {
      a.cmpi(rcx, shape.rows[i]!);
      a.jbe(labels[i]!);
    }
    shape.rows.forEach((rows, i) => {
      a.bind(labels[i]!);
      if (shape.channelTaps !== undefined) this.channelSums(shape.channelTaps, shape.patches!);
      else if (isa.tileSteps === undefined) this.product(rows, vectors);
      else this.tileProduct(rows > TILE_ROWS);
      if (i < labels.length - 1) a.jmp(finish);
    });
    a.bind(finish);
    if (masked) {
      a.mov(rcx, thread, this.local('tail'));
      isa.floats.setMask(a);
    }
    emitFinish(a, isa, shape.finish, this, vectors, masked, shape.tail);
    this.loops.next('block', 'blockEnd', nextBlock);
  }

  /** The unit's rows of A, and what they bring; where they are takes the place of what the matrix said. */
  private gather(patches: Patches): void {
    const { a, shape } = this;
    const { given, signed } = shape.aZero;
    const [first, rows, begin] = [r14, r12, r8];
    a.mov(rax, thread, this.local('blockEnd'));
    this.firstRow(rows);
    a.mov(rax, thread, this.local('blockStart'));
    this.firstRow(first);
    a.sub(rows, first);
    a.mov(rbp, thread, this.local('rowTerms'));
    a.mov(rsi, args, this.argument('patchTerms'));
    a.add(rsi, rbx);
    a.mov(rax, first);
    a.shl(rax, 2);
    a.neg(rax);
    a.add(rax, rsi);
    a.mov(thread, this.local('rowTerms'), rax);
    a.mov(begin, args, this.argument('patchRows'));
    a.add(begin, rbx);
    a.mov(rax, first);
    a.imul(rax, args, this.argument('aRow'));
    a.neg(rax);
    a.add(rax, begin);
    a.add(first, thread, this.local('a'));
    a.mov(thread, this.local('a'), rax);
    emitZeroPoint(a, { given, signed }, args, this.argument('aZero'));
    emitPatches(a, this.isa, patches, { signed, hasTerms: shape.bZero }, this);
  }

  /** The first row of the block in rax. Changes rax, rdx. */
  private firstRow(to: Gpr): void {
    const { a } = this;
    a.mov(to, args, this.argument('blockRows'));
    a.imul(to, rax);
    a.mov(rdx, args, this.argument('tallBlocks'));
    a.cmp(rax, rdx);
    a.cmova(rax, rdx);
    a.add(to, rax);
  }

  /** Row and rows of the block (also in rcx), where A and B begin for it, and terms of rows (rsi) and parameters (rbp). */
  private locateBlock(): void {
    const { a, shape, isa } = this;
    a.mov(rax, thread, this.local('block'));
    a.mov(rcx, args, this.argument('blockRows'));
    a.cmp(rax, args, this.argument('tallBlocks'));
    // Carry, which says that the block is a tall one, makes it one row more.
    a.adci(rcx, 0);
    this.firstRow(rsi);
    a.mov(thread, this.local('row'), rsi);
    a.mov(thread, this.local('rows'), rcx);
    a.mov(aRow, args, this.argument('aRow'));
    a.mov(r8, rsi);
    a.imul(r8, aRow);
    a.add(r8, thread, this.local('a'));
    a.lea(aRow3, at(aRow, aRow, 2));
    if (isa.tileSteps === undefined)
      for (let i = 1; i < Math.ceil(Math.max(...shape.rows) / 4); i++)
        a.lea(rowBases[i]!, at(rowBases[i - 1]!, aRow, 4));
    a.mov(rax, thread, this.local('panel'));
    a.mov(bAt, args, this.argument('panelBytes'));
    a.imul(bAt, rax);
    a.add(bAt, thread, this.local('b'));
    a.imuli(rbp, rax, 4 * panelColumns(isa));
    a.add(rbp, thread, this.local('parameters'));
    if (isa.tileSteps !== undefined) this.locateTiles();
    if (!shape.bZero) return;
    a.shl(rsi, 2);
    a.add(rsi, thread, this.local('rowTerms'));
  }

  /** Sums of a tile into scratch memory. */
  private product(rows: number, vectors: number): void {
    const { a, isa } = this;
    // Tiles of few rows add even and odd steps up apart, so that no sum waits for itself.
    let sets = 1;
    while (sets < UNROLL && rows * vectors * sets < LEAST_SUMS) sets *= 2;
    const sum = (set: number, r: number, v: number): Vector => register(isa, (set * rows + r) * vectors + v);
    emitResultAhead(a, isa, this.shape.finish, this, rows);
    this.firstSums(rows, vectors, sum);
    for (let i = rows * vectors; i < sets * rows * vectors; i++) {
      const each = register(isa, i);
      a.vxorps(each, each, each);
    }
    const [w, x] = [2 * isa.rows, 2 * isa.rows + 2];
    const ahead = Math.min(MOST_AHEAD, Math.max(12, Math.ceil(LATENCY / (rows * vectors))));
    const step = (set: number, u: number, isRound: boolean): void => {
      for (let v = 0; v < vectors; v++)
        isa.loadWeights(a, register(isa, w + v), at(bAt), u * stepBytes(isa) + v * weightBytes(isa));
      for (let line = 0; line < stepBytes(isa); line += 64)
        if (stepBytes(isa) >= 64 || u % 2 === 0) a.prefetcht0(at(bAt), (u + ahead) * stepBytes(isa) + line);
      if (isRound && u * 64 < stepBytes(isa)) a.prefetcht1(at(nextAt), u * 64);
      for (let r = 0; r < rows; r++) {
        const broadcast = register(isa, x + (r % isa.broadcasts));
        a.vbroadcastss(broadcast, this.elementsOfA(r), 4 * u);
        for (let v = 0; v < vectors; v++)
          isa.dot(a, sum(set, r, v), broadcast, register(isa, w + v), register(isa, x + 1));
      }
    };
    const advance = (steps: number): void => {
      for (let i = 0; i < Math.ceil(rows / 4); i++) a.addi(rowBases[i]!, 4 * steps);
      a.addi(bAt, steps * stepBytes(isa));
      if (steps === UNROLL) a.addi(nextAt, stepBytes(isa));
    };
    a.mov(nextAt, thread, this.local('block'));
    a.sub(nextAt, thread, this.local('blockStart'));
    a.andi(nextAt, UNROLL - 1);
    a.imul(nextAt, args, this.argument('panelBytes'));
    a.shr(nextAt, Math.log2(UNROLL));
    a.add(nextAt, args, this.argument('panelBytes'));
    a.add(nextAt, bAt);
    a.mov(rcx, args, this.argument('steps'));
    emitRounds(a, (u, isRound) => step(isRound ? u % sets : 0, u, isRound), advance);
    for (let half = sets / 2; half >= 1; half /= 2)
      for (let i = 0; i < half * rows * vectors; i++) {
        const to = register(isa, i);
        a.vpaddd(to, to, register(isa, half * rows * vectors + i));
      }
    for (let r = 0; r < rows; r++)
      for (let v = 0; v < vectors; v++) a.vmovups(thread, this.sumsOffset(r, v), sum(0, r, v));
  }

  /** Sums of a tile of channels into scratch memory; rcx says how many rows there are. */
  private channelSums(taps: number, { channels }: Patches): void {
    const { a, isa, shape } = this;
    a.imuli(rax, thread, this.local('panel'), panelColumns(isa) * elementBytes(isa));
    a.add(r8, rax);
    emitZeroPoint(a, shape.aZero, args, this.argument('aZero'));
    emitChannelSums(a, isa, { taps, channels }, bAt, rbp, aRow);
  }

  /** For the tallest blocks. */
  private configureTiles(): void {
    const { a } = this;
    a.mov(rcx, args, this.argument('blockRows'));
    // One row more where there are tall blocks: carry says that there are none.
    a.cmpi(qword(args), this.argument('tallBlocks'), 1);
    a.sbbi(rcx, -1);
    emitTileConfiguration(a, rcx);
  }

  /** The block's lower half, and what it fetches of the next panel. Changes rax. */
  private locateTiles(): void {
    const { a } = this;
    const { aAt, lowerAt, aheadAt } = tileRegisters;
    a.mov(lowerAt, aRow);
    a.shl(lowerAt, Math.log2(TILE_ROWS));
    a.add(lowerAt, aAt);
    a.mov(aheadAt, thread, this.local('block'));
    a.sub(aheadAt, thread, this.local('blockStart'));
    a.mov(rax, args, this.argument('panelBytes'));
    a.imul(aheadAt, rax);
    a.shr(aheadAt, 2);
    a.add(aheadAt, rax);
    a.add(aheadAt, bAt);
  }

  /** The sums of a block by tiles. */
  private tileProduct(isTall: boolean): void {
    const { a, shape } = this;
    const { given, signed } = shape.aZero;
    const isContinued = given || signed || shape.bZero;
    if (isContinued) this.firstTileSums();
    a.mov(rcx, args, this.argument('steps'));
    a.shr(rcx, Math.log2(TILE_STEPS));
    emitTileProduct(a, { product: 'tdpbusd', isTall, isContinued }, rbx);
  }

  /** What {@link firstSums} puts into registers, into memory. */
  private firstTileSums(): void {
    const { a, shape } = this;
    const columns = [zmm(0), zmm(1)];
    const factors = [zmm(2), zmm(3)];
    const [t, x] = [zmm(4), zmm(5)];
    emitZeroPoint(a, shape.aZero, args, this.argument('aZero'));
    a.neg(eax);
    a.vpbroadcastd(t, eax);
    columns.forEach((column, v) => {
      a.vpmulld(column, t, at(rbp), 64 * v);
    });
    if (shape.bZero) {
      a.mov(rax, args, this.argument('columnWords'));
      a.lea(rax, at(rbp, rax, 8));
      factors.forEach((factor, v) => {
        a.vmovups(factor, at(rax), 64 * v);
      });
    }
    a.mov(rcx, thread, this.local('rows'));
    a.mov(rdx, rbx);
    const row = a.here();
    if (shape.bZero) a.vpbroadcastd(t, at(rsi));
    columns.forEach((column, v) => {
      if (shape.bZero) {
        a.vpmulld(x, t, factors[v]!);
        a.vpsubd(x, column, x);
      }
      a.vmovups(at(rdx), 64 * v, shape.bZero ? x : column);
    });
    if (shape.bZero) a.addi(rsi, 4);
    a.addi(rdx, 128);
    a.dec(rcx);
    a.jnz(row);
  }

  private sumsOffset(row: number, vector: number): number {
    return (2 * row + vector) * 4 * lanesOf(this.isa);
  }

  /** Sums begin with what the zero points take away: (a - p)(b - q) = ab - pb - q(a - p), each term added up along K. */
  private firstSums(rows: number, vectors: number, sum: (set: number, r: number, v: number) => Vector): void {
    const { a, isa, shape } = this;
    const { given, signed } = shape.aZero;
    const hasColumnTerm = given || signed;
    const column = (v: number): Vector => register(isa, 2 * isa.rows + v);
    const [t, low] = [register(isa, 2 * isa.rows + 2), xmm(2 * isa.rows + 2)];
    if (hasColumnTerm) {
      emitZeroPoint(a, shape.aZero, args, this.argument('aZero'));
      a.neg(eax);
      a.vmovd(low, eax);
      a.vpbroadcastd(t, low);
    }
    for (let v = 0; v < vectors; v++) {
      if (hasColumnTerm) a.vpmulld(column(v), t, at(rbp), 4 * lanesOf(isa) * v);
      else a.vxorps(column(v), column(v), column(v));
    }
    if (shape.bZero) {
      a.mov(rax, args, this.argument('columnWords'));
      a.lea(rax, at(rbp, rax, 8));
    }
    const factor = register(isa, 2 * isa.rows + 3);
    for (let r = 0; r < rows; r++) {
      if (shape.bZero) a.vbroadcastss(t, at(rsi), 4 * r);
      for (let v = 0; v < vectors; v++) {
        if (shape.bZero) {
          a.vpmulld(factor, t, at(rax), 4 * lanesOf(isa) * v);
          a.vpsubd(sum(0, r, v), column(v), factor);
        } else a.vmovaps(sum(0, r, v), column(v));
      }
    }
  }

  private elementsOfA(row: number): Address {
    const base = rowBases[row >> 2]!;
    return [at(base), at(base, aRow), at(base, aRow, 2), at(base, aRow3)][row & 3]!;
  }
}

/** Bytes of a row of A of `k` elements in tiles, where it is laid out anew: rows do not evict each other from the first-level cache. */
export function rowBytes(isa: DotIsa, k: number): number {
  const lines = Math.ceil((k * elementBytes(isa)) / 64);
  // Tiles read a line of each of sixteen rows at once.
  if (isa.tileSteps !== undefined) return 64 * (lines | 1);
  const bytes = 64 * lines;
  return bytes % 2048 === 0 ? bytes + 64 : bytes;
}
