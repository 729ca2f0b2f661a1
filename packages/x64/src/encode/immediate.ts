/** Immediate operands: their ranges, and how they are written. */
import { writeInt32 } from '../buffer.ts';
import type { Code } from '../code.ts';
import { AssemblerError } from '../errors.ts';

/** Bytes of an immediate, by the class of the other operand: a 64-bit one takes 32 bits, sign-extended. */
export const immediateBytes = (size: number): number => [0, 4, 4, 2, 1][size];

/**
 * The value as a signed integer of `bytes` bytes; unsigned values are taken where they mean the same bits.
 *
 * @param signed when the immediate is sign-extended beyond `bytes`, so that only signed values are right
 * @throws AssemblerError `OUT_OF_RANGE`
 */
export function immediate(name: string, value: number, bytes: number, signed = false): number {
  const unused = 32 - 8 * bytes;
  const cut = (value << unused) >> unused;
  if (cut === value || (!signed && cut < 0 && value === cut + 2 ** (8 * bytes))) return cut;
  const least = -(2 ** (8 * bytes - 1));
  const most = signed ? -least - 1 : -2 * least - 1;
  throw new AssemblerError(
    'OUT_OF_RANGE',
    `${name}: the immediate ${value} is not an integer from ${least} to ${most}`,
  );
}

/** The same for an immediate of 64 bits, signed or unsigned; the result is signed. */
export function immediate64(name: string, value: number | bigint): bigint {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
    const exact = BigInt(value);
    const signed = BigInt.asIntN(64, exact);
    if (exact === signed || exact === BigInt.asUintN(64, exact)) return signed;
  }
  throw new AssemblerError('OUT_OF_RANGE', `${name}: the immediate ${value} is not an exact integer of 64 bits`);
}

/** Appends an immediate to an instruction; the encoder has made room. */
export function append(code: Code, value: number, bytes: number): void {
  const p = code.position;
  if (bytes === 1) code.bytes[p] = value;
  else if (bytes === 2) {
    code.bytes[p] = value;
    code.bytes[p + 1] = value >> 8;
  } else writeInt32(code.bytes, p, value);
  code.position = p + bytes;
}
