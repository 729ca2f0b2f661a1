/** Numbers as text and back, as Cast has them. */

import { type DType, dtypes, EspalierError, fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from '@espalier/core';
import { isBig } from './elementwise.ts';

/** Rounds to a dtype, by name. */
const rounding: Partial<Record<DType, (x: number) => number>> = {
  float32: Math.fround,
  float16: (x) => fromFloat16(toFloat16(x)),
  bfloat16: (x) => fromBFloat16(toBFloat16(x)),
};

/** The shortest decimal that reads back as the same value of the dtype; `INF`, `-INF` and `NaN` as ONNX spells them. */
export function toText(dtype: DType): (x: number | bigint | string) => string {
  const round = rounding[dtype];
  return (x) => {
    if (Number.isNaN(x)) return 'NaN';
    if (x === Number.POSITIVE_INFINITY) return 'INF';
    if (x === Number.NEGATIVE_INFINITY) return '-INF';
    if (Object.is(x, -0)) return '-0';
    if (typeof x !== 'number' || !round) return `${x}`;
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(x.toPrecision(digits));
      if (round(short) === x) return `${short}`;
    }
    return `${Number(x.toPrecision(9))}`;
  };
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const integer = /^[+-]?\d{1,40}$/;
const special = /^([+-]?)(inf(?:inity)?|nan)$/i;

/**
 * Reads elements of a dtype, as they are stored: raw bits of half types, bigints for 64-bit integers.
 * @throws EspalierError `BAD_INPUT` from the function for what is no number, or does not fit
 */
export function fromText(dtype: DType, node: string): (text: string) => number | bigint | string {
  const { kind, bits } = dtypes[dtype];
  const fail = (text: string, why: string): never => {
    const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
    throw new EspalierError('BAD_INPUT', `${node}: "${shown}" ${why}`, { node });
  };
  const toNumber = (text: string): number => {
    if (decimal.test(text)) return Number(text);
    const [, sign, word] = special.exec(text) ?? fail(text, 'is not a number');
    if (word!.toLowerCase() === 'nan') return Number.NaN;
    return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  };
  if (dtype === 'string') return (text) => text;
  if (dtype === 'bool') return (text) => (toNumber(text.trim()) === 0 ? 0 : 1);
  if (dtype === 'float16') return (text) => toFloat16(toNumber(text.trim()));
  if (dtype === 'bfloat16') return (text) => toBFloat16(toNumber(text.trim()));
  if (kind === 'float') return (text) => toNumber(text.trim());
  const wrap = kind === 'int' ? BigInt.asIntN : BigInt.asUintN;
  return (text) => {
    const trimmed = text.trim();
    const number = integer.test(trimmed) ? 0 : Math.trunc(toNumber(trimmed));
    if (!Number.isFinite(number)) fail(text, `does not fit ${dtype}`);
    const value = integer.test(trimmed) ? BigInt(trimmed) : BigInt(number);
    if (wrap(bits, value) !== value) fail(text, `does not fit ${dtype}`);
    return isBig(dtype) ? value : Number(value);
  };
}
