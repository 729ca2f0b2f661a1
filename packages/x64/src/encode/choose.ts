/**
 * The choice between VEX and EVEX: VEX where it can say what is asked, as it is shorter and needs less of the processor,
 * else EVEX. GNU as chooses so too.
 */
import type { Code } from '../code.ts';
import { AssemblerError } from '../errors.ts';
import { describeOptions, MASK_BITS, ROUNDING, ZERO } from '../options.ts';
import { evexMem, evexReg } from './evex.ts';
import { type Encoding, elementOf } from './vector.ts';
import { vexMem, vexReg } from './vex.ts';

/** Emits a form with registers only; `length` is 0, 1, 2 for 128, 256, 512 bits, registers are numbers 0 to 31. */
export function emitReg(
  code: Code,
  e: Encoding,
  length: number,
  reg: number,
  v: number,
  rm: number,
  options: number,
): void {
  if (options === 0 && ((reg | v | rm) & 16) === 0 && ((e.vexReg >> length) & 1) !== 0) {
    vexReg(code, e.map, e.vexPrefix, e.opcode, reg, v, rm, length);
    code.used |= length === 1 ? e.vexFeatures256 : e.vexFeatures;
    return;
  }
  if (((e.evexReg >> length) & 1) === 0) throw noForm(e, length, options, reg | v | rm, e.vexReg);
  let last = length << 5;
  if (options !== 0) {
    checkOptions(e, length, options, e.regOptions);
    last = (options & ROUNDING) !== 0 ? options & 0xf7 : last | (options & 0x87);
  }
  evexReg(code, e.map, e.evexPrefix, e.opcode, reg, v, rm, last);
  code.used |= length === 2 ? e.evexFeatures : e.evexFeaturesShort;
}

/** Emits a form with a memory operand; `tail` is the size of the immediate that will follow. */
export function emitMem(
  code: Code,
  e: Encoding,
  length: number,
  reg: number,
  v: number,
  address: number,
  disp: number,
  options: number,
  tail: number,
): void {
  if (options === 0 && ((reg | v) & 16) === 0 && ((e.vexMem >> length) & 1) !== 0) {
    vexMem(code, e.map, e.vexPrefix, e.opcode, reg, v, address, disp, length, tail);
    code.used |= length === 1 ? e.vexFeatures256 : e.vexFeatures;
    return;
  }
  if (((e.evexMem >> length) & 1) === 0) throw noForm(e, length, options, reg | v, e.vexMem);
  let shift = (e.tuple >> (length << 2)) & 15;
  if (options !== 0) {
    checkOptions(e, length, options, e.memOptions);
    if ((options & 0x10) !== 0) shift = elementOf(e.tuple);
  }
  evexMem(code, e.map, e.evexPrefix, e.opcode, reg, v, address, disp, (length << 5) | (options & 0x97), shift, tail);
  code.used |= length === 2 ? e.evexFeatures : e.evexFeaturesShort;
}

function checkOptions(e: Encoding, length: number, options: number, allowed: number): void {
  const mask = options & MASK_BITS;
  // Bits of the prefix without the flags that come with them: a displacement or an immediate in the wrong place.
  const bare = (options & 0x70) !== 0 && ((options & 0x7000) === 0 || (options & 0x10) === 0);
  if ((options & ~allowed) !== 0 || bare) throw badOption(e, options, allowed);
  if (mask !== 0 ? mask <= 0x500 : (options & ZERO) !== 0) throw badMask(e, options);
  if ((options & ROUNDING) !== 0 && ((e.rounding >> length) & 1) === 0) throw badRounding(e, options);
}

function badOption(e: Encoding, options: number, allowed: number): AssemblerError {
  const takes = [];
  if ((allowed & MASK_BITS) !== 0) takes.push((allowed & ZERO) !== 0 ? 'a mask, ZERO' : 'a mask without ZERO');
  if ((allowed & 0x1000) !== 0) takes.push('BROADCAST');
  if ((allowed & 0x2000) !== 0) takes.push('SAE');
  if ((allowed & 0x4000) !== 0) takes.push('a rounding');
  const what = takes.join(', ') || 'no options';
  return new AssemblerError('BAD_OPTION', `${e.name}: ${describeOptions(options)}: this form takes ${what}`);
}

function badMask(e: Encoding, options: number): AssemblerError {
  return new AssemblerError('BAD_OPTION', `${e.name}: ${describeOptions(options)}: the mask must be one of k1 to k7`);
}

function badRounding(e: Encoding, options: number): AssemblerError {
  return new AssemblerError(
    'BAD_OPTION',
    `${e.name}: ${describeOptions(options)}: only zmm registers and scalars take a rounding`,
  );
}

function noForm(e: Encoding, length: number, options: number, registers: number, vexLengths: number): AssemblerError {
  if (((vexLengths >> length) & 1) === 0) {
    return new AssemblerError('BAD_OPERAND', `${e.name} has no such form at ${128 << length} bits`);
  }
  if ((registers & 16) !== 0) {
    return new AssemblerError('BAD_OPERAND', `${e.name} reaches registers 0 to 15 only: it has no EVEX form here`);
  }
  return new AssemblerError(
    'BAD_OPTION',
    `${e.name}: ${describeOptions(options)}: it has no EVEX form here, so takes no options`,
  );
}
