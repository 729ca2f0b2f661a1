/** The emulator of tiles against loops of its own; on a processor that has tiles, the loops against that. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Assembler, at, r8, r9, rax, rcx, rdi, rdx, tmm } from '@espalier/x64';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCode, type StartedEngine, startEngine } from '../../src/index.ts';
import { emitTrampoline } from '../../src/trampoline.ts';
import { emulatorFile, findTiles } from './tiles.ts';

const tiles = findTiles();
if ('reason' in tiles) it.skip(`multiplies tiles (${tiles.reason})`, () => {});

const products = ['tdpbssd', 'tdpbsud', 'tdpbusd', 'tdpbuud', 'tdpbf16ps'] as const;
type Product = (typeof products)[number];

/** Bytes of a tile's whole memory, and where the operands are in a buffer. */
const TILE = 1024;
const [CONFIG, A, B, C, OUT, STORED] = [0, 1, 2, 3, 4, 5].map((i) => i * 2 * TILE) as [
  number,
  number,
  number,
  number,
  number,
  number,
];
const BYTES = 6 * 2 * TILE;

/** Rows of each tile, and its bytes of a row: C, A, B. */
type Shapes = readonly (readonly [rows: number, bytes: number])[];

function config(shapes: Shapes, change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes[0] = 1;
  for (const [tile, [rows, columns]] of shapes.entries()) {
    new DataView(bytes.buffer).setUint16(16 + 2 * tile, columns, true);
    bytes[48 + tile] = rows;
  }
  change(bytes);
  return bytes;
}

/** Takes each form of address once. C + A times B to OUT, and the configuration to STORED: the buffer is at the address that the argument block begins with, the stride of A, B and C in rows behind it. */
function emit(product: Product): Uint8Array {
  const a = new Assembler();
  a.mov(rax, at(rdi), 0);
  a.mov(rcx, at(rdi), 8);
  a.mov(r9, rcx);
  a.shr(r9, 1);
  a.movi(rdx, 64);
  a.ldtilecfg(at(rax, rdx, 4), CONFIG - 256);
  a.tileloadd(tmm(1), at(rax, rcx), A);
  a.lea(r8, at(rax), B);
  a.tileloaddt1(tmm(2), at(r8, rcx));
  a.tilezero(tmm(0));
  a.tileloadd(tmm(0), at(rax, r9, 2), C);
  a[product](tmm(0), tmm(1), tmm(2));
  a.tilestored(at(rax, rdx), OUT, tmm(0));
  a.sttilecfg(at(rax, rdx), STORED - 64);
  a.tilerelease();
  a.ret();
  return a.finish().slice();
}

/** Numbers below 2 ** 32 that are the same in every run. */
function random(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(((state >>> 8) / 2 ** 24) * 2 ** 32);
  };
}

const fromBits = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!;
/** Subnormals become zeros. */
const flush = (x: number): number => (Math.abs(x) < 2 ** -126 ? 0 * x : x);

/** What C becomes, as 32-bit words. */
function reference(product: Product, memory: DataView, stride: number, [m, n, k]: readonly number[]): Uint32Array {
  const result = new Uint32Array(m! * n!);
  for (let i = 0; i < m!; i++)
    for (let j = 0; j < n!; j++) {
      const c = C + i * stride + 4 * j;
      if (product === 'tdpbf16ps') {
        const value = (offset: number): number => flush(fromBits(memory.getUint16(offset, true) << 16));
        const sums = [0, 0];
        for (let p = 0; p < k!; p++)
          for (const h of [0, 1]) {
            // Exact in double precision for the numbers here, so that rounding it is a fused multiply-add.
            const exact = value(A + i * stride + 4 * p + 2 * h) * value(B + p * stride + 4 * j + 2 * h) + sums[h]!;
            sums[h] = flush(Math.fround(exact));
          }
        const sum = flush(Math.fround(sums[0]! + sums[1]!));
        new Float32Array(result.buffer)[i * n! + j] = flush(Math.fround(flush(memory.getFloat32(c, true)) + sum));
      } else {
        const isSigned = [product[4] === 's', product[5] === 's'];
        const value = (offset: number, operand: 0 | 1): number =>
          isSigned[operand] ? memory.getInt8(offset) : memory.getUint8(offset);
        let sum = memory.getInt32(c, true);
        for (let p = 0; p < 4 * k!; p++)
          sum = (sum + value(A + i * stride + p, 0) * value(B + (p >> 2) * stride + 4 * j + (p & 3), 1)) | 0;
        result[i * n! + j] = sum;
      }
    }
  return result;
}

