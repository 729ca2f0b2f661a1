/** Conversions between dtypes, in lanes of 32 bits, or of 64 where one side has them. */

import { type DType, dtypes } from '@espalier/core';
import { al, eax, k6, k7, rax, SHORT, type Vector, xmm, ymm, ZERO } from '@espalier/x64';
import type { Vectors } from '../../math/index.ts';
import { type Emit, emitBool, emitCompare, type Pointwise, predicates } from './op.ts';

const ints: readonly DType[] = ['int32', 'int16', 'int8', 'uint8', 'bool'];
/** Of vcmpps. */
const ORDERED = 7;
const floats: readonly DType[] = ['float32', 'float16', 'bfloat16'];
const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === 'float';
const half = (v: Vectors, x: Vector): Vector => (v.isWide ? ymm : xmm)(x & 0xff);

/** Bits of a float16 or bfloat16 in each lane to float32. */
function emitWiden(v: Vectors, x: Vector, from: DType): void {
  const { a } = v;
  if (from === 'bfloat16') a.vpslldi(x, x, 16);
  if (from !== 'float16') return;
  if (v.isWide) a.vpmovdw(half(v, x), x);
  else {
    a.vpackusdw(x, x, x);
    a.vpermqi(x, x, 0x08);
  }
  a.vcvtph2ps(x, half(v, x));
}

/** float32 to the bits of a float16 or bfloat16 in each lane, to nearest. */
function emitNarrow(v: Vectors, x: Vector, [t, u]: readonly Vector[], to: DType): void {
  const { a } = v;
  if (to === 'float16') {
    a.vcvtps2ph(half(v, x), x, 0);
    a.vpmovzxwd(x, half(v, x));
  }
  if (to !== 'bfloat16') return;
  a.vpsrldi(t!, x, 16);
  a.vmovaps(u!, t!);
  a.vandps(t!, t!, ...v.bits(1));
  a.vpaddd(t!, t!, x);
  a.vpaddd(t!, t!, ...v.bits(0x7fff));
  a.vpsrldi(t!, t!, 16);
  // A NaN keeps its upper bits, and stays one.
  a.vorps(u!, u!, ...v.bits(0x40));
  if (v.isWide) {
    a.vcmpps(k7, x, x, predicates.unordered);
    a.vpblendmd(x, t!, u!, k7);
  } else {
    a.vcmpps(x, x, x, predicates.unordered);
    a.vblendvps(x, t!, u!, x);
  }
}

/** float32 to int32 toward zero: NaN to 0, what is `limit` or more to all ones but the sign. */
function emitTruncate(v: Vectors, x: Vector, [t, ones]: readonly Vector[], limit: number): void {
  const { a } = v;
  v.fill(t!, limit);
  if (v.isWide) {
    a.vcmpps(k7, x, t!, predicates.GreaterOrEqual);
    a.vcmpps(k6, x, x, ORDERED);
    a.vcvttps2dq(x, x, k6 | ZERO);
    a.vpbroadcastd(x, a.constant(Int32Array.of(0x7fffffff)), 0, k7);
  } else {
    a.vcmpps(t!, t!, x, predicates.LessOrEqual);
    a.vcmpps(ones!, x, x, ORDERED);
    a.vcvttps2dq(x, x);
    a.vandps(x, x, ones!);
    a.vandps(ones!, t!, ...v.bits(0x7fffffff));
    a.vpandn(x, t!, x);
    a.vorps(x, x, ones!);
  }
}

