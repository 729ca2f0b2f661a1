/**
 * What EVEX adds to an instruction, given as one number after its operands: `a.vaddps(zmm0, zmm1, zmm2, k1 | ZERO)`,
 * `a.vaddps(zmm0, zmm1, at(rdi), 64, k2 | BROADCAST)`, `a.vaddps(zmm0, zmm1, zmm2, RZ_SAE)`. A mask register stands for itself.
 *
 * Bits 0-7 are those of the prefix's last byte (z, rounding, b, mask), 8 and 10 come with a mask register, 12-14 say what b means.
 */
import type { Flavor } from './flavor.ts';

/** A mask register, {@link ZERO}, {@link BROADCAST}, {@link SAE} or a rounding, combined with `|`; 0 for none. */
export type Options = Flavor<'options' | 'mask'>;

/** `{z}`: elements whose mask bit is 0 become zero instead of keeping their value. */
export const ZERO: Options = 0x80;
/** `{1toN}`: the memory operand is one element, used for all. */
export const BROADCAST: Options = 0x1010;
/** `{sae}`: no floating-point exceptions. */
export const SAE: Options = 0x2010;
/** `{rn-sae}`: round to nearest even, whatever MXCSR says. */
export const RN_SAE: Options = 0x4010;
/** `{rd-sae}`: round down. */
export const RD_SAE: Options = 0x4030;
/** `{ru-sae}`: round up. */
export const RU_SAE: Options = 0x4050;
/** `{rz-sae}`: round toward zero. */
export const RZ_SAE: Options = 0x4070;

/** A mask register's bits: its class and its number. */
export const MASK_BITS = 0x507;
/** Set when b means rounding or {@link SAE}, not broadcast. */
export const ROUNDING = 0x6000;

/** The options as a message shows them. */
export function describeOptions(options: number): string {
  const names: string[] = [];
  if ((options & MASK_BITS) !== 0) names.push(`{k${options & 7}}`);
  if ((options & ZERO) !== 0) names.push('{z}');
  if ((options & 0x1000) !== 0) names.push('BROADCAST');
  if ((options & 0x2000) !== 0) names.push('{sae}');
  if ((options & 0x4000) !== 0) names.push(`{${['rn', 'rd', 'ru', 'rz'][(options >> 5) & 3]}-sae}`);
  return names.join(' ') || String(options);
}
