/** Jumps and calls: to labels, to registers, to addresses in memory. */
import { type Address, type Displacement, isAddress, LABEL, type Label } from '../address.ts';
import { isOf, R64 } from '../classes.ts';
import type { Code } from '../code.ts';
import { legacyMem, legacyReg, ONE_BYTE } from '../encode/legacy.ts';
import type { Gpr } from '../registers.ts';
import { type Form, misfit, type Row, row } from './row.ts';
import type { Takes } from './signatures.ts';

/** A short jump: the form with one byte of distance, whose reach `finish()` checks. */
export const SHORT = 1;

/**
 * A jump to a label behind takes the short form where it reaches; a jump ahead the long one, as its distance is not known
 * yet, unless {@link SHORT} is given.
 */
export type Jump = (target: Label, distance?: typeof SHORT) => void;

/** To a label, a register, or the address that lies in memory. */
export type JumpAnywhere = Takes<
  [target: Label, distance?: typeof SHORT] | [target: Gpr] | [target: Address, disp?: Displacement]
>;

/** To a label, a register, or the address that lies in memory. */
export type Call = Takes<[target: Label | Gpr] | [target: Address, disp?: Displacement]>;

const isLabel = (code: number): boolean => code >> 18 === LABEL >> 18;

/** @param short opcode of the form with one byte of distance @param long bytes of the opcode of the form with four */
function jumpTo(code: Code, target: number, distance: number, short: number, long: readonly number[]): void {
  const bound = code.offset(target);
  if (distance === SHORT || (bound !== undefined && bound - (code.position + 2) >= -128)) {
    code.data([short, 0]);
    code.fixup(target, code.position - 1, 1);
  } else farTo(code, target, long);
}

function farTo(code: Code, target: number, opcode: readonly number[]): void {
  code.fixup(target, code.position + opcode.length, 4);
  code.data([...opcode, 0, 0, 0, 0]);
}

/** Conditional jumps: the processor's number of the condition. */
export function jumpIf(condition: number): Row<Jump> {
  const forms = (): Form[] => [{ operands: ['label'] }];
  return row((name) => {
    return function (target, distance = 0) {
      if (!isLabel(target)) throw misfit(name, forms(), [target, distance]);
      jumpTo(this, target, distance, 0x70 | condition, [0x0f, 0x80 | condition]);
    };
  }, forms);
}

/** jmp. */
export function jump(): Row<JumpAnywhere> {
  const indirect = through(4);
  return row<JumpAnywhere>((name) => {
    const emit = indirect.build(name);
    return function (target, x = 0) {
      if (isLabel(target)) jumpTo(this, target, x, 0xeb, [0xe9]);
      else emit.call(this, target, x);
    };
  }, indirect.forms);
}

/** call. */
export function call(): Row<Call> {
  const indirect = through(2);
  return row<Call>((name) => {
    const emit = indirect.build(name);
    return function (target, x = 0) {
      if (isLabel(target)) farTo(this, target, [0xe8]);
      else emit.call(this, target, x);
    };
  }, indirect.forms);
}

/** The indirect forms of jmp and call. */
function through(extension: number): Row<(target: number, disp: number) => void> {
  const forms = (): Form[] => [['label'], ['r64'], ['m64']].map((operands) => ({ operands }));
  return row((name) => {
    return function (target, disp) {
      if (isAddress(target)) legacyMem(this, 0, 0, ONE_BYTE, 0xff, extension, target, disp, 0);
      else if (isOf(R64, target)) legacyReg(this, 0, 0, ONE_BYTE, 0xff, extension, target);
      else throw misfit(name, forms(), [target, disp]);
    };
  }, forms);
}
