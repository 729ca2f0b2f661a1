/**
 * The code of a convolution as products: patches of tiles of pixels are gathered into the thread's scratch memory, a chunk of the
 * channels at a time, and multiplied by the packed filters in register tiles; sums go through the epilogue into the result.
 */

import type { Convolution, PlaneEpilogue } from '@espalier/lowering';
import {
  type Address,
  Assembler,
  at,
  BROADCAST,
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
  r15,
  rax,
  rbx,
  rcx,
  rdx,
  rsi,
  type Vector,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { ACTIVATION_TEMPORARIES } from '../activations.ts';
import { emitSteps } from '../epilogue.ts';
import { emitRounds, Loops, UNROLL } from '../loops.ts';
import { avx512, type Isa, panelWidth } from '../matmul/isa.ts';
import { emitSquare, SIDE } from '../matmul_sparse/square.ts';
import { args, argument, local, operandArgument, scratchLayout, type Tile, thread } from './frame.ts';
import { AHEAD, emitGather } from './gather.ts';

/**
 * What stands in the lanes of a vector: pixels, each multiplied by a filter's broadcast weight; or filters, multiplied by a broadcast
 * pixel, where pixels are few.
 */
export type Lanes = 'pixels' | 'filters';

export const tileOf = (isa: Isa, lanes: Lanes): Tile =>
  lanes === 'pixels'
    ? { pixels: panelWidth(isa), pitch: 4 * panelWidth(isa) }
    : { pixels: isa.rows, pitch: 4 * isa.lanes };

/** Blocks of filters: as many rows as a register tile has at most, as equal as can be; or panels as wide as it. */
export function blocksOf(isa: Isa, lanes: Lanes, filters: number): readonly number[] {
  const most = lanes === 'pixels' ? isa.rows : panelWidth(isa);
  const count = Math.ceil(filters / most);
  if (lanes === 'filters') return Array.from({ length: count }, (_, i) => Math.min(most, filters - i * most));
  const least = Math.floor(filters / count);
  return Array.from({ length: count }, (_, i) => least + (i < filters % count ? 1 : 0));
}

/** Blocks of filters that read pixels where they are: for more of them a copy that stays in the first-level cache pays. */
const DIRECT_BLOCKS = 7;

/** True where whole tiles of pixels are not copied. */
export const readsPixels = (isa: Isa, lanes: Lanes, { isPointwise, filters }: Convolution): boolean =>
  isPointwise && lanes === 'pixels' && blocksOf(isa, lanes, filters).length <= DIRECT_BLOCKS;

export interface Shape {
  readonly isa: Isa;
  readonly lanes: Lanes;
  readonly conv: Convolution;
  /** Of an image of the result, where it is known. */
  readonly pixels: number | undefined;
  readonly epilogue: PlaneEpilogue;
}

/** Steps between a line of weights being fetched and used. */
const PREFETCH = 32;
/** Sums that hide the latency of a multiply-add. */
const LEAST_SUMS = 8;

/** Steps of an epilogue that need few temporaries: how many. */
const temporaries: Readonly<Record<string, number>> = {
  ...{ Add: 1, Sub: 1, Mul: 1, Div: 1, Clip: 1, Relu: 1 },
  ...{ HardSwish: 2, HardSigmoid: 2, LeakyRelu: 2 },
};

const [vectorsAt, scalarsAt] = [r8, r9];
/** Bytes from a channel to the next. */
const strideOf = r10;
const [resultAt, sumAt] = [r8, rdx];
const operandsAt: readonly Gpr[] = [r10, r11, r12, r13, r14, r15];

export function emitConvolution(shape: Shape): Uint8Array {
  return new Emission(shape).emit();
}

class Emission {
  private readonly a = new Assembler();
  private readonly loops = new Loops(this.a, argument, local);
  private readonly shape: Shape;
  private readonly isa: Isa;
  private readonly tile: Tile;
  private readonly vectorBytes: number;
  private readonly panelBytes: number;
  private readonly layout: ReturnType<typeof scratchLayout>;
  private readonly blocks: readonly number[];
  private readonly overPixels: boolean;
  private readonly isDirect: boolean;
  private readonly math: Vectors;
  /** The steps of the epilogue need no more registers than a product leaves. */
  private readonly inRegisters: boolean;
  /** By operand of the epilogue: the register that holds it meanwhile. */
  private readonly kept = new Map<number, Vector>();

  constructor(shape: Shape) {
    this.shape = shape;
    this.isa = shape.isa;
    this.overPixels = shape.lanes === 'pixels';
    this.math = new Vectors(this.a, shape.isa === avx512);
    this.inRegisters = this.overPixels && shape.epilogue.steps.every(({ op }) => op in temporaries);
    this.tile = tileOf(shape.isa, shape.lanes);
    this.vectorBytes = 4 * this.isa.lanes;
    this.panelBytes = 2 * this.vectorBytes;
    this.layout = scratchLayout(shape.isa, this.tile, shape.conv.isPointwise ? 0 : shape.conv.taps);
    this.blocks = blocksOf(shape.isa, shape.lanes, shape.conv.filters);
    this.isDirect = readsPixels(shape.isa, shape.lanes, shape.conv);
  }

  /** Entry: args in rdi, unit in rsi, thread in rdx. */
  emit(): Uint8Array {
    const { a } = this;
    const { conv } = this.shape;
    a.imul(rdx, args, argument('threadBytes'));
    a.mov(rbx, rdx);
    a.add(rbx, args, argument('scratch'));
    a.mov(rax, rsi);
    this.loops.range('blockGroups', 'blocksPerUnit', 'blocks', 'blockStart', 'blockEnd');
    this.loops.range('tileGroups', 'tilesPerUnit', 'tiles', 'tileStart', 'tileEnd');
    a.mov(rdx, rax);
    this.loops.storeRange('imagesPerUnit', 'images', 'image', 'imageEnd');
    const nextImage = a.here();
    this.locateImage();
    a.xor(eax, eax);
    const nextChunk = a.here();
    a.mov(thread, local('channel'), rax);
    a.mov(rcx, args, argument('channels'));
    a.sub(rcx, rax);
    a.mov(rdx, args, argument('chunk'));
    a.cmp(rcx, rdx);
    a.cmova(rcx, rdx);
    a.mov(thread, local('channels'), rcx);
    this.loops.each('tile', 'tileStart', 'tileEnd', () => {
      const isRead = a.label();
      if (this.isDirect) {
        this.pixelsOf(rcx);
        a.cmpi(rcx, this.tile.pixels);
        a.je(isRead);
      }
      a.mov(r9, args, argument('patches'));
      a.add(r9, rbx);
      this.tileIndex(rax);
      a.imul(rax, args, argument('patchesStep'));
      a.add(r9, rax);
      this.pixelsOf(rcx);
      a.mov(rax, thread, local('tile'));
      const taps = operandArgument(this.shape.epilogue.operands.length);
      emitGather(a, { isa: this.isa, tile: this.tile, conv, ...this.layout, taps });
      a.bind(isRead);
    });
    this.loops.each('block', 'blockStart', 'blockEnd', () => {
      this.loops.each('tile', 'tileStart', 'tileEnd', () => this.multiply());
    });
    a.mov(rax, thread, local('channel'));
    a.add(rax, thread, local('channels'));
    a.cmp(rax, args, argument('channels'));
    a.jb(nextChunk);
    this.loops.next('image', 'imageEnd', nextImage);
    a.ret();
    return a.finish().slice();
  }

  /** Where the image and the filters of its group begin. */
  private locateImage(): void {
    const { a } = this;
    const { filters, channels, taps } = this.shape.conv;
    for (const [name, step] of [
      ['x', 'xImage'],
      ['y', 'yImage'],
    ] as const) {
      a.mov(rax, thread, local('image'));
      a.imul(rax, args, argument(step));
      a.add(rax, args, argument(name));
      a.mov(thread, local(name), rax);
    }
    a.mov(rax, thread, local('image'));
    a.xor(edx, edx);
    a.div(qword(args), argument('groups'));
    a.imuli(rax, rdx, filters);
    a.mov(thread, local('filter'), rax);
    const rows = this.overPixels ? filters : this.blocks.length * panelWidth(this.isa);
    a.movi(rax, rows * channels * taps * 4);
    a.imul(rax, rdx);
    a.add(rax, args, argument('weights'));
    a.mov(thread, local('weights'), rax);
  }

  /** Which of the unit's tiles the current one is. */
  private tileIndex(to: Gpr): void {
    this.a.mov(to, thread, local('tile'));
    this.a.sub(to, thread, local('tileStart'));
  }

  /** How many pixels the current tile has. Changes rax. */
  private pixelsOf(to: Gpr): void {
    const { a, tile } = this;
    a.imuli(rax, thread, local('tile'), tile.pixels);
    a.mov(to, args, argument('pixels'));
    a.sub(to, rax);
    a.movi(rax, tile.pixels);
    a.cmp(to, rax);
    a.cmova(to, rax);
  }

  /** The first filter of the current block. */
  private firstFilter(to: Gpr): void {
    const { a, blocks, isa } = this;
    if (!this.overPixels) {
      a.imuli(to, thread, local('block'), panelWidth(isa));
      return;
    }
    const tall = blocks.filter((rows) => rows > blocks.at(-1)!).length;
    a.imuli(to, thread, local('block'), blocks.at(-1)!);
    if (tall === 0) return;
    const rest = to === rcx ? rdx : rcx;
    a.movi(rest, tall);
    a.cmp(rest, thread, local('block'));
    a.cmova(rest, thread, local('block'));
    a.add(to, rest);
  }

  /** The current block by the current tile: adds up, and after the last chunk finishes. */
  private multiply(): void {
    const { a, tile } = this;
    const { conv } = this.shape;
    a.mov(rax, thread, local('block'));
    a.sub(rax, thread, local('blockStart'));
    a.imul(rax, args, argument('tilesPerUnit'));
    this.tileIndex(rcx);
    a.add(rax, rcx);
    a.imul(rax, args, argument('sumsStep'));
    a.lea(rax, at(rbx, rax), this.layout.sums);
    a.mov(thread, local('sums'), rax);
    // Filters are packed block by block, each step by step.
    const [patchesAt, weightsAt] = this.overPixels ? [vectorsAt, scalarsAt] : [scalarsAt, vectorsAt];
    a.imul(rcx, args, argument('patchesStep'));
    a.add(rcx, args, argument('patches'));
    a.lea(patchesAt, at(rbx, rcx));
    this.firstFilter(weightsAt);
    a.imuli(weightsAt, weightsAt, 4 * conv.channels * conv.taps);
    a.add(weightsAt, thread, local('weights'));
    if (this.isDirect) this.locatePixels();
    const done = a.label();
    const rowKinds = this.overPixels ? [...new Set(this.blocks)] : this.heightsOfTiles();
    for (const [vectors, isLastKind, nextKind] of this.kinds()) {
      if (!isLastKind) this.unlessVectors(vectors, nextKind);
      if (rowKinds.length > 1) this.rows(rcx);
      const labels = rowKinds.map(() => a.label());
      for (const [i, rows] of rowKinds.slice(0, -1).entries()) {
        a.cmpi(rcx, rows);
        a.je(labels[i]!);
      }
      for (const i of [rowKinds.length - 1, ...rowKinds.slice(0, -1).keys()]) {
        const rows = rowKinds[i]!;
        a.bind(labels[i]!);
        if (this.overPixels) {
          a.imuli(rcx, thread, local('channel'), 4 * conv.taps * rows);
          a.add(weightsAt, rcx);
        } else {
          a.imuli(rcx, thread, local('channel'), conv.taps * this.panelBytes);
          a.add(weightsAt, rcx);
        }
        this.product(rows, vectors, this.overPixels ? 4 * rows : tile.pitch, done);
        a.jmp(done);
      }
      if (!isLastKind) a.bind(nextKind);
    }
    a.bind(done);
    if (this.inRegisters) return;
    const isMore = a.label();
    this.ifMore(isMore);
    if (this.overPixels) this.finishPixels();
    else this.finishFilters();
    a.bind(isMore);
  }

  /** A whole tile is where it is in the image, its channels as far from each other as there; others were copied. Changes rax, rcx. */
  private locatePixels(): void {
    const { a, tile } = this;
    const isCopied = a.label();
    this.pixelsOf(rcx);
    a.movi(strideOf, tile.pitch);
    a.cmpi(rcx, tile.pixels);
    a.jne(isCopied);
    a.mov(strideOf, args, argument('xChannel'));
    a.mov(vectorsAt, thread, local('channel'));
    a.imul(vectorsAt, strideOf);
    a.add(vectorsAt, thread, local('x'));
    a.imuli(rax, thread, local('tile'), 4 * tile.pixels);
    a.add(vectorsAt, rax);
    a.bind(isCopied);
  }

  /** Jumps unless the chunk is the last. Changes rax. */
  private ifMore(isMore: Label): void {
    const { a } = this;
    a.mov(rax, thread, local('channel'));
    a.add(rax, thread, local('channels'));
    a.cmp(rax, args, argument('channels'));
    a.jb(isMore);
  }

  /** Rows of the current block or tile. Changes rax. */
  private rows(to: Gpr): void {
    const { a, blocks } = this;
    if (!this.overPixels) {
      this.pixelsOf(to);
      return;
    }
    const tall = blocks.filter((rows) => rows > blocks.at(-1)!).length;
    a.mov(rax, thread, local('block'));
    a.movi(to, blocks.at(-1)!);
    a.cmpi(rax, tall);
    // Carry, which says that the block is a tall one, makes it one row more.
    a.adci(to, 0);
  }

  /** Pixels that tiles may have. */
  private heightsOfTiles(): readonly number[] {
    const { pixels } = this.shape;
    const most = this.tile.pixels;
    if (pixels === undefined) return Array.from({ length: most }, (_, i) => most - i);
    return [...new Set([...(pixels >= most ? [most] : []), ...(pixels % most > 0 ? [pixels % most] : [])])];
  }

  /** Vectors of what there is, wide first; whether it is the last kind, and where the next one is. */
  private kinds(): [vectors: number, isLast: boolean, next: Label][] {
    const { pixels, conv } = this.shape;
    const { lanes } = this.isa;
    const width = 2 * lanes;
    const of = (count: number | undefined): number[] => {
      if (count === undefined) return [2, 1];
      const rest = count % width;
      const kinds = [...(count >= width || rest > lanes ? [2] : []), ...(rest > 0 && rest <= lanes ? [1] : [])];
      return kinds.length > 0 ? kinds : [2];
    };
    const kinds = of(this.overPixels ? pixels : conv.filters);
    return kinds.map((vectors, i) => [vectors, i === kinds.length - 1, this.a.label()]);
  }

  /** Jumps unless what is multiplied has so many vectors. Changes rax, rcx. */
  private unlessVectors(vectors: number, other: Label): void {
    const { a, isa } = this;
    if (this.overPixels) this.pixelsOf(rcx);
    else this.filtersOf(rcx);
    a.cmpi(rcx, isa.lanes);
    if (vectors === 2) a.jbe(other);
    else a.ja(other);
  }

  /** Filters of the current panel. Changes rax. */
  private filtersOf(to: Gpr): void {
    const { a, isa } = this;
    this.firstFilter(rax);
    a.movi(to, this.shape.conv.filters);
    a.sub(to, rax);
    a.movi(rax, panelWidth(isa));
    a.cmp(to, rax);
    a.cmova(to, rax);
  }

  /** Adds the chunk's part to the sums of a tile, or begins with it; after the last chunk finishes them where that is done in registers. */
  private product(rows: number, vectors: number, pitch: number, done: Label): void {
    const { a, isa } = this;
    // Tiles of few rows add even and odd steps up apart, so that no sum waits for itself.
    let sets = 1;
    while (sets < UNROLL && rows * vectors * sets < LEAST_SUMS) sets *= 2;
    const sum = (set: number, r: number, v: number): Vector => isa.register((set * rows + r) * vectors + v);
    const eachSum = (visit: (x: Vector, offset: number) => void): void => {
      for (let r = 0; r < rows; r++)
        for (let v = 0; v < vectors; v++) visit(sum(0, r, v), r * this.panelBytes + v * this.vectorBytes);
    };
    for (let i = 0; i < sets * rows * vectors; i++) a.vxorps(isa.register(i), isa.register(i), isa.register(i));
    const isFirst = a.label();
    a.mov(rdx, thread, local('channel'));
    a.test(rdx, rdx);
    a.jz(isFirst);
    a.mov(rdx, thread, local('sums'));
    eachSum((x, offset) => a.vmovups(x, at(rdx), offset));
    a.bind(isFirst);
    const broadcast = (r: number): Vector => isa.register(2 * isa.rows + 2 + (r % isa.broadcasts));
    const weights = this.overPixels ? { pointer: scalarsAt, pitch } : { pointer: vectorsAt, pitch: this.panelBytes };
    let fetched = 0;
    const step = (u: number, isRound: boolean): void => {
      const at0 = this.isDirect ? 0 : u * this.panelBytes;
      for (let v = 0; v < vectors; v++)
        a.vmovups(isa.register(2 * isa.rows + v), at(vectorsAt), at0 + v * this.vectorBytes);
      if (this.isDirect) {
        for (let line = 0; line < vectors * this.vectorBytes; line += 64)
          a.prefetcht0(at(vectorsAt, strideOf, AHEAD), line);
        a.add(vectorsAt, strideOf);
      }
      if (u === 0) fetched = 0;
      for (; isRound && fetched < (u + 1) * weights.pitch; fetched += 64)
        a.prefetcht0(at(weights.pointer), PREFETCH * weights.pitch + fetched);
      const set = isRound ? u % sets : 0;
      for (let r = 0; r < rows; r++) {
        // Of one vector a register of its own for what is broadcast would cost more than it saves.
        if (vectors === 1 && isa === avx512) {
          a.vfmadd231ps(sum(set, r, 0), isa.register(2 * isa.rows), at(scalarsAt), u * pitch + 4 * r, BROADCAST);
          continue;
        }
        a.vbroadcastss(broadcast(r), at(scalarsAt), u * pitch + 4 * r);
        for (let v = 0; v < vectors; v++) a.vfmadd231ps(sum(set, r, v), broadcast(r), isa.register(2 * isa.rows + v));
      }
    };
    const advance = (steps: number): void => {
      if (!this.isDirect) a.addi(vectorsAt, steps * this.panelBytes);
      a.addi(scalarsAt, steps * pitch);
    };
    a.imuli(rcx, thread, local('channels'), this.shape.conv.taps);
    emitRounds(a, step, advance);
    for (let half = sets / 2; half >= 1; half /= 2)
      for (let s = 0; s < half; s++)
        for (let i = 0; i < rows * vectors; i++) {
          const to = isa.register(s * rows * vectors + i);
          a.vaddps(to, to, isa.register((s + half) * rows * vectors + i));
        }
    if (this.inRegisters) {
      const isMore = a.label();
      this.ifMore(isMore);
      this.finishRegisters(rows, vectors, done);
      a.bind(isMore);
    }
    a.mov(rdx, thread, local('sums'));
    eachSum((x, offset) => a.vmovups(at(rdx), offset, x));
  }

  /** Rows of sums are those of the result. */
  private finishPixels(): void {
    const { a } = this;
    const done = a.label();
    for (const [vectors, isLast, next] of this.kinds()) {
      if (!isLast) this.unlessVectors(vectors, next);
      this.wholeOrPart(vectors, (masked) => {
        this.locateRows();
        this.rows(rcx);
        a.mov(sumAt, thread, local('sums'));
        const row = a.here();
        for (let v = 0; v < vectors; v++) {
          const x = this.isa.register(v);
          a.vmovups(x, at(sumAt), v * this.vectorBytes);
          this.store(x, v, vectors, masked && v === vectors - 1);
        }
        a.addi(sumAt, this.panelBytes);
        this.nextRow();
        a.dec(rcx);
        a.jnz(row);
        a.jmp(done);
      });
      if (!isLast) a.bind(next);
    }
    a.bind(done);
  }

  /** Sums that are still in registers, without a way over memory; so are operands as far as there is room. */
  private finishRegisters(rows: number, vectors: number, done: Label): void {
    const { a, isa, kept } = this;
    const { steps, operands } = this.shape.epilogue;
    const free = 2 * isa.rows + Math.max(1, ...steps.map(({ op }) => temporaries[op]!));
    for (const [i, { per }] of operands.entries())
      if (per !== 'element' && free + kept.size < 2 * isa.rows + 2 + isa.broadcasts)
        kept.set(i, isa.register(free + kept.size));
    const keep = (each: 'tensor' | 'channel'): void => {
      for (const [i, register] of kept) if (operands[i]!.per === each) a.vbroadcastss(register, at(operandsAt[i]!));
    };
    this.wholeOrPart(vectors, (masked) => {
      this.locateRows();
      keep('tensor');
      for (let r = 0; r < rows; r++) {
        if (r > 0) this.nextRow();
        keep('channel');
        for (let v = 0; v < vectors; v++)
          this.store(isa.register(r * vectors + v), v, 2 * isa.rows, masked && v === vectors - 1);
      }
      a.jmp(done);
    });
    kept.clear();
  }

  /** Code for tiles whose last vector is whole, and for others, where there are such. Changes rax, rcx. */
  private wholeOrPart(vectors: number, body: (masked: boolean) => void): void {
    const { a, isa } = this;
    const { pixels } = this.shape;
    if (pixels === undefined || this.kinds().length > 1 || pixels % (vectors * isa.lanes) > 0) {
      const isWhole = a.label();
      this.pixelsOf(rcx);
      a.subi(rcx, (vectors - 1) * isa.lanes);
      a.cmpi(rcx, isa.lanes);
      a.je(isWhole);
      isa.setMask(a);
      body(true);
      a.bind(isWhole);
    }
    body(false);
  }

  /** Sums of a filter stand below each other: they are turned first. */
  private finishFilters(): void {
    const { a, isa } = this;
    a.mov(sumAt, thread, local('sums'));
    if (isa === avx512) {
      for (let v = 0; v < 2; v++) {
        for (let r = 0; r < SIDE; r++)
          a.vmovups(isa.register(r), at(sumAt), r * this.panelBytes + v * this.vectorBytes);
        emitSquare(a);
        for (let c = 0; c < SIDE; c++)
          a.vmovups(at(rbx), this.layout.turned + (v * SIDE + c) * this.vectorBytes, isa.register(c));
      }
    } else {
      for (let r = 0; r < isa.rows; r++)
        for (let c = 0; c < panelWidth(isa); c++) {
          a.mov(eax, at(sumAt), r * this.panelBytes + 4 * c);
          a.mov(at(rbx), this.layout.turned + c * this.vectorBytes + 4 * r, eax);
        }
    }
    this.pixelsOf(rcx);
    isa.setMask(a);
    this.locateRows();
    this.filtersOf(rcx);
    a.lea(sumAt, at(rbx), this.layout.turned);
    const row = a.here();
    a.vmovups(isa.register(0), at(sumAt));
    this.store(isa.register(0), 0, 1, true);
    a.addi(sumAt, this.vectorBytes);
    this.nextRow();
    a.dec(rcx);
    a.jnz(row);
  }

  /** Where the block's first row of the result and of the operands begins. */
  private locateRows(): void {
    const { a, tile } = this;
    const { operands } = this.shape.epilogue;
    this.firstFilter(rsi);
    a.mov(resultAt, rsi);
    a.imul(resultAt, args, argument('yChannel'));
    a.imuli(rcx, thread, local('tile'), 4 * tile.pixels);
    a.add(resultAt, rcx);
    a.add(resultAt, thread, local('y'));
    a.add(rsi, thread, local('filter'));
    for (const [i, { per }] of operands.entries()) {
      const address = operandsAt[i]!;
      a.mov(address, args, operandArgument(i));
      if (per === 'channel') a.lea(address, at(address, rsi, 4));
      else if (per === 'element') {
        a.add(address, resultAt);
        a.sub(address, args, argument('y'));
      }
    }
  }

  /** Vector `v` of the current row through the epilogue. Clobbers the registers from `free` on. */
  private store(x: Vector, v: number, free: number, masked: boolean): void {
    const { a, isa, math } = this;
    const { steps, operands } = this.shape.epilogue;
    const registers = 2 * isa.rows + 2 + isa.broadcasts;
    const count = Math.min(ACTIVATION_TEMPORARIES, registers - free);
    const t = Array.from({ length: count }, (_, i) => isa.register(free + i));
    emitSteps(math, steps, x, t, (dst, input) => {
      const found = operands.findIndex((operand) => operand.input === input);
      if (found < 0) return false;
      const address: Address = at(operandsAt[found]!);
      const register = this.kept.get(found);
      if (register !== undefined) a.vmovaps(dst, register);
      else if (operands[found]!.per === 'element') isa.load(a, dst, address, v * this.vectorBytes, masked);
      else a.vbroadcastss(dst, address);
      return true;
    });
    isa.store(a, at(resultAt), v * this.vectorBytes, x, masked);
  }

  private nextRow(): void {
    const { a } = this;
    a.add(resultAt, args, argument('yChannel'));
    for (const [i, { per }] of this.shape.epilogue.operands.entries()) {
      if (per === 'channel') a.addi(operandsAt[i]!, 4);
      else if (per === 'element') a.add(operandsAt[i]!, args, argument('yChannel'));
    }
  }
}
