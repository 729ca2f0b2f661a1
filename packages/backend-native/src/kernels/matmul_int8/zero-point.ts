/** The zero point of bytes that are read as unsigned ones. */

import { type Address, type Assembler, byte, eax, rax } from '@espalier/x64';

export interface ZeroPoint {
  /** Whether there is one; else it is 0. */
  readonly given: boolean;
  /** Bytes are signed: as unsigned ones they, and it, are 128 more. */
  readonly signed: boolean;
}

/** The zero point of unsigned bytes into eax; its address is in memory at `block`. Changes rax. */
export function emitZeroPoint(a: Assembler, { given, signed }: ZeroPoint, block: Address, offset: number): void {
  if (!given) a.movi(eax, 0);
  else {
    a.mov(rax, block, offset);
    if (signed) a.movsx(eax, byte(rax));
    else a.movzx(eax, byte(rax));
  }
  if (signed) a.addi(eax, 128);
}