const cast =
  (from: DType, to: DType): Emit =>
  (v, x, t) => {
    const { a } = v;
    if (from === to) return;
    if (isFloat(from)) emitWiden(v, x, from);
    if (to === 'bool') {
      if (isFloat(from)) {
        a.vxorps(t[0]!, t[0]!, t[0]!);
        emitCompare(v, x, t[0]!, 'differ');
      } else if (v.isWide) a.vptestmd(k7, x, x);
      else {
        a.vxorps(t[0]!, t[0]!, t[0]!);
        a.vpcmpeqd(x, x, t[0]!);
        a.vpcmpeqd(t[0]!, t[0]!, t[0]!);
        a.vxorps(x, x, t[0]!);
      }
      emitBool(v, x, 4);
    } else if (isFloat(from)) {
      if (isFloat(to)) emitNarrow(v, x, t, to);
      // What is beyond the dtype but not 32 bits loses its upper bits.
      else emitTruncate(v, x, t, dtypes[to].kind === 'uint' ? 2 ** 32 : 2 ** 31);
    } else if (isFloat(to)) {
      a.vcvtdq2ps(x, x);
      emitNarrow(v, x, t, to);
    }
  };

/** Where one side is int64: lanes of 64 bits, in which float32 has the lower half. */
const castWide =
  (from: DType, to: DType): Emit =>
  (v, x) => {
    const { a } = v;
    if (!v.isWide) emitScalar(v, from, to, x);
    else if (from === 'int64') {
      if (to === 'bool') {
        a.vptestmq(k7, x, x);
        emitBool(v, x, 8);
      } else if (to === 'float32') {
        a.vcvtqq2ps(half(v, x), x);
        a.vpmovzxdq(x, half(v, x));
      }
    } else if (from === 'float32') {
      a.vpmovqd(half(v, x), x);
      a.vcmpps(k7, half(v, x), a.constant(new Float32Array(8).fill(2 ** 63)), 0, predicates.GreaterOrEqual);
      a.vcmpps(k6, half(v, x), half(v, x), ORDERED);
      a.vcvttps2qq(x, half(v, x), k6 | ZERO);
      a.vpbroadcastq(x, a.constant(BigInt64Array.of(2n ** 63n - 1n)), 0, k7);
    }
  };

/** One element, with AVX2, which has no such conversions of vectors. */
function emitScalar(v: Vectors, from: DType, to: DType, x: Vector): void {
  const { a } = v;
  const low = xmm(x & 0xff);
  if (to === 'bool') {
    a.vmovq(rax, low);
    a.test(rax, rax);
    a.setne(al);
    a.movzx(eax, al);
    a.vmovd(low, eax);
  } else if (to === 'float32') {
    a.vmovq(rax, low);
    a.vcvtsi2ss(low, low, rax);
  } else if (from === 'float32') {
    const [number, fits, done] = [a.label(), a.label(), a.label()];
    a.vcvttss2si(rax, low);
    a.vucomiss(low, low);
    a.jnp(number, SHORT);
    a.xor(rax, rax);
    a.jmp(done, SHORT);
    a.bind(number);
    a.vucomiss(low, a.constant(Float32Array.of(2 ** 63)), 0);
    a.jb(fits, SHORT);
    a.movi(rax, 2n ** 63n - 1n);
    a.bind(fits);
    a.bind(done);
    a.vmovq(low, rax);
  }
}

const row = (of: string, T1: readonly DType[], T2: readonly DType[], lane: 4 | 8): Pointwise => ({
  op: 'Cast',
  of,
  types: { T1, T2 },
  lane,
  cost: [3, 4],
  code: ({ inputs: [x], outputs: [y] }) => (lane === 4 ? cast : castWide)(x!.dtype, y!.dtype),
  ...(lane === 8 ? { isScalar: true } : {}),
});

export const castOps: readonly Pointwise[] = [
  row('any32_f32', [...floats, ...ints], ['float32'], 4),
  row('f32_s32', [...floats, ...ints], ints, 4),
  // Integers of 32 bits would be rounded twice.
  row('any16_f16', [...floats, 'int16', 'int8', 'uint8', 'bool'], ['float16', 'bfloat16'], 4),
  row('s64_any32', ['int64'], ['float32', ...ints], 8),
  row('any32_s64', ['float32', ...ints], ['int64'], 8),
];
