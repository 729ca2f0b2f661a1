/** Vector instructions with three operands: ModRM.reg, vvvv, ModRM.rm. */
import { isAddress } from '../address.ts';
import { XMM } from '../classes.ts';
import { emitMem, emitReg } from '../encode/choose.ts';
import { append, immediate } from '../encode/immediate.ts';
import { holds, type Kinds, V } from './kinds.ts';
import type { Row } from './row.ts';
import type { LoadInto, Rvm, Rvmi } from './signatures.ts';
import { type Columns, type Spec, vectorRow } from './vector.ts';

/** `dst, a, b` or `dst, a, [b + disp]`. */
export function rvm<D, A, B>(kinds: Kinds<[D, A, B]>, ...columns: Columns): Row<Rvm<D, A, B>> {
  return rvmRow({ kinds, rm: 2, columns });
}

/** `dst, a, [b + disp]` alone. */
export function rvLoad<D, A>([dk, ak]: Kinds<[D, A]>, ...columns: Columns): Row<LoadInto<D, A>> {
  return rvmRow({ kinds: [dk, ak, 0], rm: 2, columns, memoryOnly: true });
}

function rvmRow<M>(spec: Spec): Row<M> {
  const [dk, ak, bk] = spec.kinds;
  const leads = dk === V;
  return vectorRow(spec, (e, fail) => {
    return function (dst, a, b, x = 0, y = 0) {
      const length = ((leads ? dst : a) >> 8) - XMM;
      if (!holds(dk, length, dst) || !holds(ak, length, a)) throw fail(dst, a, b, x, y);
      if (isAddress(b)) emitMem(this, e, length, dst & 31, a & 31, b, x, y, 0);
      else if (holds(bk, length, b)) emitReg(this, e, length, dst & 31, a & 31, b & 31, x);
      else throw fail(dst, a, b, x, y);
    };
  });
}

/** `dst, a, b, imm8` or `dst, a, [b + disp], imm8`. */
export function rvmi<D, A, B>(kinds: Kinds<[D, A, B]>, ...columns: Columns): Row<Rvmi<D, A, B>> {
  const [dk, ak, bk] = kinds;
  const leads = dk === V;
  return vectorRow({ kinds, rm: 2, columns, immediate: true }, (e, fail) => {
    return function (dst, a, b, x, y = 0, z = 0) {
      const length = ((leads ? dst : a) >> 8) - XMM;
      if (!holds(dk, length, dst) || !holds(ak, length, a)) throw fail(dst, a, b, x, y);
      const memory = isAddress(b);
      const imm = immediate(e.name, memory ? y : x, 1);
      if (memory) emitMem(this, e, length, dst & 31, a & 31, b, x, z, 1);
      else if (holds(bk, length, b)) emitReg(this, e, length, dst & 31, a & 31, b & 31, y);
      else throw fail(dst, a, b, x, y);
      append(this, imm, 1);
    };
  });
}
