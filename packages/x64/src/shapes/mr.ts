/** Vector instructions whose destination may be memory. */
import { isAddress } from '../address.ts';
import { XMM } from '../classes.ts';
import { emitMem, emitReg } from '../encode/choose.ts';
import { append, immediate } from '../encode/immediate.ts';
import { holds, type Kind, type Kinds } from './kinds.ts';
import type { Row } from './row.ts';
import type { Mr, Mri, Store } from './signatures.ts';
import { type Columns, type Spec, vectorRow } from './vector.ts';

/** `dst, src` or `[dst + disp], src`. */
export function mr<D, S>(kinds: Kinds<[D, S]>, ...columns: Columns): Row<Mr<D, S>> {
  return mrRow({ kinds, rm: 0, columns, stores: true });
}

/** `[dst + disp], src` alone. */
export function store<S>(kind: Kind<S>, ...columns: Columns): Row<Store<S>> {
  return mrRow({ kinds: [0, kind], rm: 0, columns, stores: true, memoryOnly: true });
}

function mrRow<M>(spec: Spec): Row<M> {
  const [dk, sk] = spec.kinds;
  return vectorRow(spec, (e, fail, only) => {
    return function (dst, x, y = 0, z = 0) {
      const memory = isAddress(dst);
      const src = memory ? y : x;
      const length = only >= 0 ? only : (src >> 8) - XMM;
      if (!holds(sk, length, src)) throw fail(dst, x, y, z);
      if (memory) emitMem(this, e, length, src & 31, 0, dst, x, z, 0);
      else if (holds(dk, length, dst)) emitReg(this, e, length, src & 31, 0, dst & 31, y);
      else throw fail(dst, x, y, z);
    };
  });
}

/** `dst, src, imm8` or `[dst + disp], src, imm8`. */
export function mri<D, S>(kinds: Kinds<[D, S]>, ...columns: Columns): Row<Mri<D, S>> {
  const [dk, sk] = kinds;
  return vectorRow({ kinds, rm: 0, columns, stores: true, immediate: true }, (e, fail, only) => {
    return function (dst, x, y, z = 0, options = 0) {
      const memory = isAddress(dst);
      const src = memory ? y : x;
      const length = only >= 0 ? only : (src >> 8) - XMM;
      if (!holds(sk, length, src)) throw fail(dst, x, y, z);
      const imm = immediate(e.name, memory ? z : y, 1);
      if (memory) emitMem(this, e, length, src & 31, 0, dst, x, options, 1);
      else if (holds(dk, length, dst)) emitReg(this, e, length, src & 31, 0, dst & 31, z);
      else throw fail(dst, x, y, z);
      append(this, imm, 1);
    };
  });
}
