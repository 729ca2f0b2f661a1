/**
 * The code of a product: for each register tile of a unit, rows of A broadcast against two vectors of a panel of B, the sums left
 * in the thread's scratch memory, and from there through the epilogue into the result.
 */

import {
  type Address,
  Assembler,
  at,
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
import { type Epilogue, emitSteps, MOST_OPERANDS } from './epilogue.ts';
import { type Isa, panelWidth } from './isa.ts';

/** The argument block; then the row step in bytes of each operand of the epilogue, then for each matrix where everything begins. */
export const argumentWords = [
  'scratch',
  'threadBytes',
  'k',
  'aRow',
  'aPitch',
  'bRow',
  'cRow',
  'bPanel',
  'blocks',
  'blockRows',
  'tallBlocks',
  'blocksPerUnit',
  'rowGroups',
  'panels',
  'lastColumns',
  'panelsPerUnit',
  'columnGroups',
  'batch',
  'batchesPerUnit',
] as const;

/** What a unit keeps in memory, behind its tile of sums. */
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
  'a',
  'b',
  'c',
] as const;
const LOCAL_BYTES = Math.ceil((localWords.length + MOST_OPERANDS) / 8) * 64;

/** Bytes of scratch memory that each thread needs before its copy of rows of A. */
export const fixedBytes = (isa: Isa): number => isa.rows * panelWidth(isa) * 4 + LOCAL_BYTES;

/** Columns that a panel may have: all, or the first vector's, or all of the first vector's and some of the second's. */
export type Columns = 'full' | 'first' | 'second';

export interface Shape {
  readonly isa: Isa;
  /** B lies in panels, one behind the other, filled up with zeros; else in rows. */
  readonly packed: boolean;
  /** Numbers of rows that blocks have. */
  readonly rows: readonly number[];
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
const [resultAt, sumsAt] = [rax, rdx];
const operandsAt: readonly Gpr[] = [r8, r9, r10, r11, r12, r13, r14, r15, rsi, rbp];

/** Bytes that are copied at a time: rows that need it are a multiple of this. */
const COPY_BYTES = 256;
/** Rows of a multiple of so many bytes lie in few sets of the first-level cache, where they evict each other. */
const CONFLICT_BYTES = 2048;
/** So few rows of A stay there all the same. */
const SAFE_ROWS = 3;

/** Bytes from row to row of A in tiles: not those of A where its rows would evict each other. */
export function pitchOfA(m: number, k: number): number {
  const bytes = 4 * k;
  return m > SAFE_ROWS && k > 0 && bytes % CONFLICT_BYTES === 0 ? bytes + 64 : bytes;
}

/** Steps of K in a round of the loop. */
const UNROLL = 4;
/** Steps of K between a line of a panel being fetched and used. */
const PREFETCH = 12;
/** Sums that hide the latency of a multiply-add. */
const LEAST_SUMS = 8;

export function emitMatMul(shape: Shape): Uint8Array {
  return new Emission(shape).emit();
}

class Emission {
  private readonly a = new Assembler();
  private readonly shape: Shape;
  private readonly isa: Isa;
  /** Bytes of a vector, and of a row of a panel. */
  private readonly vectorBytes: number;
  private readonly panelBytes: number;

