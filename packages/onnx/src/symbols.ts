/** Dimensions of a file as Espalier's: numbers, symbols, and expressions where their symbols are known. */

import { type Dim, dim, EspalierError } from '@espalier/core';
import { Names } from './names.ts';
import type { DimensionProto, TensorShapeProto, ValueInfoProto } from './proto.ts';
import { shapeOf } from './tensors.ts';

/** Symbols that start with an underscore are those of shape inference. */
const isPlain = (text: string): boolean => dim.isSymbol(text) && !text.startsWith('_');

export class Symbols {
  private readonly names = new Names();
  /** Symbols that are the whole size of some axis, so that running the model tells their values. */
  private readonly plain = new Set<string>();
  private readonly byText = new Map<string, string>();

  constructor(inputs: readonly ValueInfoProto[]) {
    for (const input of inputs) {
      for (const { dimParam } of input.type?.tensorType?.shape?.dim ?? []) {
        if (dimParam === undefined || !isPlain(dimParam)) continue;
        this.plain.add(dimParam);
        this.names.add(dimParam);
      }
    }
  }

  /** @throws EspalierError `BAD_FILE` for sizes that no tensor can have */
  shape(proto: TensorShapeProto, value: string): Dim[] {
    const numbers = shapeOf(proto.dim.map(({ dimValue }) => dimValue ?? 0n));
    return proto.dim.map((each, axis) => this.dim(each, numbers[axis]!, `${value}_${axis}`));
  }

  private dim({ dimValue, dimParam }: DimensionProto, number: number, fallback: string): Dim {
    if (!dimParam) return dimValue === undefined ? this.fresh(fallback) : number;
    if (isPlain(dimParam)) return dimParam;
    const expression = this.expression(dimParam);
    if (expression !== undefined) return expression;
    let symbol = this.byText.get(dimParam);
    if (symbol === undefined) {
      symbol = this.fresh(dimParam);
      this.byText.set(dimParam, symbol);
    }
    return symbol;
  }

  private expression(text: string): Dim | undefined {
    try {
      const parsed = dim.parse(text);
      const known = dim.symbols(parsed).every((symbol) => this.plain.has(symbol));
      return typeof parsed === 'string' && known ? parsed : undefined;
    } catch (error) {
      // Any text may name a dimension; one that is no expression of ours names a symbol.
      if (error instanceof EspalierError) return undefined;
      throw error;
    }
  }

  private fresh(text: string): string {
    const safe = text.slice(0, 64).replace(/[^A-Za-z0-9_.]/g, '_');
    return this.names.unique(/^[A-Za-z]/.test(safe) ? safe : `d${safe}`);
  }
}
