/** The assembler: a program being written, with one method per instruction. */
import { Code } from './code.ts';
import { addMethods, type Methods } from './shapes/row.ts';
import { control } from './tables/control.ts';
import { convert } from './tables/convert.ts';
import { dotProduct } from './tables/dot-product.ts';
import { float } from './tables/float.ts';
import { fma } from './tables/fma.ts';
import { half } from './tables/half.ts';
import { integer } from './tables/integer.ts';
import { masks } from './tables/masks.ts';
import { moves } from './tables/move.ts';
import { packedInteger } from './tables/packed-integer.ts';
import { shuffle } from './tables/shuffle.ts';
import { tiles } from './tables/tiles.ts';

/**
 * An assembler with the methods of tables more. In prototypes of their own, as V8 keeps objects of more than 1020 properties as hash
 * tables, where a method call takes twice as long.
 */
class Scalar extends Code {}
addMethods(Scalar, integer, control, masks, tiles);

class Vectors extends Scalar {}
addMethods(Vectors, moves, float, fma, convert, half);

class Complete extends Vectors {}
addMethods(Complete, packedInteger, shuffle, dotProduct);

/** All tables, by name: what the tests walk through. */
// biome-ignore format: a list
export const tables = {
  integer, control, masks, tiles, moves, float, fma, convert, half, packedInteger, shuffle, dotProduct,
};

type Scalars = Methods<typeof integer> & Methods<typeof control> & Methods<typeof masks> & Methods<typeof tiles>;
type Floats = Methods<typeof moves> &
  Methods<typeof float> &
  Methods<typeof fma> &
  Methods<typeof convert> &
  Methods<typeof half>;
type Integers = Methods<typeof packedInteger> & Methods<typeof shuffle> & Methods<typeof dotProduct>;

/**
 * Assembles x86-64 machine code: each method appends one instruction, operands in Intel's order.
 *
 * ```ts
 * const a = new Assembler();
 * const loop = a.here();
 * a.vmovups(zmm1, at(rsi, rcx, 4));
 * a.vfmadd231ps(zmm0, zmm1, at(rdx), 64, BROADCAST);
 * a.subi(rcx, 16);
 * a.jnz(loop);
 * a.ret();
 * const bytes = a.finish();
 * ```
 *
 * Mnemonics are Intel's, with two additions. Where one exists with and without an immediate operand, that with the immediate
 * ends in `i` (`addi`, `vpslldi`), as a number alone could be a register. Where two encodings differ in what they need of the
 * processor and GNU as needs a prefix to tell them apart, the older ends in `_vex`.
 *
 * @throws AssemblerError from every method whose operands cannot be encoded; nothing is emitted then
 */
export type Assembler = Code & Scalars & Floats & Integers;

/** @param capacity bytes of memory to begin with; it grows as needed and is kept by `reset()` */
export const Assembler = Complete as unknown as new (capacity?: number) => Assembler;
