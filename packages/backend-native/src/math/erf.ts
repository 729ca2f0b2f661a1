/**
 * The error function by pieces: as many intervals as a vector has lanes, each with a polynomial around its middle, the Taylor series
 * economised by Chebyshev polynomials (Lanczos, "Trigonometric interpolation of empirical and analytical functions", 1938). A
 * permutation looks a coefficient up for all lanes at once.
 */

import type { Vector } from '@espalier/x64';
import type { Vectors } from './vectors.ts';

/** From here on erf rounds to 1. */
const LIMIT = 3.92;
/** Of the polynomials, for sixteen intervals and for eight. */
const DEGREE = { wide: 5, narrow: 7 };
/** Terms of a series that is below rounding behind them. */
const TERMS = 20;
/** Numbers so far from zero have no fraction: their lowest bits are the nearest integer's. */
const MAGIC = 1.5 * 2 ** 23;
/** Bits of the first operand, and those that second and third share. */
const OR_AND = 0xf8;
const SIGN = 0x80000000;
export const ERF_TEMPORARIES = 4;

/** `x = erf(x)` with an absolute error below 7.5e-8, relative to it below 2.2e-7 where it is small; NaN stays. */
export function emitErf(v: Vectors, x: Vector, [y, ...t]: readonly Vector[]): void {
  emitScaledErf(v, y!, x, t, 1, 1);
  v.a.vmovaps(x, y!);
}

/** `y = amplitude erf(scale x)`, errors scaled alike. */
export function emitScaledErf(
  v: Vectors,
  y: Vector,
  x: Vector,
  [size, index, t]: readonly Vector[],
  amplitude: number,
  scale: number,
): void {
  const { a } = v;
  const end = LIMIT / scale;
  const width = Math.fround(end / (v.lanes - 1));
  a.vandps(size!, x, ...v.bits(~SIGN >>> 0));
  // Not the limit but NaN where a number is none.
  v.fill(t!, end);
  a.vminps(size!, t!, size!);
  v.fill(index!, MAGIC);
  a.vfmadd231ps(index!, size!, ...v.splat(1 / width));
  a.vsubps(t!, index!, ...v.splat(MAGIC));
  a.vfnmadd231ps(size!, t!, ...v.splat(width));
  const degree = v.isWide ? DEGREE.wide : DEGREE.narrow;
  const pieces = Array.from({ length: v.lanes }, (_, i) => piece(i * width, width / 2, degree, amplitude, scale));
  for (let power = degree; power >= 0; power--) {
    const coefficients = a.constant(Float32Array.from(pieces, (piece) => piece[power]!));
    a.vpermps(power === degree ? y : t!, index!, coefficients);
    if (power < degree) a.vfmadd213ps(y, size!, t!);
  }
  if (v.isWide) {
    const [address, disp, options] = v.bits(SIGN);
    a.vpternlogd(y, x, address, disp, OR_AND, options);
  } else {
    a.vandps(t!, x, ...v.bits(SIGN));
    a.vorps(y, y, t!);
  }
}

/** Coefficients of a polynomial for `amplitude erf(scale x)` where x is at most `radius` from `middle`. */
function piece(middle: number, radius: number, degree: number, amplitude: number, scale: number): number[] {
  const unit = scale * radius;
  const terms = taylor(scale * middle).map((term, i) => amplitude * term * unit ** i);
  const chebyshev = [[1], [0, 1]];
  for (let n = 2; n < TERMS; n++)
    chebyshev.push(
      Array.from({ length: n + 1 }, (_, i) => 2 * (chebyshev[n - 1]![i - 1] ?? 0) - (chebyshev[n - 2]![i] ?? 0)),
    );
  for (let n = TERMS - 1; n > degree; n--) {
    const share = terms[n]! / chebyshev[n]![n]!;
    for (let i = 0; i < n; i++) terms[i]! -= share * chebyshev[n]![i]!;
  }
  return terms.slice(0, degree + 1).map((term, i) => term / radius ** i);
}

/** The Taylor series of erf at `c`: its derivative y = 2 / sqrt(pi) e^(-x^2) has y' = -2 x y. */
function taylor(c: number): number[] {
  const derivative = [(2 / Math.sqrt(Math.PI)) * Math.exp(-c * c)];
  for (let i = 1; i < TERMS; i++) derivative.push((-2 * (c * derivative[i - 1]! + (derivative[i - 2] ?? 0))) / i);
  return [erf(c), ...derivative.slice(0, TERMS - 1).map((term, i) => term / (i + 1))];
}

/** Of a number from 0 to {@link LIMIT}: its series, all of whose terms are positive (Abramowitz and Stegun, 7.1.6). */
function erf(x: number): number {
  let [sum, term] = [0, (2 / Math.sqrt(Math.PI)) * x * Math.exp(-x * x)];
  for (let n = 1; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return sum;
}
