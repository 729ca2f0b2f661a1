/** Moves that load and store, and choose between two opcodes where both mean the same. */
import { isAddress } from '../address.ts';
import { ZMM } from '../classes.ts';
// biome-ignore format: names
import {
  B64, type Evex, evex, F3, M1, NOMASK, NONE, P66, type Vex, vex, vexRegisters, W0, W1, X,
} from '../encode/vector.ts';
import { AVX, F } from '../features.ts';
import type { Options } from '../options.ts';
import type { Gpr, Vector } from '../registers.ts';
import { isGpr, toOrFrom } from './alternatives.ts';
import { R64, V } from './kinds.ts';
import { mr, store } from './mr.ts';
import { load, rm } from './rm.ts';
import { type Emit, either, type Form, type Row, row } from './row.ts';
import { rvLoad, rvm } from './rvm.ts';
import type { Either, LoadInto, Move, MoveScalar, Mr, Rm, Rr, Store, Takes } from './signatures.ts';
import type { Columns } from './vector.ts';

/** With VEX, storing a high register into a low one is a byte shorter than loading it; GNU as does so too. */
const shorterAsStore = (dst: number, src: number, options: number): boolean =>
  !options && (src & 24) === 8 && (dst & 24) === 0 && dst >> 8 === src >> 8 && dst >> 8 !== ZMM;

const storesToMemory = ({ operands }: Form): boolean => operands[0].startsWith('m');

/** A load and a store that share a mnemonic and, between registers, a meaning. */
function loadOrStore(loads: Row<Rm<Vector, Vector>>, stores: Row<Mr<Vector, Vector>>, swaps: boolean): Row<Move> {
  const asStore = (dst: number, src: number, options: number): boolean =>
    isAddress(dst) || (swaps && shorterAsStore(dst, src, options));
  const forms = (): Form[] => [...loads.forms(), ...stores.forms().filter(storesToMemory)];
  return { ...either(asStore, loads, stores), forms };
}

/** `dst, src`; `dst, [src + disp]`; `[dst + disp], src` with the opcode `storing`. */
export function move(storing: number, ...[pp, map, opcode, tuple, ...encodings]: Columns): Row<Move> {
  const loads = rm([V, V], pp, map, opcode, tuple, ...encodings);
  const stores = mr([V, V], pp, map, storing, tuple, ...encodings);
  return loadOrStore(
    loads,
    stores,
    encodings.some((e) => e.vex),
  );
}

/** `dst, a, b`; `dst, [src + disp]`; `[dst + disp], src` with the opcode `storing`. */
export function moveScalar(storing: number, ...[pp, map, opcode, tuple, ...encodings]: Columns): Row<MoveScalar> {
  const plain = rvm([V, V, V], pp, map, opcode, NONE, ...encodings);
  const swapped = rvm([V, V, V], pp, map, storing, NONE, ...encodings);
  const swaps = encodings.some((e) => e.vex);
  const registers = row<Takes<[dst: Vector, a: Vector, b: Vector, options?: Options]>>((name) => {
    const emit = plain.build(name) as Emit;
    const emitSwapped = swapped.build(name) as Emit;
    return function (dst, a, b, options) {
      const swap = swaps && (a & 16) === 0 && shorterAsStore(dst, b, options);
      if (swap) emitSwapped.call(this, b, a, dst, options);
      else emit.call(this, dst, a, b, options);
    };
  }, plain.forms);
  const loads = load(V, pp, map, opcode, tuple, ...encodings);
  const stores = store(V, pp, map, storing, tuple, ...encodings);
  return either(
    (dst, a) => isAddress(dst) || isAddress(a),
    registers,
    either((dst) => isAddress(dst), loads, stores),
  );
}

/** `dst, a, [b + disp]`; `[dst + disp], src` with the next opcode: half a register. */
export function halfMove(
  pp: number,
  opcode: number,
  ...encodings: (Vex | Evex)[]
): Row<Either<LoadInto<Vector, Vector>, Store<Vector>>> {
  const loads = rvLoad([V, V], pp, M1, opcode, B64, ...encodings);
  return either((dst) => isAddress(dst), loads, store(V, pp, M1, opcode + 1, B64, ...encodings));
}

/**
 * vmovq: between vector registers and memory with opcodes of its own, from and to general registers with those of vmovd,
 * which GNU as takes for memory too where EVEX is needed.
 */
export function vmovq(): Row<Either<Move, Either<Rr<Vector, Gpr>, Rr<Gpr, Vector>>>> {
  const narrow = [vex(W0, X, AVX), evex(W1, X, F, NOMASK)] as const;
  const wide = [vexRegisters(W1, X, AVX), evex(W1, X, F, NOMASK)] as const;
  const vectors = loadOrStore(
    rm([V, V], F3, M1, 0x7e, B64, ...narrow),
    mr([V, V], P66, M1, 0xd6, B64, ...narrow),
    true,
  );
  const general = toOrFrom(rm([V, R64], P66, M1, 0x6e, B64, ...wide), mr([R64, V], P66, M1, 0x7e, B64, ...wide));
  const asGeneral = (dst: number, x: number, y: number): boolean =>
    isGpr(dst) || isGpr(x) || (isAddress(dst) && (y & 16) !== 0) || (isAddress(x) && (dst & 16) !== 0);
  const forms = (): Form[] => [
    ...vectors.forms(),
    ...general.forms().filter(({ operands }) => operands.includes('r64')),
  ];
  return { ...either(asGeneral, vectors, general), forms };
}
