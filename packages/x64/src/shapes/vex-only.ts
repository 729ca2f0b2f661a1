/** Shapes that only VEX has: masks in vector registers, and no operands at all. */
import { isAddress } from '../address.ts';
import { XMM } from '../classes.ts';
import { emitMem, emitReg } from '../encode/choose.ts';
import { append } from '../encode/immediate.ts';
import { holds, V } from './kinds.ts';
import { either, type Row, row } from './row.ts';
import type { Blend, Either, MaskLoad, MaskStore } from './signatures.ts';
import { type Columns, vectorRow } from './vector.ts';

/** `dst, mask, [src + disp]`; `[dst + disp], mask, src` with the opcode `storing`. */
export function maskMove(storing: number, ...[pp, map, opcode, ...rest]: Columns): Row<Either<MaskLoad, MaskStore>> {
  const kinds = [V, V, V];
  const loads = vectorRow<MaskLoad>(
    { kinds, rm: 2, columns: [pp, map, opcode, ...rest], memoryOnly: true },
    (e, fail) => {
      return function (dst, mask, src, disp = 0) {
        const length = (dst >> 8) - XMM;
        if (!holds(V, length, dst) || !holds(V, length, mask) || !isAddress(src)) throw fail(dst, mask, src, disp);
        emitMem(this, e, length, dst & 31, mask & 31, src, disp, 0, 0);
      };
    },
  );
  const stores = vectorRow<MaskStore>(
    { kinds, rm: 0, columns: [pp, map, storing, ...rest], memoryOnly: true },
    (e, fail) => {
      return function (dst, disp, mask, src) {
        const length = (src >> 8) - XMM;
        if (!holds(V, length, src) || !holds(V, length, mask)) throw fail(dst, disp, mask, src);
        emitMem(this, e, length, src & 31, mask & 31, dst, disp, 0, 0);
      };
    },
  );
  return either((dst) => isAddress(dst), loads, stores);
}

/** `dst, a, b, mask` or `dst, a, [b + disp], mask`. */
export function blend(...columns: Columns): Row<Blend> {
  return vectorRow({ kinds: [V, V, V, V], rm: 2, columns }, (e, fail) => {
    return function (dst, a, b, x, y = 0) {
      const length = (dst >> 8) - XMM;
      const memory = isAddress(b);
      const mask = memory ? y : x;
      const fits = holds(V, length, dst) && holds(V, length, a) && holds(V, length, mask);
      if (!fits || (mask & 16) !== 0) throw fail(dst, a, b, x, y);
      if (memory) emitMem(this, e, length, dst & 31, a & 31, b, x, 0, 1);
      else if (holds(V, length, b)) emitReg(this, e, length, dst & 31, a & 31, b & 31, 0);
      else throw fail(dst, a, b, x, y);
      append(this, (mask & 15) << 4, 1);
    };
  });
}

/** An instruction without operands that is a VEX prefix and an opcode. */
export function bare(length: number, opcode: number, features: number): Row<() => void> {
  return row<() => void>(
    () =>
      function () {
        this.data([0xc5, 0xf8 | (length << 2), opcode]);
        this.used |= features;
      },
    () => [{ operands: [] }],
  );
}
