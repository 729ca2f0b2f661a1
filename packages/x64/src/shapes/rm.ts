/** Vector instructions with a destination and one source, which may be memory. */
import { isAddress, sizeOf } from '../address.ts';
import { XMM } from '../classes.ts';
import { emitMem, emitReg } from '../encode/choose.ts';
import { append, immediate } from '../encode/immediate.ts';
import { AssemblerError } from '../errors.ts';
import { holds, type Kind, type Kinds, V } from './kinds.ts';
import type { Row } from './row.ts';
import type { Load, Rm, Rmi } from './signatures.ts';
import { type Columns, type Spec, vectorRow } from './vector.ts';

/** `dst, src` or `dst, [src + disp]`. */
export function rm<D, S>(kinds: Kinds<[D, S]>, ...columns: Columns): Row<Rm<D, S>> {
  return rmRow({ kinds, rm: 1, columns });
}

/** `dst, [src + disp]` alone. */
export function load<D>(kind: Kind<D>, ...columns: Columns): Row<Load<D>> {
  return rmRow({ kinds: [kind, 0], rm: 1, columns, memoryOnly: true });
}

function rmRow<M>(spec: Spec): Row<M> {
  const [dk, sk] = spec.kinds;
  return vectorRow(spec, (e, fail, only) => {
    return function (dst, src, x = 0, y = 0) {
      const length = only >= 0 ? only : pairLength(e.name, dk, dst, src);
      if (!holds(dk, length, dst)) throw fail(dst, src, x, y);
      if (isAddress(src)) emitMem(this, e, length, dst & 31, 0, src, x, y, 0);
      else if (holds(sk, length, src)) emitReg(this, e, length, dst & 31, 0, src & 31, x);
      else throw fail(dst, src, x, y);
    };
  });
}

/** `dst, src, imm8` or `dst, [src + disp], imm8`. */
export function rmi<D, S>(kinds: Kinds<[D, S]>, ...columns: Columns): Row<Rmi<D, S>> {
  const [dk, sk] = kinds;
  return vectorRow({ kinds, rm: 1, columns, immediate: true }, (e, fail, only) => {
    return function (dst, src, x, y = 0, z = 0) {
      const length = only >= 0 ? only : pairLength(e.name, dk, dst, src);
      if (!holds(dk, length, dst)) throw fail(dst, src, x, y);
      const memory = isAddress(src);
      const imm = immediate(e.name, memory ? y : x, 1);
      if (memory) emitMem(this, e, length, dst & 31, 0, src, x, z, 1);
      else if (holds(sk, length, src)) emitReg(this, e, length, dst & 31, 0, src & 31, y);
      else throw fail(dst, src, x, y);
      append(this, imm, 1);
    };
  });
}

/** The same with the destination in vvvv and an extension of the opcode in ModRM.reg. */
export function vmi<D, S>(kinds: Kinds<[D, S]>, extension: number, ...columns: Columns): Row<Rmi<D, S>> {
  const [dk, sk] = kinds;
  return vectorRow({ kinds, rm: 1, columns, immediate: true }, (e, fail) => {
    return function (dst, src, x, y = 0, z = 0) {
      const length = (dst >> 8) - XMM;
      if (!holds(dk, length, dst)) throw fail(dst, src, x, y);
      const memory = isAddress(src);
      const imm = immediate(e.name, memory ? y : x, 1);
      if (memory) emitMem(this, e, length, extension, dst & 31, src, x, z, 1);
      else if (holds(sk, length, src)) emitReg(this, e, length, extension, dst & 31, src & 31, y);
      else throw fail(dst, src, x, y);
      append(this, imm, 1);
    };
  });
}

/** The length that the destination says, where its kind is `V`, else the source: its register, or the size of its address. */
function pairLength(name: string, dstKind: number, dst: number, src: number): number {
  if (dstKind === V) return (dst >> 8) - XMM;
  if (!isAddress(src)) return (src >> 8) - XMM;
  const length = sizeOf(src) - 4;
  if (length >= 0) return length;
  throw new AssemblerError('BAD_ADDRESS', `${name}: say how much is read: xmmword(...), ymmword(...) or zmmword(...)`);
}
