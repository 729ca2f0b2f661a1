/**
 * What products multiply in bfloat16, pairs of it in 32 bits: two elements of a query and of a key, two keys' weights and values. Their
 * sums are float32. Keys and values are rounded before all blocks of queries, once.
 */

import {
  Assembler,
  at,
  type Gpr,
  qword,
  r8,
  r9,
  r10,
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
  ymm,
} from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { emitRow } from '../row.ts';
import { KEYS, type Place, pitchOf } from './frame.ts';
import type { Geometry } from './geometry.ts';

/** The argument block; of keys and values bytes from one batch, head and row to the next, and of what is rounded from one head and row to the next. */
const words = [
  ...['tiles', 'groups', 'keys', 'size', 'valueSize'],
  ...['k', 'kBatch', 'kGroup', 'kRow', 'kTo', 'kImage', 'kPitch'],
  ...['v', 'vBatch', 'vGroup', 'vRow', 'vTo', 'vImage', 'vPitch'],
] as const;
type Word = (typeof words)[number];

/** Bytes from row to row of rounded keys, from one pair of keys' values to the next, and from head to head of both. */
export function roundedLayout({ batch, groups, keys, size, valueSize }: Geometry): Layout {
  const [kPitch, vPitch] = [pitchOf(2 * size), pitchOf(4 * valueSize)];
  const [kImage, vImage] = [keys * kPitch, Math.ceil(keys / 2) * vPitch];
  const tiles = Math.ceil(keys / KEYS);
  const images = batch * groups;
  return { kPitch, vPitch, kImage, vImage, tiles, units: images * tiles, bytes: images * (kImage + vImage) };
}

interface Layout extends Readonly<Record<'kPitch' | 'vPitch' | 'kImage' | 'vImage' | 'tiles', number>> {
  readonly units: number;
  readonly bytes: number;
}

/** The argument block for keys and values at two addresses, rounded to `at`. */
export function roundArgs(g: Geometry, layout: Layout, [k, v]: readonly [number, number], at: number): number[] {
  const places = roundedPlaces(g, layout, at);
  const given = {
    ...{ groups: g.groups, keys: g.keys, size: g.size, valueSize: g.valueSize, ...layout },
    ...{ k, kBatch: 4 * g.k.batch, kGroup: 4 * g.k.group, kRow: 4 * g.k.row, kTo: places.k.start },
    ...{ v, vBatch: 4 * g.v.batch, vGroup: 4 * g.v.group, vRow: 4 * g.v.row, vTo: places.v.start },
  };
  return words.map((name) => given[name]);
}

/** Where rounded keys and values are; of these half a row for each key. */
export function roundedPlaces({ batch, groups }: Geometry, layout: Layout, at: number): Record<'k' | 'v', Place> {
  const { kPitch, vPitch, kImage, vImage } = layout;
  const place = (start: number, image: number, row: number): Place => ({
    ...{ start, batch: groups * image, group: image, row },
    ...{ head: 0, wrap: 0 },
  });
  return { k: place(at, kImage, kPitch), v: place(at + batch * groups * kImage, vImage, vPitch / 2) };
}

const word = (name: Word): [ReturnType<typeof at>, number] => [at(rdi), 8 * words.indexOf(name)];

