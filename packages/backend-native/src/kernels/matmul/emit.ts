/**
 * The code of a product: for each register tile of a unit, rows of A broadcast against two vectors of a panel of B, the sums left
 * in the thread's scratch memory, and from there through the epilogue into the result. K is cut into chunks where many rows use
 * a panel, so that a chunk of it and of A stay in the caches; there weights of few bits are widened once for all rows.
 */

import { partitionWords } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  eax,
  edx,
  type Gpr,
  type Label,
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
  type Vector,
} from '@espalier/x64';
import { emitRounds, Loops, UNROLL } from '../loops.ts';
import { type Epilogue, emitSteps, MOST_OPERANDS } from './epilogue.ts';
import { type Isa, panelWidth } from './isa.ts';
import { emitWiden, isFloat, isRowwise, isWhole, type Narrow, narrowLayout } from './narrow.ts';

/** The argument block; then the row step in bytes of each operand of the epilogue, then for each matrix where everything begins. */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'k',
  'chunk',
  'sumsStep',
  'copy',
  'aRow',
  'aPitch',
  'bRow',
  'cRow',
  'bPanel',
  'batch',
  ...partitionWords,
] as const;

/** What a unit keeps in memory; behind it lie a chunk of widened weights, tiles of sums, and copied rows of A. */
const localWords = [
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
  'depth',
  'steps',
  'rowsOfA',
  'sums',
  'a',
  'b',
  'c',
] as const;
const LOCAL_BYTES = Math.ceil((localWords.length + MOST_OPERANDS) / 8) * 64;

const tileBytes = (isa: Isa): number => isa.rows * panelWidth(isa) * 4;

/** Rows of K in a chunk at most: of A and B so many stay in the caches next to each other. */
const MOST_STEPS = 448;