  constructor(shape: Shape) {
    this.shape = shape;
    this.isa = shape.isa;
    this.vectorBytes = this.isa.lanes * 4;
    this.panelBytes = 2 * this.vectorBytes;
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
    this.range('rowGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
    this.range('columnGroups', 'panelsPerUnit', 'panels', 'panelStart', 'panelEnd');
    a.mov(rdx, rax);
    this.storeRange('batchesPerUnit', 'batch', 'batch', 'batchEnd');
    const nextBatch = a.here();
    a.mov(rax, thread, this.local('batch'));
    a.imuli(rax, rax, entryBytes);
    for (let i = 0; i < 3 + operands; i++) {
      a.mov(rcx, at(rdi, rax), rowStep(operands) + 8 * i);
      a.mov(thread, this.local('a') + 8 * i, rcx);
    }
    this.copyRows();
    a.mov(rax, thread, this.local('panelStart'));
    a.mov(thread, this.local('panel'), rax);
    const nextPanel = a.here();
    const panelDone = a.label();
    this.panels(panelDone);
    a.bind(panelDone);
    this.next('panel', 'panelEnd', nextPanel);
    this.next('batch', 'batchEnd', nextBatch);
    a.ret();
    return a.finish().slice();
  }

  private local(name: (typeof localWords)[number]): number {
    return fixedBytes(this.isa) - LOCAL_BYTES + 8 * localWords.indexOf(name);
  }

  private operandLocal(operand: number): number {
    return this.local('c') + 8 * (1 + operand);
  }

  /** Takes the part of rax that says which of `groups` the unit is in, and stores the range of what that holds. */
  private range(
    ...[groups, per, total, start, end]: ['rowGroups' | 'columnGroups', ...Parameters<Emission['storeRange']>]
  ): void {
    this.a.xor(edx, edx);
    this.a.div(qword(args), argument(groups));
    this.storeRange(per, total, start, end);
  }

  /** From rdx times `per` on, `per` of them but none beyond `total`. */
  private storeRange(
    per: (typeof argumentWords)[number],
    total: (typeof argumentWords)[number],
    start: (typeof localWords)[number],
    end: (typeof localWords)[number],
  ): void {
    const { a } = this;
    a.imul(rdx, args, argument(per));
    a.mov(thread, this.local(start), rdx);
    a.add(rdx, args, argument(per));
    a.mov(rcx, args, argument(total));
    a.cmp(rdx, rcx);
    a.cmova(rdx, rcx);
    a.mov(thread, this.local(end), rdx);
  }

  /** Counts on, and jumps while there is more. */
  private next(index: (typeof localWords)[number], end: (typeof localWords)[number], loop: Label): void {
    const { a } = this;
    a.mov(rax, thread, this.local(index));
    a.inc(rax);
    a.mov(thread, this.local(index), rax);
    a.cmp(rax, thread, this.local(end));
    a.jb(loop);
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
    const { a, isa, shape } = this;
    const masked = columns !== 'full';
    const vectors = columns === 'first' ? 1 : 2;
    if (masked) {
      if (vectors === 2) a.subi(rcx, isa.lanes);
      isa.setMask(a);
    }
    a.mov(rax, thread, this.local('blockStart'));
    a.mov(thread, this.local('block'), rax);
    const nextBlock = a.here();
    this.locateBlock();
    const finish = a.label();
    const labels = shape.rows.map(() => a.label());
    shape.rows.slice(1).forEach((rows, i) => {
      a.cmpi(rcx, rows);
      a.je(labels[i + 1]!);
    });
    shape.rows.forEach((rows, i) => {
      a.bind(labels[i]!);
      this.product(rows, vectors, masked);
      if (i < labels.length - 1) a.jmp(finish);
    });
    a.bind(finish);
    this.finish(vectors, masked);
    this.next('block', 'blockEnd', nextBlock);
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

  /** The unit's rows of A behind the locals, where the pitch is to be another, and `a` as if all rows were there. */
  private copyRows(): void {
    const { a, isa } = this;
    const [first, rows, source, target] = [r8, r9, rsi, r10];
    const done = a.label();
    a.mov(r12, args, argument('aPitch'));
    a.mov(r13, args, argument('aRow'));
    a.cmp(r12, r13);
    a.je(done);
    a.mov(rax, thread, this.local('blockStart'));
    this.firstRow(first);
    a.mov(rax, thread, this.local('blockEnd'));
    this.firstRow(rows);
    a.sub(rows, first);
    a.mov(source, first);
    a.imul(source, r13);
    a.add(source, thread, this.local('a'));
    a.lea(target, thread, fixedBytes(isa));
    a.imul(first, r12);
    a.mov(rax, target);
    a.sub(rax, first);
    a.mov(thread, this.local('a'), rax);
    a.sub(r12, r13);
    const row = a.here();
    a.mov(rcx, r13);
    const chunk = a.here();
    for (let i = 0; i < COPY_BYTES; i += this.vectorBytes) a.vmovups(isa.register(i / this.vectorBytes), at(source), i);
    for (let i = 0; i < COPY_BYTES; i += this.vectorBytes) a.vmovups(at(target), i, isa.register(i / this.vectorBytes));
    a.addi(source, COPY_BYTES);
    a.addi(target, COPY_BYTES);
    a.subi(rcx, COPY_BYTES);
    a.jnz(chunk);
    a.add(target, r12);
    a.dec(rows);
    a.jnz(row);
    a.bind(done);
  }

  /** Row and rows of the block (also in rcx), and where A and B begin for it. */
  private locateBlock(): void {
    const { a, shape } = this;
    a.mov(rax, thread, this.local('block'));
    this.firstRow(rsi);
    a.mov(rcx, args, argument('blockRows'));
    a.cmp(rax, args, argument('tallBlocks'));
    // Carry, which says that the block is a tall one, makes it one row more.
    a.adci(rcx, 0);
    a.mov(thread, this.local('row'), rsi);
    a.mov(thread, this.local('rows'), rcx);
    a.mov(aRow, args, argument('aPitch'));
    a.imul(rsi, aRow);
    a.add(rsi, thread, this.local('a'));
    a.lea(aRow3, at(aRow, aRow, 2));
    const groups = Math.ceil(Math.max(...shape.rows) / 4);
    for (let i = 0; i < groups; i++) a.lea(rowBases[i]!, i === 0 ? at(rsi) : at(rowBases[i - 1]!, aRow, 4));
    a.mov(bAt, args, argument('bPanel'));
    a.imul(bAt, thread, this.local('panel'));
    a.add(bAt, thread, this.local('b'));
    if (shape.packed) return;
    a.mov(bRow, args, argument('bRow'));
    a.lea(bRow3, at(bRow, bRow, 2));
  }

  /** Sums of a tile into scratch memory. */
  private product(rows: number, vectors: number, masked: boolean): void {
    const { a, isa } = this;
    // Tiles of few rows add even and odd steps up apart, so that no sum waits for itself.
    let sets = 1;
    while (sets < UNROLL && rows * vectors * sets < LEAST_SUMS) sets *= 2;
    const sum = (set: number, r: number, v: number): Vector => isa.register((set * rows + r) * vectors + v);
    for (let i = 0; i < sets * rows * vectors; i++) {
      const register = isa.register(i);
      a.vxorps(register, register, register);
    }
    const step = (set: number, u: number): void => {
      this.loadB(vectors, masked, u);
      for (let r = 0; r < rows; r++) {
        const broadcast = isa.register(2 * isa.rows + 2 + (r % isa.broadcasts));
        a.vbroadcastss(broadcast, this.elementOfA(r), 4 * u);
        for (let v = 0; v < vectors; v++) a.vfmadd231ps(sum(set, r, v), broadcast, isa.register(2 * isa.rows + v));
      }
    };
    const advance = (steps: number): void => {
      for (let i = 0; i < Math.ceil(rows / 4); i++) a.addi(rowBases[i]!, 4 * steps);
      if (this.shape.packed) a.addi(bAt, steps * this.panelBytes);
      else a.lea(bAt, steps === 1 ? at(bAt, bRow) : at(bAt, bRow, 4));
    };
    const [single, done] = [a.label(), a.label()];
    a.mov(rcx, args, argument('k'));
    a.mov(rdx, rcx);
    a.shr(rdx, 2);
    a.jz(single);
    a.align(32);
    const round = a.here();
    for (let u = 0; u < UNROLL; u++) step(u % sets, u);
    advance(UNROLL);
    a.dec(rdx);
    a.jnz(round);
    a.bind(single);
    a.andi(rcx, UNROLL - 1);
    a.jz(done);
    const last = a.here();
    step(0, 0);
    advance(1);
    a.dec(rcx);
    a.jnz(last);
    a.bind(done);
    for (let half = sets / 2; half >= 1; half /= 2)
      for (let s = 0; s < half; s++)
        for (let i = 0; i < rows * vectors; i++) {
          const to = isa.register(s * rows * vectors + i);
          a.vaddps(to, to, isa.register((s + half) * rows * vectors + i));
        }
    for (let r = 0; r < rows; r++)
      for (let v = 0; v < vectors; v++) a.vmovups(thread, r * this.panelBytes + v * this.vectorBytes, sum(0, r, v));
  }

  /** Row `u` behind the current one of the panel, and a line that is needed later. */
  private loadB(vectors: number, masked: boolean, u: number): void {
    const { a, isa, shape } = this;
    const to = (v: number): Vector => isa.register(2 * isa.rows + v);
    if (shape.packed) {
      // Packed panels are filled up, so that their last columns need no mask.
      for (let v = 0; v < vectors; v++) a.vmovups(to(v), at(bAt), u * this.panelBytes + v * this.vectorBytes);
      for (let line = 0; line < this.panelBytes; line += 64)
        a.prefetcht0(at(bAt), (u + PREFETCH) * this.panelBytes + line);
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
    a.mov(rdx, thread, this.local('row'));
    a.mov(rcx, thread, this.local('panel'));
    a.shl(rcx, Math.log2(this.panelBytes));
    a.mov(resultAt, rdx);
    a.imul(resultAt, args, argument('cRow'));
    a.add(resultAt, thread, this.local('c'));
    a.add(resultAt, rcx);
    operands.forEach(({ perColumn }, i) => {
      const address = addresses[i]!;
      a.mov(address, rdx);
      a.imul(address, args, rowStep(i));
      a.add(address, thread, this.operandLocal(i));
      if (perColumn) a.add(address, rcx);
    });
    a.mov(rcx, thread, this.local('rows'));
    a.mov(sumsAt, rbx);
    const row = a.here();
    for (let v = 0; v < vectors; v++) a.vmovups(isa.register(v), at(sumsAt), v * this.vectorBytes);
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
    a.addi(sumsAt, this.panelBytes);
    a.add(resultAt, args, argument('cRow'));
    addresses.forEach((address, i) => {
      a.add(address, args, rowStep(i));
    });
    a.dec(rcx);
    a.jnz(row);
  }
}
