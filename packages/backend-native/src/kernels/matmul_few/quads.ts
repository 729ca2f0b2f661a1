/** Bytes of weights packed by the engine's threads: four steps of a column side by side, panel by panel. */

import { Assembler, at, r8, r9, r10, r11, rcx, rdi, rsi, xmm } from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import { type Engine, runOnce } from '../../list.ts';
import { emitInterleave } from '../matmul_int8/pack.ts';
import { COLUMNS } from './frame.ts';
import { type Levels, LINE } from './layout.ts';

/** Steps of a quad. */
export const QUAD = 4;

const words = ['from', 'to', 'quads', 'rowBytes', 'panelBytes'] as const;

/**
 * Packs the quads of whole panels; the last columns and steps that fill none are left.
 * @param from address of the bytes, row by row
 * @param to address of the first panel's bricks, which follow each other without anything between
 */
export async function packQuads(
  engine: Engine,
  { k, n, least }: Pick<Levels, 'k' | 'n' | 'least'>,
  place: { readonly from: number; readonly to: number; readonly panelBytes: number },
): Promise<void> {
  const values: Record<(typeof words)[number], number> = { ...place, quads: Math.floor(k / QUAD), rowBytes: n };
  if (values.quads === 0) return;
  const code = sharedCode(engine.addon, emitPackQuads, least < 0);
  try {
    const args = words.map((name) => values[name]);
    await runOnce(engine, { code: code.addresses[0]!, units: Math.floor(n / COLUMNS), args });
  } finally {
    code.dispose();
  }
}

/** Entry: args in rdi, the panel in rsi. */
function emitPackQuads(isSigned: boolean): Uint8Array {
  const a = new Assembler();
  const argument = (name: (typeof words)[number]): readonly [number, number] => [at(rdi), 8 * words.indexOf(name)];
  // r8: from, r9: to, r10: bytes of a row, r11: of three, rcx: quads left.
  a.imuli(r8, rsi, COLUMNS);
  a.add(r8, ...argument('from'));
  a.mov(r9, ...argument('panelBytes'));
  a.imul(r9, rsi);
  a.add(r9, ...argument('to'));
  a.mov(r10, ...argument('rowBytes'));
  a.lea(r11, at(r10, r10, 2));
  a.mov(rcx, ...argument('quads'));
  if (isSigned) a.vpbroadcastd(xmm(5), a.constant(Uint32Array.of(0x80808080)));
  const quad = a.here();
  for (const [i, row] of [at(r8), at(r8, r10), at(r8, r10, 2), at(r8, r11)].entries()) {
    a.vmovups(xmm(i), row, 0);
    if (isSigned) a.vpxor(xmm(i), xmm(i), xmm(5));
  }
  emitInterleave(a, QUAD);
  for (let i = 0; i < QUAD; i++) a.vmovups(at(r9), (LINE / QUAD) * i, xmm(i));
  a.lea(r8, at(r8, r10, 4));
  a.addi(r9, LINE);
  a.dec(rcx);
  a.jnz(quad);
  a.ret();
  return a.finish().slice();
}
