/** The one error this package throws. */

/**
 * Stable codes; programs may branch on them, messages may change.
 *
 * - `BAD_OPERAND`: the operands fit no form of the instruction, or a register number does not exist
 * - `BAD_ADDRESS`: a memory operand that x86-64 cannot express, or whose size had to be said
 * - `BAD_OPTION`: a mask, broadcast or rounding that this form does not take
 * - `OUT_OF_RANGE`: an immediate, displacement, alignment or short jump that does not fit
 * - `BAD_LABEL`: a label bound twice, never bound, or not of this assembler
 */
export type AssemblerErrorCode = 'BAD_OPERAND' | 'BAD_ADDRESS' | 'BAD_OPTION' | 'OUT_OF_RANGE' | 'BAD_LABEL';

/** Thrown for an instruction that cannot be encoded. The instruction that threw has emitted nothing. */
export class AssemblerError extends TypeError {
  readonly code: AssemblerErrorCode;

  constructor(code: AssemblerErrorCode, message: string) {
    super(message);
    this.name = 'AssemblerError';
    this.code = code;
  }
}
