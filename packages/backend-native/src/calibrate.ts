/** What this machine does in a second, measured with emitted loops. */

import { type Rates, throwIfAborted } from '@espalier/core';
import { Assembler, at, rcx, rdi, rdx, rsi, tmm, ymm, zmm } from '@espalier/x64';
import { loadCode } from './code.ts';
import type { StartedEngine } from './engine.ts';
import { BLOCK_ROWS, emitTileConfiguration } from './kernels/tiles.ts';

/** Multiply-adds of a loop round: one per vector register that is not the operand's. */
const ACCUMULATORS = 12;
const ROUNDS = 200_000;
const TILE_ROUNDS = 1000;
const COPY_BYTES = 1 << 22;

/**
 * Rates of one thread: `fma` (float32 multiply-adds a second), `bytes` (copied from beyond the second-level cache), `call` (seconds per
 * command), where there are such, `bf16` (multiply-adds by vectors of pairs) and `amx` (of bytes by tiles); `threads` says how many of them a run has. `macs` is `fma` at the three quarters that a good kernel reaches. Takes about 30 ms.
 */
export async function calibrate(engine: StartedEngine, signal?: AbortSignal): Promise<Rates> {
  const wide = engine.features.has('avx512');
  const [bf16, amx] = [engine.features.has('avx512-bf16'), engine.features.has('amx-int8')];
  const parts = [emitFma(wide), emitCopy(wide), ...(bf16 ? [emitBf16()] : []), ...(amx ? [emitTiles()] : [])];
  const code = loadCode(engine.addon, parts);
  const buffer = engine.memory.alloc(2 * COPY_BYTES + 64);
  try {
    const run = (entry: number): void => engine.addon.call(code.addresses[entry]!, buffer.address, engine.trampoline);
    const words = new DataView(buffer.view.buffer);
    const fma = (ROUNDS * ACCUMULATORS * (wide ? 16 : 8)) / seconds(() => run(0));
    throwIfAborted(signal);
    for (const [i, word] of [buffer.address + 64, buffer.address + 64 + COPY_BYTES, COPY_BYTES].entries())
      words.setBigUint64(8 * i, BigInt(word), true);
    const bytes = (2 * COPY_BYTES) / seconds(() => run(1));
    return {
      macs: 0.75 * fma * engine.team,
      fma,
      ...(bf16 ? { bf16: (ROUNDS * ACCUMULATORS * 32) / seconds(() => run(2)) } : {}),
      ...(amx ? { amx: (TILE_ROUNDS * 4 * 16 * 16 * 64) / seconds(() => run(parts.length - 1)) } : {}),
      threads: engine.team,
      bytes,
      call: 2e-6,
      copy: bytes,
      crossing: 2e-5,
    };
  } finally {
    code.dispose();
    engine.memory.free(buffer);
  }
}

function emitFma(wide: boolean): Uint8Array {
  const a = new Assembler();
  const register = wide ? zmm : ymm;
  for (let i = 0; i <= ACCUMULATORS; i++) a.vxorps(register(i), register(i), register(i));
  a.movi(rcx, ROUNDS);
  const loop = a.here();
  for (let i = 1; i <= ACCUMULATORS; i++) a.vfmadd231ps(register(i), register(0), register(0));
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

function emitBf16(): Uint8Array {
  const a = new Assembler();
  for (let i = 0; i <= ACCUMULATORS; i++) a.vxorps(zmm(i), zmm(i), zmm(i));
  a.movi(rcx, ROUNDS);
  const loop = a.here();
  for (let i = 1; i <= ACCUMULATORS; i++) a.vdpbf16ps(zmm(i), zmm(0), zmm(0));
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

/** Two by two tiles of sums. */
function emitTiles(): Uint8Array {
  const a = new Assembler();
  a.movi(rcx, BLOCK_ROWS);
  emitTileConfiguration(a, rcx);
  a.movi(rcx, TILE_ROUNDS);
  const loop = a.here();
  for (let i = 0; i < 4; i++) a.tdpbusd(tmm(i), tmm(4 + (i >> 1)), tmm(6 + (i & 1)));
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

/** Arguments: from, to, bytes. */
function emitCopy(wide: boolean): Uint8Array {
  const a = new Assembler();
  const register = wide ? zmm(0) : ymm(0);
  a.mov(rsi, at(rdi), 0);
  a.mov(rdx, at(rdi), 8);
  a.mov(rcx, at(rdi), 16);
  const loop = a.here();
  for (let offset = 0; offset < 256; offset += wide ? 64 : 32) {
    a.vmovups(register, at(rsi), offset);
    a.vmovups(at(rdx), offset, register);
  }
  a.addi(rsi, 256);
  a.addi(rdx, 256);
  a.subi(rcx, 256);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

/** The shortest of five runs after a warm-up: interruptions only ever add. */
function seconds(run: () => void): number {
  run();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    run();
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  return Math.max(best, 1e-9);
}
