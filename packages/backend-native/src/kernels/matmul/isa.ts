/** The vector registers that a product is written for: how many floats each holds, how many rows of accumulators fit. */

import {
  type Address,
  type Assembler,
  at,
  cl,
  eax,
  k1,
  rax,
  rcx,
  type Vector,
  ymm,
  ymm15,
  ZERO,
  zmm,
} from '@espalier/x64';
import type { NativeFeature } from '../../cpu.ts';

export interface Isa {
  readonly name: string;
  readonly requires: readonly NativeFeature[];
  /** Floats in a vector. A panel is two vectors wide. */
  readonly lanes: number;
  /** Rows of the largest register tile, which is as wide as a panel. */
  readonly rows: number;
  /** Share of the processor's multiply-adds of this width that full tiles reach. */
  readonly efficiency: number;
  /** What widening a row of K costs, by bits, in rows of a product. */
  readonly widening: { readonly 4: number; readonly 8: number; readonly 16: number };
  /** The rate of these multiply-adds. */
  readonly rate: 'fma' | 'fma256';
  /** Registers that the elements of A are broadcast into, behind the accumulators and two for B. */
  readonly broadcasts: number;
  register(index: number): Vector;
  /** Has `load` and `store` touch only the first elements when masked: as many as rcx says, 1 to `lanes`. Changes rax and rcx. */
  setMask(a: Assembler): void;
  /** Elements beyond the mask become zero. */
  load(a: Assembler, to: Vector, address: Address, offset: number, masked: boolean): void;
  store(a: Assembler, address: Address, offset: number, from: Vector, masked: boolean): void;
}

/** Mask: k1. */
export const avx512: Isa = {
  name: 'avx512',
  requires: ['avx512'],
  lanes: 16,
  rows: 14,
  efficiency: 0.96,
  widening: { 4: 1.7, 8: 0.9, 16: 0.9 },
  rate: 'fma',
  broadcasts: 2,
  register: zmm,
  setMask(a) {
    a.movi(eax, 1);
    a.shl(eax, cl);
    a.dec(eax);
    a.kmovd(k1, eax);
  },
  load: (a, to, address, offset, masked) => a.vmovups(to, address, offset, masked ? k1 | ZERO : 0),
  store: (a, address, offset, from, masked) => a.vmovups(address, offset, from, masked ? k1 : 0),
};

/** Mask: ymm15, which is why one register has to do for broadcasts. */
export const avx2: Isa = {
  name: 'avx2',
  requires: ['avx2', 'fma'],
  lanes: 8,
  rows: 6,
  efficiency: 0.93,
  widening: { 4: 2.2, 8: 0.6, 16: 0.6 },
  rate: 'fma256',
  broadcasts: 1,
  register: ymm,
  setMask(a) {
    a.lea(rax, a.constant(Int32Array.from({ length: 16 }, (_, i) => (i < 8 ? -1 : 0))));
    a.neg(rcx);
    a.vmovups(ymm15, at(rax, rcx, 4), 32);
  },
  load(a, to, address, offset, masked) {
    if (masked) a.vmaskmovps(to, ymm15, address, offset);
    else a.vmovups(to, address, offset);
  },
  store(a, address, offset, from, masked) {
    if (masked) a.vmaskmovps(address, offset, ymm15, from);
    else a.vmovups(address, offset, from);
  },
};

/** Columns of a panel. */
export const panelWidth = (isa: Isa): number => 2 * isa.lanes;