/** Rows of K in a chunk, where several blocks of rows use it; groups of rows that share parameters stay whole. */
export function chunkOf(k: number, narrow?: Narrow): number {
  // Where rows of A are copied it is done in wholes of these.
  const least = (4 * k) % CONFLICT_BYTES === 0 ? COPY_BYTES / 4 : UNROLL;
  const isGrouped = narrow && !isRowwise(narrow) && !isWhole(narrow);
  const multiple = isGrouped ? leastCommonMultiple(narrow.group, least) : least;
  const chunks = Math.max(1, Math.ceil(k / MOST_STEPS));
  return Math.min(k, Math.ceil(k / chunks / multiple) * multiple);
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Scratch memory of each thread: where sums and copied rows of A begin, for `tiles` tiles of a unit; and its bytes but for the rows. */
export function scratchOf(isa: Isa, narrow: Narrow | undefined, chunks: number, tiles: number) {
  const sums = sumsAt(isa, narrow);
  const sumsStep = chunks > 1 ? tileBytes(isa) : 0;
  return { sumsStep, copy: sums + (chunks > 1 ? tiles : 1) * tileBytes(isa) };
}

const sumsAt = (isa: Isa, narrow: Narrow | undefined): number =>
  LOCAL_BYTES + (narrow ? chunkOf(narrow.k, narrow) * panelWidth(isa) * 4 : 0);

/** Columns that a panel may have: all, or the first vector's, or all of the first vector's and some of the second's. */
export type Columns = 'full' | 'first' | 'second';

/** How B lies: in rows; in panels, one behind the other, filled up with zeros; in panels of weights of few bits. */
export type Source = 'rows' | 'panels' | Narrow;

export interface Shape {
  readonly isa: Isa;
  readonly source: Source;
  /** Numbers of rows that blocks have, where there is one block and where there are several. */
  readonly heights: { readonly one: readonly number[]; readonly several: readonly number[] };
  /** Kinds of panels that there are. */
  readonly columns: readonly Columns[];
  readonly epilogue: Epilogue;
}

/** Kinds of panels for `n` columns; every kind where it is not known. */
export function panelKinds(isa: Isa, n: number | undefined): readonly Columns[] {
  if (n === undefined) return ['full', 'first', 'second'];
  const rest = n % panelWidth(isa);
  const last: Columns = rest > isa.lanes ? 'second' : 'first';
  return [...(n >= panelWidth(isa) || n === 0 ? ['full' as const] : []), ...(rest > 0 ? [last] : [])];
}

const args = at(rdi);
const thread = at(rbx);
const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
const rowStep = (operand: number): number => 8 * (argumentWords.length + operand);

/** The first four rows of A are at r8 and one, two and three times aRow behind it, the next four at r9, and so on. */
const rowBases = [r8, r9, r10, r11];
const [aRow, aRow3, bAt, bRow, bRow3] = [r12, r13, r14, r15, rbp];
const [resultAt, tileAt] = [rax, rdx];
/** Of panels: what the next will read, of which each of the first blocks fetches a part. */
const ahead = r15;
/** Of narrow weights: parameters, and rows of the chunk that no group had yet. */
const [params, left] = [r15, rbp];
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** Bytes that are copied at a time: rows that need it are a multiple of this. */
const COPY_BYTES = 256;
/** Rows of a multiple of so many bytes lie in few sets of the first-level cache, where they evict each other. */
const CONFLICT_BYTES = 2048;
/** So few rows of A stay there all the same. */
const SAFE_ROWS = 3;

/** Bytes from row to row of A, whose rows lie one behind the other, in tiles: others where its rows would evict each other. */
export function pitchOfA(m: number, k: number, chunk: number): number {
  const isSafe = m <= SAFE_ROWS || k === 0 || (4 * k) % CONFLICT_BYTES !== 0;
  return isSafe ? 4 * k : 4 * chunk + ((4 * chunk) % (CONFLICT_BYTES / 4) === 0 ? 64 : 0);
}

/** Steps of K between a line of a panel being fetched and used. */
const PREFETCH = 64;
/** Bytes between weights of few bits being fetched and used. */
const PREFETCH_BYTES = 4096;
/** Registers of a round of widening. */
const WIDENED = 8;
/** Sums that hide the latency of a multiply-add. */
const LEAST_SUMS = 8;

export function emitMatMul(shape: Shape): Uint8Array {
  return new Emission(shape).emit();
}

class Emission {
  private readonly a = new Assembler();
  private readonly loops = new Loops(this.a, argument, (name: (typeof localWords)[number]) => this.local(name));
  private readonly shape: Shape;
  private readonly isa: Isa;
  /** Bytes of a vector, and of a row of a panel. */
  private readonly vectorBytes: number;
  private readonly panelBytes: number;
  private readonly narrow: Narrow | undefined;

  constructor(shape: Shape) {
    this.shape = shape;
    this.isa = shape.isa;
    this.vectorBytes = this.isa.lanes * 4;
    this.panelBytes = 2 * this.vectorBytes;
    this.narrow = typeof shape.source === 'string' ? undefined : shape.source;
  }

  /** Entry: args in rdi, unit in rsi, thread in rdx. */
  emit(): Uint8Array {
    const { a, shape } = this;
    const operands = shape.epilogue.operands.length;
    const entryBytes = 8 * (3 + operands);
    a.imul(rdx, args, argument('threadBytes'));
    a.mov(rbx, rdx);
    a.add(rbx, args, argument('scratch'));
    a.mov(rax, rsi);
    this.loops.range('rowGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
    this.loops.range('columnGroups', 'panelsPerUnit', 'panels', 'panelStart', 'panelEnd');
    a.mov(rdx, rax);
    this.loops.storeRange('batchesPerUnit', 'batch', 'batch', 'batchEnd');
    const nextBatch = a.here();
    a.mov(rax, thread, this.local('batch'));
    a.imuli(rax, rax, entryBytes);
    for (let i = 0; i < 3 + operands; i++) {
      a.mov(rcx, at(rdi, rax), rowStep(operands) + 8 * i);
      a.mov(thread, this.local('a') + 8 * i, rcx);
    }
    this.chunks(() => {
      this.locateRows();
      a.mov(rax, thread, this.local('panelStart'));
      a.mov(thread, this.local('panel'), rax);
      const nextPanel = a.here();
      const panelDone = a.label();
      this.panels(panelDone);
      a.bind(panelDone);
      this.loops.next('panel', 'panelEnd', nextPanel);
    });
    this.loops.next('batch', 'batchEnd', nextBatch);
    a.ret();
    return a.finish().slice();
  }

  private local(name: (typeof localWords)[number]): number {
    return 8 * localWords.indexOf(name);
  }

  private operandLocal(operand: number): number {
    return this.local('c') + 8 * (1 + operand);
  }

  /** Jumps to the code for the kind of panel that the current one is. */
  private panels(done: Label): void {
    const { a, isa, shape } = this;
    const labels = shape.columns.map(() => a.label());
    const labelOf = (columns: Columns): Label | undefined => labels[shape.columns.indexOf(columns)];
    // rcx: how many columns the panel has.
    const isLast = a.label();
    a.mov(rax, thread, this.local('panel'));
    a.inc(rax);
    a.mov(rcx, args, argument('lastColumns'));
    a.cmp(rax, args, argument('panels'));
    a.je(isLast);
    a.movi(rcx, panelWidth(isa));
    a.bind(isLast);
    const [full, first] = [labelOf('full'), labelOf('first')];
    if (labels.length > 1 && first !== undefined) {
      a.cmpi(rcx, isa.lanes);
      a.jbe(first);
    }
    if (labels.length > 1 && full !== undefined) {
      a.cmpi(rcx, panelWidth(isa));
      a.je(full);
    }
    const rest = labels.indexOf(labelOf('second') ?? labels[0]!);
    for (const i of [rest, ...labels.keys()].filter((each, j, all) => all.indexOf(each) === j)) {
      a.bind(labels[i]!);
      this.panel(shape.columns[i]!);
      a.jmp(done);
    }
  }

  /** All blocks of a panel; rcx says how many columns it has. */
  private panel(columns: Columns): void {
    const { a, isa, shape, narrow } = this;
    const masked = columns !== 'full';
    const vectors = columns === 'first' ? 1 : 2;
    if (masked) {
      if (vectors === 2) a.subi(rcx, isa.lanes);
      isa.setMask(a);
    }
    const { one, several } = shape.heights;
    if (!narrow) {
      this.blocks([...new Set([...several, ...one])], shape.source, vectors, masked);
      return;
    }
    const [streamed, done] = [a.label(), a.label()];
    if (one.length > 0 && several.length > 0) {
      a.movi(rax, 1);
      a.cmp(rax, args, argument('blocks'));
      a.je(streamed);
    }
    if (several.length > 0) {
      this.widen(vectors);
      this.blocks(several, 'panels', vectors, masked);
      a.jmp(done);
    }
    a.bind(streamed);
    if (one.length > 0) this.blocks(one, narrow, vectors, masked);
    a.bind(done);
  }

  /** For one chunk of K after the other. */
  private chunks(body: () => void): void {
    const { a } = this;
    a.xor(eax, eax);
    const nextChunk = a.here();
    a.mov(thread, this.local('depth'), rax);
    a.mov(rcx, args, argument('k'));
    a.sub(rcx, rax);
    a.mov(rdx, args, argument('chunk'));
    a.cmp(rcx, rdx);
    a.cmova(rcx, rdx);
    a.mov(thread, this.local('steps'), rcx);
    body();
    a.mov(rax, thread, this.local('depth'));
    a.add(rax, thread, this.local('steps'));
    a.cmp(rax, args, argument('k'));
    a.jb(nextChunk);
  }

  /** Where the panel begins. Changes only `to`. */
  private locatePanel(to: Gpr): void {
    const { a } = this;
    a.mov(to, args, argument('bPanel'));
    a.imul(to, thread, this.local('panel'));
    a.add(to, thread, this.local('b'));
  }

  /** The chunk's rows of the panel as float32 into scratch memory. */
  private widen(vectors: number): void {
    const { a, isa, panelBytes, vectorBytes } = this;
    const target = rsi;
    const spare = isa.register(WIDENED);
    const { stepBytes } = narrowLayout(this.narrow!, panelWidth(isa));
    a.lea(target, thread, LOCAL_BYTES);
    const step = (u: number): void => {
      const to = Array.from({ length: vectors }, (_, v) => isa.register((u * vectors + v) % WIDENED));
      emitWiden(a, isa, this.narrow!, to, [at(bAt), at(params)], u, true, spare);
      for (const [v, x] of to.entries()) a.vmovups(at(target), u * panelBytes + v * vectorBytes, x);
    };
    this.narrowGroups(() =>
      emitRounds(a, step, (steps) => {
        a.addi(bAt, steps * stepBytes);
        a.addi(target, steps * panelBytes);
      }),
    );
  }

  /**
   * Once for each group of the chunk's weights that shares parameters: rcx says how many rows, `params` points to the
   * parameters, bAt to the rows.
   */
  private narrowGroups(body: () => void): void {
    const { a, isa } = this;
    const narrow = this.narrow!;
    const { paramBytes, groupBytes, stepBytes } = narrowLayout(narrow, panelWidth(isa));
    this.locatePanel(params);
    if (isWhole(narrow) || isRowwise(narrow)) {
      a.imuli(bAt, thread, this.local('depth'), stepBytes);
      a.add(bAt, params);
      if (isWhole(narrow)) a.addi(bAt, paramBytes);
      a.mov(rcx, thread, this.local('steps'));
      body();
      return;
    }
    // Chunks begin where groups do.
    a.mov(rax, thread, this.local('depth'));
    a.xor(edx, edx);
    a.movi(rcx, narrow.group);
    a.div(rcx);
    a.imuli(bAt, rax, groupBytes);
    a.add(bAt, params);
    a.mov(rcx, thread, this.local('steps'));
    a.mov(left, rcx);
    const nextGroup = a.here();
    a.mov(params, bAt);
    a.addi(bAt, paramBytes);
    a.movi(rcx, narrow.group);
    a.cmp(rcx, left);
    a.cmova(rcx, left);
    a.sub(left, rcx);
    body();
    a.test(left, left);
    a.jnz(nextGroup);
  }

  /** The blocks of a unit against the chunk of the panel. */
  private blocks(heights: readonly number[], source: Source, vectors: number, masked: boolean): void {
    const { a } = this;
    a.mov(rax, thread, this.local('blockStart'));
    a.mov(thread, this.local('block'), rax);
    const nextBlock = a.here();
    this.locateBlock(heights, source);
    const [finish, isMore] = [a.label(), a.label()];
    const labels = heights.map(() => a.label());
    heights.slice(1).forEach((rows, i) => {
      a.cmpi(rcx, rows);
      a.je(labels[i + 1]!);
    });
    heights.forEach((rows, i) => {
      a.bind(labels[i]!);
      this.product(rows, source, vectors, masked);
      if (i < labels.length - 1) a.jmp(finish);
    });
    a.bind(finish);
    a.mov(rax, thread, this.local('depth'));
    a.add(rax, thread, this.local('steps'));
    a.cmp(rax, args, argument('k'));
    a.jb(isMore);
    this.finish(vectors, masked);
    a.bind(isMore);
    this.loops.next('block', 'blockEnd', nextBlock);
  }

  /** The row that block rax begins with. Changes rdx. */
  private firstRow(to: Gpr): void {
    const { a } = this;
    a.mov(to, args, argument('blockRows'));
    a.imul(to, rax);
    a.mov(rdx, args, argument('tallBlocks'));
    a.cmp(rax, rdx);
    a.cmovb(rdx, rax);
    a.add(to, rdx);
  }

  /** Where the chunk of row 0 of A is; if the pitch is to be another, the unit's rows are copied, as if all rows were there. */
  private locateRows(): void {
    const { a, isa } = this;
    const [first, rows, source, target] = [r8, r9, rsi, r10];
    const done = a.label();
    a.mov(source, thread, this.local('depth'));
    a.shl(source, 2);
    a.add(source, thread, this.local('a'));
    a.mov(thread, this.local('rowsOfA'), source);
    a.mov(r12, args, argument('aPitch'));
    a.mov(r13, args, argument('aRow'));
    a.cmp(r12, r13);
    a.je(done);
    a.mov(rax, thread, this.local('blockStart'));
    this.firstRow(first);
    a.mov(rax, thread, this.local('blockEnd'));
    this.firstRow(rows);
    a.sub(rows, first);
    a.mov(rax, first);
    a.imul(rax, r13);
    a.add(source, rax);
    a.mov(target, args, argument('copy'));
    a.add(target, rbx);
    a.imul(first, r12);
    a.mov(rax, target);
    a.sub(rax, first);
    a.mov(thread, this.local('rowsOfA'), rax);
    a.mov(rdx, thread, this.local('steps'));
    a.shl(rdx, 2);
    a.sub(r12, rdx);
    a.sub(r13, rdx);
    const row = a.here();
    a.mov(rcx, rdx);
    const part = a.here();
    for (let i = 0; i < COPY_BYTES; i += this.vectorBytes) a.vmovups(isa.register(i / this.vectorBytes), at(source), i);
    for (let i = 0; i < COPY_BYTES; i += this.vectorBytes) a.vmovups(at(target), i, isa.register(i / this.vectorBytes));
    a.addi(source, COPY_BYTES);
    a.addi(target, COPY_BYTES);
    a.subi(rcx, COPY_BYTES);
    a.jnz(part);
    a.add(target, r12);
    a.add(source, r13);
    a.dec(rows);
    a.jnz(row);
    a.bind(done);
  }

  /** Row and rows of the block (also in rcx), and where A, B and the sums begin for it. */
  private locateBlock(heights: readonly number[], source: Source): void {
    const { a, isa } = this;
    a.mov(rax, thread, this.local('block'));
    this.firstRow(rsi);
    a.mov(rcx, args, argument('blockRows'));
    a.cmp(rax, args, argument('tallBlocks'));
    // Carry, which says that the block is a tall one, makes it one row more.
    a.adci(rcx, 0);
    a.mov(thread, this.local('row'), rsi);
    a.mov(thread, this.local('rows'), rcx);
    a.sub(rax, thread, this.local('blockStart'));
    a.mov(rdx, thread, this.local('panel'));
    a.sub(rdx, thread, this.local('panelStart'));
    a.imul(rdx, args, argument('blocksPerUnit'));
    a.add(rax, rdx);
    a.imul(rax, args, argument('sumsStep'));
    a.lea(rax, at(rbx, rax), sumsAt(isa, this.narrow));
    a.mov(thread, this.local('sums'), rax);
    a.mov(aRow, args, argument('aPitch'));
    a.imul(rsi, aRow);
    a.add(rsi, thread, this.local('rowsOfA'));
    a.lea(aRow3, at(aRow, aRow, 2));
    const groups = Math.ceil(Math.max(...heights) / 4);
    for (let i = 0; i < groups; i++) a.lea(rowBases[i]!, i === 0 ? at(rsi) : at(rowBases[i - 1]!, aRow, 4));
    if (typeof source !== 'string') return;
    if (this.narrow) {
      a.lea(bAt, thread, LOCAL_BYTES);
      return;
    }
    this.locatePanel(bAt);
    a.mov(rdx, args, argument('bRow'));
    a.imul(rdx, thread, this.local('depth'));
    a.add(bAt, rdx);
    if (source === 'panels') {
      a.mov(ahead, thread, this.local('block'));
      a.sub(ahead, thread, this.local('blockStart'));
      a.andi(ahead, UNROLL - 1);
      a.imul(ahead, thread, this.local('steps'));
      a.shl(ahead, Math.log2(this.panelBytes / UNROLL));
      a.add(ahead, args, argument('bPanel'));
      a.add(ahead, bAt);
      return;
    }
    a.mov(bRow, args, argument('bRow'));
    a.lea(bRow3, at(bRow, bRow, 2));
  }

  /** Adds the chunk's part to the sums of a tile, or begins with it. */
  private product(rows: number, source: Source, vectors: number, masked: boolean): void {
    const { a, isa } = this;
    // Tiles of few rows add even and odd steps up apart, so that no sum waits for itself.
    let sets = 1;
    while (sets < UNROLL && rows * vectors * sets < LEAST_SUMS) sets *= 2;
    const sum = (set: number, r: number, v: number): Vector => isa.register((set * rows + r) * vectors + v);
    const eachSum = (visit: (x: Vector, offset: number) => void): void => {
      for (let r = 0; r < rows; r++)
        for (let v = 0; v < vectors; v++) visit(sum(0, r, v), r * this.panelBytes + v * this.vectorBytes);
    };
    this.fetchResult(rows);
    for (let i = 0; i < sets * rows * vectors; i++) a.vxorps(isa.register(i), isa.register(i), isa.register(i));
    if (typeof source === 'string') {
      const isFirst = a.label();
      a.mov(rdx, thread, this.local('depth'));
      a.test(rdx, rdx);
      a.jz(isFirst);
      a.mov(rdx, thread, this.local('sums'));
      eachSum((x, offset) => a.vmovups(x, at(rdx), offset));
      a.bind(isFirst);
    }
    const broadcast = (r: number): Vector => isa.register(2 * isa.rows + 2 + (r % isa.broadcasts));
    const fetches = source === 'panels' && !this.narrow;
    const step = (u: number, isRound: boolean): void => {
      this.loadB(source, vectors, masked, u, isRound);
      if (fetches && isRound && u * 64 < this.panelBytes) a.prefetcht1(at(ahead), u * 64);
      const set = isRound ? u % sets : 0;
      for (let r = 0; r < rows; r++) {
        a.vbroadcastss(broadcast(r), this.elementOfA(r), 4 * u);
        for (let v = 0; v < vectors; v++) a.vfmadd231ps(sum(set, r, v), broadcast(r), isa.register(2 * isa.rows + v));
      }
    };
    const advance = (steps: number): void => {
      for (let i = 0; i < Math.ceil(rows / 4); i++) a.addi(rowBases[i]!, 4 * steps);
      if (fetches && steps === UNROLL) a.addi(ahead, this.panelBytes);
      if (source === 'panels') a.addi(bAt, steps * this.panelBytes);
      else if (source === 'rows') a.lea(bAt, steps === 1 ? at(bAt, bRow) : at(bAt, bRow, 4));
      else a.addi(bAt, steps * narrowLayout(source, panelWidth(isa)).stepBytes);
    };
    if (typeof source === 'string') {
      a.mov(rcx, thread, this.local('steps'));
      emitRounds(a, step, advance);
    } else {
      this.narrowGroups(() => emitRounds(a, step, advance));
    }
    for (let half = sets / 2; half >= 1; half /= 2)
      for (let s = 0; s < half; s++)
        for (let i = 0; i < rows * vectors; i++) {
          const to = isa.register(s * rows * vectors + i);
          a.vaddps(to, to, isa.register((s + half) * rows * vectors + i));
        }
    // Of one scale for each column there is no need before.
    if (typeof source !== 'string' && isWhole(source) && !isFloat(source))
      eachSum((x, offset) => a.vmulps(x, x, at(params), offset % this.panelBytes));
    a.mov(rdx, thread, this.local('sums'));
    eachSum((x, offset) => a.vmovups(at(rdx), offset, x));
  }

  /** The tile's rows of the result, which are not in the cache yet: meanwhile sums are added up. */
  private fetchResult(rows: number): void {
    const { a } = this;
    this.locateResult();
    a.mov(rcx, args, argument('cRow'));
    for (let row = 0; row < rows; row++) {
      for (let line = 0; line < this.panelBytes; line += 64) a.prefetchw(at(resultAt), line);
      if (row < rows - 1) a.add(resultAt, rcx);
    }
  }

  /** Where the tile's result begins; rdx says which row it begins with, rcx how many bytes into it. */
  private locateResult(): void {
    const { a } = this;
    a.mov(rdx, thread, this.local('row'));
    a.mov(rcx, thread, this.local('panel'));
    a.shl(rcx, Math.log2(this.panelBytes));
    a.mov(resultAt, rdx);
    a.imul(resultAt, args, argument('cRow'));
    a.add(resultAt, thread, this.local('c'));
    a.add(resultAt, rcx);
  }

  /** Row `u` behind the current one of the panel, and a line that is needed later. */
  private loadB(source: Source, vectors: number, masked: boolean, u: number, isRound: boolean): void {
    const { a, isa } = this;
    const to = (v: number): Vector => isa.register(2 * isa.rows + v);
    if (source === 'panels') {
      // Packed panels are filled up, so that their last columns need no mask.
      for (let v = 0; v < vectors; v++) a.vmovups(to(v), at(bAt), u * this.panelBytes + v * this.vectorBytes);
      // Widened weights are in the cache already.
      for (let line = 0; line < this.panelBytes && !this.narrow; line += 64)
        a.prefetcht0(at(bAt), (u + PREFETCH) * this.panelBytes + line);
      return;
    }
    if (source !== 'rows') {
      const registers = Array.from({ length: vectors }, (_, v) => to(v));
      const { stepBytes } = narrowLayout(source, panelWidth(isa));
      emitWiden(a, isa, source, registers, [at(bAt), at(params)], u, !isWhole(source), isa.register(2 * isa.rows + 2));
      for (let line = 0; isRound && u === 0 && line < UNROLL * stepBytes; line += 64)
        a.prefetcht0(at(bAt), PREFETCH_BYTES + line);
      return;
    }
    const address = [at(bAt), at(bAt, bRow), at(bAt, bRow, 2), at(bAt, bRow3)][u]!;
    for (let v = 0; v < vectors; v++) isa.load(a, to(v), address, v * this.vectorBytes, masked && v === vectors - 1);
  }

  private elementOfA(row: number): Address {
    const base = rowBases[row >> 2]!;
    return [at(base), at(base, aRow), at(base, aRow, 2), at(base, aRow3)][row & 3]!;
  }

  /** The sums through the epilogue into the result. */
  private finish(vectors: number, masked: boolean): void {
    const { a, isa, shape } = this;
    const { operands } = shape.epilogue;
    const addresses = operands.map((_, i) => operandsAt[i]!);
    this.locateResult();
    operands.forEach(({ perColumn }, i) => {
      const address = addresses[i]!;
      a.mov(address, rdx);
      a.imul(address, args, rowStep(i));
      a.add(address, thread, this.operandLocal(i));
      if (perColumn) a.add(address, rcx);
    });
    a.mov(rcx, thread, this.local('rows'));
    a.mov(tileAt, thread, this.local('sums'));
    const row = a.here();
    for (let v = 0; v < vectors; v++) a.vmovups(isa.register(v), at(tileAt), v * this.vectorBytes);
    emitSteps(
      a,
      isa,
      shape.epilogue,
      addresses.map((register) => at(register)),
      vectors,
      masked,
    );
    for (let v = 0; v < vectors; v++)
      isa.store(a, at(resultAt), v * this.vectorBytes, isa.register(v), masked && v === vectors - 1);
    a.addi(tileAt, this.panelBytes);
    a.add(resultAt, args, argument('cRow'));
    addresses.forEach((address, i) => {
      a.add(address, args, rowStep(i));
    });
    a.dec(rcx);
    a.jnz(row);
  }
}
