/** From exact sums of products of bytes to floats, or levels: less what the zero point of A adds, times both scales. */

import type { Tensor } from '@espalier/core';
import { at, eax, k1, rax, rcx, rdi, rdx, zmm } from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import { type LevelType, packLevels, packUnrounded } from '../levels.ts';
import { type Epilogue, packedZeroPoint } from '../matmul/epilogue.ts';
import { avx512 } from '../matmul/isa.ts';
import { emitZeroPoint, type ZeroPoint } from '../matmul_int8/zero-point.ts';
import type { SizedMatrix } from './cut.ts';
import { argument, type Finish, type Sums } from './frame.ts';
import { SIDE } from './square.ts';

export interface Scaling {
  readonly n: number;
  readonly epilogue: Epilogue;
  readonly aZero: ZeroPoint;
  readonly result: 'float32' | LevelType;
}

/** Parameters of columns: as many as a block may read that begins at the last. */
const paddedColumns = (n: number): number => Math.ceil((n + SIDE) / SIDE) * SIDE;
export const columnBytes = (n: number): number => 8 * paddedColumns(n);

/** Writes what each column counts: its sum, and behind all sums its scale. */
export function packColumns(
  { data, rowStep, columnStep, k, n }: SizedMatrix<Int8Array>,
  scale: Tensor,
  buffer: ArrayBufferLike,
  offset: number,
): void {
  const sums = new Int32Array(buffer, offset, n);
  for (let row = 0; row < k; row++)
    for (let j = 0, at = row * rowStep; j < n; j++, at += columnStep) sums[j] += data[at]!;
  const scales = new Float32Array(buffer, offset + 4 * paddedColumns(n), n);
  for (let j = 0; j < n; j++) scales[j] = Number(scale.data[scale.size === 1 ? 0 : j]);
}

export function scaled({ n, epilogue, aZero, result }: Scaling, sums: Sums): Finish {
  const [scale, term] = [zmm(14), zmm(15)];
  return {
    epilogue,
    sums,
    bytes: result === 'float32' ? 4 : 1,
    begin(a) {
      emitZeroPoint(a, aZero, at(rdi), argument('aZero'));
      a.vpbroadcastd(scale, eax);
      a.mov(rax, at(rdi), argument('columns'));
      a.vpmulld(term, scale, at(rax, rcx, 4));
      a.mov(rdx, at(rdi), argument('aScale'));
      a.vbroadcastss(scale, at(rdx));
      a.vmulps(scale, scale, at(rax, rcx, 4), 4 * paddedColumns(n));
    },
    scale(a, added) {
      a.vpsubd(zmm(0), zmm(0), term);
      a.vcvtdq2ps(zmm(0), zmm(0));
      if (added === undefined) a.vmulps(zmm(0), zmm(0), scale);
      else a.vfmadd213ps(zmm(0), scale, added);
    },
    store(a, to, masked, held) {
      if (result === 'float32') {
        avx512.store(a, at(to), 0, zmm(0), masked);
        return;
      }
      const v = new Vectors(a, true);
      const zero = packedZeroPoint(epilogue, held);
      const low = zero === undefined ? packLevels(v, zmm(0), result, zmm(1)) : packUnrounded(v, zmm(0), zero);
      a.vmovdqu8(at(to), 0, low, masked ? k1 : 0);
    },
  };
}
