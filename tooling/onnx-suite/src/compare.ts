/** Says how a result differs from what ONNX expects. */

import {
  type DType,
  dtypes,
  fromBFloat16,
  fromFloat16,
  isSequence,
  readNibble,
  type Tensor,
  type Value,
} from '@espalier/core';

interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** As ONNX's own runner has it. */
const usual: Tolerance = { relative: 1e-3, absolute: 1e-7 };

/**
 * Half types hold 11 and 8 bits: one rounding is already 5e-4 and 4e-3. The expected values were rounded after every step of
 * numpy, ours are computed in float32 and rounded once, so that several roundings lie between them.
 */
const halves: Partial<Record<DType, Tolerance>> = {
  float16: { relative: 5e-3, absolute: 1e-3 },
  bfloat16: { relative: 3e-2, absolute: 1e-2 },
};

/**
 * What is wrong with `actual`, undefined where nothing is.
 * @param absolute at least this far from the expected value a float may be; infinite to compare only dtype and shape
 */
export function difference(actual: Value, expected: Value, absolute = 0): string | undefined {
  const [kind, wanted] = [describe(actual), describe(expected)];
  if (kind !== wanted) return `is ${kind}, not ${wanted}`;
  const all = tensorsIn(expected);
  for (const [i, tensor] of tensorsIn(actual).entries()) {
    const found = tensorDifference(tensor, all[i]!, absolute);
    if (found !== undefined) return isSequence(actual) ? `at ${i} ${found}` : found;
  }
  return undefined;
}

function describe(value: Value): string {
  return value === null ? 'empty' : isSequence(value) ? `a sequence of ${value.length}` : 'a tensor';
}

function tensorsIn(value: Value): readonly Tensor[] {
  if (value === null) return [];
  return isSequence(value) ? value : [value];
}

function tensorDifference(actual: Tensor, expected: Tensor, absolute: number): string | undefined {
  if (actual.type !== expected.type) return `is ${actual.type}, not ${expected.type}`;
  if (String(actual.dims) !== String(expected.dims)) return `has shape [${actual.dims}], not [${expected.dims}]`;
  if (absolute === Number.POSITIVE_INFINITY) return undefined;
  const [a, b] = [elements(actual), elements(expected)];
  const { kind } = dtypes[actual.type];
  const base = halves[actual.type] ?? usual;
  const tolerance = kind === 'float' ? { ...base, absolute: Math.max(base.absolute, absolute) } : undefined;
  const at = a.findIndex((x, i) => !isClose(x, b[i]!, tolerance));
  if (at < 0) return undefined;
  const wrong = a.filter((x, i) => !isClose(x, b[i]!, tolerance)).length;
  return `is ${a[at]} at element ${at}, not ${b[at]} (${wrong} of ${a.length} differ)`;
}

type Element = number | bigint | string;

function isClose(a: Element, b: Element, tolerance: Tolerance | undefined): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (!tolerance || typeof a !== 'number' || typeof b !== 'number') return false;
  return Number.isFinite(a) && Math.abs(a - b) <= tolerance.absolute + tolerance.relative * Math.abs(b);
}

function elements(tensor: Tensor): Element[] {
  const { data, type, size } = tensor;
  const raw = data as ArrayLike<number>;
  if (type === 'float16') return Array.from(raw, fromFloat16);
  if (type === 'bfloat16') return Array.from(raw, fromBFloat16);
  if (dtypes[type].bits === 4)
    return Array.from({ length: size }, (_, i) => readNibble(data as Uint8Array, i, type === 'int4'));
  return Array.from(data as ArrayLike<Element>);
}
