/** Between the element types that are stored and those that JavaScript computes with. */

import {
  type DType,
  float16Values,
  type Phase,
  readNibble,
  type TypedArray,
  toBFloat16,
  toFloat16,
  writeNibble,
} from '@espalier/core';

/** A phase that unpacks `size` elements of float16, bfloat16, int4 or uint4. */
export function widen(dtype: DType, from: TypedArray, to: TypedArray, size: number): Phase {
  if (dtype === 'float16') {
    const values = float16Values();
    return {
      units: size,
      run: (a, b) => {
        for (let i = a; i < b; i++) to[i] = values[from[i] as number]!;
      },
    };
  }
  if (dtype === 'bfloat16') {
    const bits = new Uint32Array(to.buffer);
    return {
      units: size,
      run: (a, b) => {
        for (let i = a; i < b; i++) bits[i] = (from[i] as number) << 16;
      },
    };
  }
  const signed = dtype === 'int4';
  return {
    units: size,
    run: (a, b) => {
      for (let i = a; i < b; i++) to[i] = readNibble(from as Uint8Array, i, signed);
    },
  };
}

/** A phase that packs them again, rounding to nearest even. */
export function narrow(dtype: DType, from: TypedArray, to: TypedArray, size: number): Phase {
  if (dtype === 'float16')
    return {
      units: size,
      run: (a, b) => {
        for (let i = a; i < b; i++) to[i] = toFloat16(from[i] as number);
      },
    };
  if (dtype === 'bfloat16')
    return {
      units: size,
      run: (a, b) => {
        for (let i = a; i < b; i++) to[i] = toBFloat16(from[i] as number);
      },
    };
  return {
    units: size,
    sequential: true,
    run: (a, b) => {
      for (let i = a; i < b; i++) writeNibble(to as Uint8Array, i, from[i] as number);
    },
  };
}
