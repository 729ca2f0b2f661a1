/**
 * Constants lent to a kernel while it prepares. What a program's closures keep of them afterwards must not hold the bytes: they are views
 * of the model's file, all of which would stay in memory beside what was packed. Only what is small may be read later.
 */

import { type Constant, type Constants, type Structure, Tensor } from '@espalier/core';

class Loan implements Constant {
  readonly tensor: Tensor;
  private owner: Constant | undefined;

  constructor(owner: Constant) {
    this.owner = owner;
    const { type, dims } = owner.tensor;
    this.tensor = type === 'string' ? owner.tensor : Tensor.fromBytes(type, owner.tensor.bytes, dims);
  }

  get structure(): Structure {
    if (!this.owner) throw new TypeError('a program asks for the structure of a constant after it was prepared');
    return this.owner.structure;
  }

  end(): void {
    if (this.tensor.type === 'string' || this.tensor.bytes.length <= SMALL_BYTES) return;
    this.owner = undefined;
    this.tensor.release();
  }
}

/** Lists of axes and the like, which importers give bytes of their own. */
const SMALL_BYTES = 4096;

/** Runs `prepare` with constants of its own, and takes back all but the small ones. */
export async function lend<P>(constants: Constants, prepare: (lent: Constants) => P | Promise<P>): Promise<P> {
  const loans = constants.map((constant) => constant && new Loan(constant));
  const program = await prepare(loans);
  for (const loan of loans) loan?.end();
  return program;
}
