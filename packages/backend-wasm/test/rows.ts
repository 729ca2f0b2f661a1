/** The conformance suite over this backend's rows, in families of ops, for engines with relaxed SIMD and without. */

import { setFlagsFromString } from 'node:v8';
import { testBackend } from '@espalier/conformance';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';

// Node 20 has it behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');

/** Ops by family, each of which has a test file of its own; all others are `elements`. Sparse products of bytes are a family too. */
const families = {
  products: /^(MatMul|DequantizeMatMul|Attention)$/,
  bytes: /^(QuantizedMatMul|MatMulInteger)$/,
  conv: /^(Conv|MaxPool|AveragePool)$/,
  recurrent: /^(RNN|GRU|LSTM)$/,
  reduce: /^(Reduce|Global)/,
  quantize: /QuantizeLinear$|^DequantizeLinear$/,
  movement:
    /^(Identity|Reshape|Flatten|Squeeze|Unsqueeze|Transpose|Concat|Split|Slice|Expand|Tile|Pad|Gather.*|Scatter.*|DepthToSpace|SpaceToDepth|Range|Shape|Size|Dims|ConstantOfShape)$/,
  rows: /^(.*Softmax|.*LayerNormalization)$/,
  arithmetic: /^(Add|Sub|Mul|Div|Neg|Abs|Max|Min|Sum|Equal|Less.*|Greater.*|And|Or|Xor|Not|Where|Cast)$/,
} as const;

/** Rows whose code is the same for both. */
const isSame =
  /__wasm$|^(add|sub|mul|neg|max|min|equal|less|lessorequal|greater|greaterorequal|and|or|xor|not|where|cast)_(s|b|any)/;

type Family = keyof typeof families | 'elements' | 'sparseBytes';

function isIn(family: Family, { op, name }: { readonly op: string; readonly name: string }): boolean {
  if (/_i8_(csr|bsr)/.test(name)) return family === 'sparseBytes';
  if (family === 'sparseBytes') return false;
  return family === 'elements' ? !Object.values(families).some((ops) => ops.test(op)) : families[family].test(op);
}

/** Tests a family's rows: without relaxed SIMD on two threads, with it on one. @param runs calls per test */
export async function testFamily(family: Family, runs: number): Promise<void> {
  for (const [isa, threads, mask] of [
    ['simd', 2, ['relaxed-simd', 'relaxed-dot']],
    ['relaxed', 1, []],
  ] as const) {
    const all = (await createWasmBackend({ threads, mask })) as WasmBackend;
    const own = all.kernels.filter((row) => isIn(family, row) && (isa === 'simd' || !isSame.test(row.name)));
    describe(isa, () => {
      it('is what the rows are for, and the threads that were asked for are there', () => {
        const isas = new Set(own.map(({ name }) => name.split('__')[1]));
        isas.delete('wasm');
        expect([...isas]).toEqual(family === 'movement' ? [] : [isa]);
        expect(all.features.has('relaxed-simd')).toBe(isa === 'relaxed');
        expect(all.limits.threads).toBe(threads);
        expect(all.hint).toBeUndefined();
      });
      if (own.length > 0) testBackend({ ...all, kernels: own }, { it, describe, runs });
    });
  }
}