describe.skipIf('reason' in tiles)('tiles', () => {
  if ('reason' in tiles) return;
  const { assume, emulated } = tiles as Exclude<typeof tiles, { reason: string }>;
  const engine = startEngine({ assume, threads: 1 }) as StartedEngine;
  const code = loadCode(engine.addon, products.map(emit));
  const buffer = engine.memory.alloc(BYTES + 64);
  const memory = new DataView(buffer.view.buffer);
  afterAll(() => {
    code.dispose();
    engine.memory.free(buffer);
    engine.dispose();
  });

  function run(product: Product, [m, n, k]: readonly number[], stride: number): Uint32Array {
    const shapes: Shapes = [
      [m!, 4 * n!],
      [m!, 4 * k!],
      [k!, 4 * n!],
    ];
    buffer.view.set(config(shapes), CONFIG);
    buffer.view.fill(0xaa, OUT, OUT + 2 * TILE);
    memory.setBigUint64(BYTES, BigInt(buffer.address), true);
    memory.setBigUint64(BYTES + 8, BigInt(stride), true);
    engine.addon.call(code.addresses[products.indexOf(product)]!, buffer.address + BYTES, engine.trampoline);
    expect([...buffer.view.slice(STORED, STORED + 64)]).toEqual([...config(shapes)]);
    const result = new Uint32Array(m! * n!);
    for (let i = 0; i < 16; i++)
      for (let j = 0; j < 16; j++) {
        const word = memory.getUint32(OUT + 64 * i + 4 * j, true);
        if (i < m! && j < n!) result[i * n! + j] = word;
        else expect(word, 'beyond the tile').toBe(0xaaaaaaaa);
      }
    return result;
  }

  const sizes = [1, 2, 7, 15, 16];
  for (const product of products) {
    it(`${product} multiplies tiles of every shape`, () => {
      const before = emulated?.();
      let runs = 0;
      for (const m of sizes)
        for (const n of sizes)
          for (const k of sizes) {
            const next = random(m + 17 * n + 289 * k);
            // Of bfloat16 numbers a sign, an exponent from -12 to 3 and seven bits.
            const word = (): number => (next() & 0x87ff87ff) + 0x3a003a00;
            for (let i = A; i < OUT; i += 4) memory.setUint32(i, product === 'tdpbf16ps' ? word() : next(), true);
            const stride = 64 + 2 * (runs % 3);
            expect(run(product, [m, n, k], stride), `${m} x ${n} x ${k}`).toEqual(
              reference(product, memory, stride, [m, n, k]),
            );
            runs++;
          }
      if (emulated) expect(emulated() - before!).toBe(10 * runs);
    });
  }

  it('takes subnormals for zeros and lets infinity and NaN through', () => {
    const halves = [0x0001, 0x8040, 0x3f80, 0x1c80, 0x7f80, 0xff80, 0x7fc0, 0x0080];
    for (const x of halves)
      for (const y of halves) {
        for (let i = A; i < OUT; i += 4) memory.setUint32(i, 0, true);
        for (let i = 0; i < 16; i++) {
          memory.setUint16(A + 64 * i, x, true);
          memory.setUint16(B + 4 * i, y, true);
          memory.setFloat32(C + 68 * i, i % 2 ? 2 ** -130 : 1, true);
        }
        const [got, wanted] = [run('tdpbf16ps', [16, 16, 1], 64), reference('tdpbf16ps', memory, 64, [16, 16, 1])];
        const floats = (words: Uint32Array): number[] => [...new Float32Array(words.buffer)].map((v) => v + 0);
        expect(floats(got), `${x.toString(16)} x ${y.toString(16)}`).toEqual(floats(wanted));
      }
  });

  it.skipIf(!emulated)('ends the process where the processor would fault, and says why', () => {
    const good: Shapes = [
      [16, 64],
      [16, 64],
      [16, 64],
    ];
    const bad: [string, Uint8Array][] = [
      ['#GP: no such palette', config(good, (bytes) => bytes.fill(2, 0, 1))],
      ['#GP: reserved bytes', config(good, (bytes) => bytes.fill(1, 15, 16))],
      ['#GP: a row of a tile has more than 64 bytes', config([[16, 65]])],
      ['#GP: a tile has more than 16 rows', config([[17, 64]])],
      ['#GP: a tile has rows or columns without the other', config([[16, 0]])],
      ['#UD: loads a tile that is not configured', config(good.slice(0, 1))],
      ['#UD: loads a tile that is not configured', new Uint8Array(64)],
      ['#UD: the shapes of the tiles do not fit', config([good[0]!, [15, 64], good[2]!])],
      ['#UD: the shapes of the tiles do not fit', config([good[0]!, [16, 60], good[2]!])],
      ['#UD: the shapes of the tiles do not fit', config([[16, 60], good[1]!, good[2]!])],
    ];
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const script = `
      const [addonFile, emulator, code, trampoline, config] = process.argv.slice(1);
      require(emulator);
      const addon = require(addonFile);
      const load = (text) => addon.mapCode(new Uint8Array(Buffer.from(text, 'hex')));
      const at = addon.allocate(${BYTES + 64}, false);
      addon.copyIn(at, new Uint8Array(Buffer.from(config, 'hex')));
      addon.copyIn(at + ${BYTES}, new Uint8Array(new BigUint64Array([BigInt(at), 64n]).buffer));
      addon.call(load(code), at + ${BYTES}, load(trampoline));`;
    const addonFile = join(import.meta.dirname, '../../build/espalier.node');
    const start = (bytes: Uint8Array) => {
      const program = [emit('tdpbusd'), emitTrampoline(process.platform, true), bytes].map(hex);
      return spawnSync(process.execPath, ['-e', script, addonFile, emulatorFile, ...program], { encoding: 'utf8' });
    };
    expect(start(config(good))).toMatchObject({ status: 0, stderr: '' });
    for (const [message, bytes] of bad) {
      const { signal, stderr } = start(bytes);
      expect(stderr).toContain(message);
      expect(signal).toBe('SIGILL');
    }
  });
});
