/** Tiles of 64 positions of which some are pixels of the result: their table, and how a unit of quads walks over them. */

import type { Windows } from '@espalier/lowering';
import {
  type Assembler,
  at,
  ecx,
  type Gpr,
  k2,
  k3,
  k4,
  k5,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  type Vector,
  ZERO,
  zmm,
} from '@espalier/x64';
import { argument, LINE, local, tableArgument, thread } from '../matmul_sparse/frame.ts';
import { emitTile, lineAt, type QuadLines, type QuadTiles, sumsAt } from '../matmul_sparse/quads.ts';
import { SIDE } from '../matmul_sparse/square.ts';
import { type Flat, pixelsOf } from './flat.ts';
import type { PlaneLayout } from './planes.ts';

/** Words of a tile: where its lines begin, its first pixel and the one behind its last, which positions are pixels, and where in its sums those of the second, third and fourth sixteen begin, in bytes. */
const [LINE_AT, FIRST, END, MASKS, OFFSETS] = [0, 8, 16, 24, 40];
const TILE_BYTES = 64;
const PARTS = LINE / SIDE;

export function positionTable(windows: Windows, flat: Flat, layout: PlaneLayout): number[] {
  const vectors = pixelsOf(flat, windows, SIDE);
  const [depth, height, width] = windows.output as [number, number, number];
  const pixels = depth * height * width;
  const none = { mask: 0, before: pixels };
  return Array.from({ length: windows.batch * layout.tiles }, (_, i) => {
    const [image, tile] = [Math.floor(i / layout.tiles), i % layout.tiles];
    const parts = Array.from({ length: PARTS + 1 }, (_, part) => vectors[PARTS * tile + part] ?? none);
    const masks = parts.map(({ mask }) => mask);
    const before = parts.map((part) => image * pixels + part.before);
    return [
      ...[image * layout.image + tile * LINE, before[0]!, before[PARTS]!],
      ...[masks[0]! + masks[1]! * 2 ** SIDE, masks[2]! + masks[3]! * 2 ** SIDE],
      ...[1, 2, 3].map((part) => 4 * (before[part]! - before[0]!)),
    ];
  }).flat();
}

/** @param operands of the epilogue */
export function positionTiles(lines: QuadLines, operands: number): QuadTiles {
  const begin = (a: Assembler): void => {
    a.mov(rdi, thread, local('args'));
    emitTile(a);
    a.shl(rax, Math.log2(TILE_BYTES));
    a.lea(rax, at(rax, rdi), tableArgument(operands));
    a.mov(thread, local('tile'), rax);
    a.mov(rcx, at(rax), END);
    a.mov(thread, local('end'), rcx);
    a.mov(lineAt, at(rax), LINE_AT);
    a.add(lineAt, at(rdi), argument('turned'));
    for (const [i, mask] of [k2, k3, k4, k5].entries()) {
      if (i % 2 === 0) a.mov(ecx, at(rax), MASKS + 4 * i);
      else a.shr(ecx, SIDE);
      a.kmovd(mask, ecx);
    }
  };
  return {
    ...{ lines, begin, next: begin },
    firstRow(a) {
      a.mov(rax, thread, local('tile'));
      a.mov(rax, at(rax), FIRST);
    },
    keep(a, [s0, s1, s2, s3], offset) {
      const [FIRST_HALVES, SECOND_HALVES, EVEN, ODD] = [0x44, 0xee, 0x88, 0xdd];
      const t = [0, 1, 2, 3].map((i) => zmm(SIDE + i)) as [Vector, Vector, Vector, Vector];
      a.vshuff32x4(t[0], s0!, s1!, FIRST_HALVES);
      a.vshuff32x4(t[1], s0!, s1!, SECOND_HALVES);
      a.vshuff32x4(t[2], s2!, s3!, FIRST_HALVES);
      a.vshuff32x4(t[3], s2!, s3!, SECOND_HALVES);
      a.vshuff32x4(s0!, t[0], t[2], EVEN);
      a.vshuff32x4(s1!, t[0], t[2], ODD);
      a.vshuff32x4(s2!, t[1], t[3], EVEN);
      a.vshuff32x4(s3!, t[1], t[3], ODD);
      a.mov(r9, thread, local('tile'));
      const indices: readonly Gpr[] = [rax, rcx, rdx];
      for (const [part, sum] of [s0!, s1!, s2!, s3!].entries()) {
        a.vcompressps(sum, sum, [k2, k3, k4, k5][part]! | ZERO);
        const index = indices[part - 1];
        if (index !== undefined) a.mov(index, at(r9), OFFSETS + 8 * (part - 1));
        // Each store's rest is behind what the next one stores.
        a.vmovups(index === undefined ? at(sumsAt) : at(sumsAt, index), offset, sum);
      }
    },
  };
}