/** Rounds up to {@link KEYS} keys of a head, and their values: the unit's. */
export function emitRounding(): Uint8Array {
  const a = new Assembler();
  const v = new Vectors(a, true);
  const [batch, group, first, count] = [r12, r13, rbx, r14];
  a.mov(rax, rsi);
  a.xor(rdx, rdx);
  a.div(qword(word('tiles')[0]), word('tiles')[1]);
  a.mov(rsi, rax);
  a.imuli(first, rdx, KEYS);
  a.xor(rdx, rdx);
  a.div(qword(word('groups')[0]), word('groups')[1]);
  a.mov(batch, rax);
  a.mov(group, rdx);
  a.mov(count, ...word('keys'));
  a.sub(count, first);
  a.movi(rax, KEYS);
  a.cmp(count, rax);
  a.cmova(count, rax);
  const place = (to: Gpr, terms: readonly (readonly [Gpr, Word])[], start: Word): void => {
    a.mov(to, ...word(start));
    for (const [index, step] of terms) {
      a.mov(rax, index);
      a.imul(rax, ...word(step));
      a.add(to, rax);
    }
  };
  const from = (x: 'k' | 'v') =>
    [
      [batch, `${x}Batch`],
      [group, `${x}Group`],
      [first, `${x}Row`],
    ] as const;
  place(r8, from('k'), 'k');
  place(
    r10,
    [
      [rsi, 'kImage'],
      [first, 'kPitch'],
    ],
    'kTo',
  );
  a.mov(rbp, count);
  const row = a.here();
  a.mov(rcx, ...word('size'));
  emitRoundedRow(v, r8, r10);
  a.add(r8, ...word('kRow'));
  a.add(r10, ...word('kPitch'));
  a.dec(rbp);
  a.jnz(row);
  place(r8, from('v'), 'v');
  a.shr(first, 1);
  place(
    r10,
    [
      [rsi, 'vImage'],
      [first, 'vPitch'],
    ],
    'vTo',
  );
  a.mov(rcx, count);
  emitValuePairs(v);
  a.ret();
  return a.finish().slice();
}

/** Rows of rcx keys' values at r8 into rows of pairs at r10, column by column. */
function emitValuePairs(v: Vectors): void {
  const { a } = v;
  const [from, second, to] = [r8, r9, r10];
  const [x, y, order] = [v.register(0), v.register(1), v.register(2)];
  loadPairOrder(v, order);
  eachPair(a, (keys) => {
    a.mov(second, from);
    if (keys > 1) a.add(second, ...word('vRow'));
    else a.vxorps(y, y, y);
    a.mov(rbp, rcx);
    a.mov(rcx, ...word('valueSize'));
    emitRow(v, (block) => {
      block.load(x, from);
      if (keys > 1) block.load(y, second);
      emitPairs(v, x, y, order);
      block.store(to, x);
    });
    a.mov(rcx, rbp);
    a.mov(from, second);
    a.add(from, ...word('vRow'));
    a.add(to, ...word('vPitch'));
  });
}

/** A row of rcx elements, times `scale`, rounded and filled up with zeros to whole vectors. Clobbers rax, rcx, r11, r15 and vector 1. */
export function emitRoundedRow(v: Vectors, from: Gpr, to: Gpr, scale?: Vector): void {
  const { a } = v;
  const x = v.register(1);
  const half = ymm(x & 0xff);
  a.mov(r15, to);
  emitRow(v, (block) => {
    block.load(x, from);
    if (scale !== undefined) a.vmulps(x, x, scale);
    a.vcvtneps2bf16(half, x);
    a.vmovups(at(r15), 0, half);
    a.addi(r15, v.bytes / 2);
  });
}

/** Runs `body` for each two of rcx keys, then for one that is left. It keeps rcx. */
export function eachPair(a: Assembler, body: (keys: 1 | 2) => void): void {
  const [loop, single, done] = [a.label(), a.label(), a.label()];
  a.bind(loop);
  a.subi(rcx, 2);
  a.jb(single);
  body(2);
  a.jmp(loop);
  a.bind(single);
  a.inc(rcx);
  a.jnz(done);
  body(1);
  a.bind(done);
}

/** Where each word of pairs comes from in the elements of both, one behind the other. */
const ORDER = Uint16Array.from({ length: 32 }, (_, i) => (i >> 1) + 16 * (i & 1));

export const loadPairOrder = ({ a }: Vectors, order: Vector): void => a.vmovups(order, a.constant(ORDER), 0);

/** `x` = pairs of the elements of `x` and `y`. */
export function emitPairs({ a }: Vectors, x: Vector, y: Vector, order: Vector): void {
  a.vcvtne2ps2bf16(x, y, x);
  a.vpermw(x, order, x);
}
