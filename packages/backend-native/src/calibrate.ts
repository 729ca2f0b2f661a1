/** What this machine does in a second, measured with emitted loops. */

import { type Rates, throwIfAborted } from '@espalier/core';
import { Assembler, at, rcx, rdi, rdx, rsi, tmm, type Vector, ymm, zmm } from '@espalier/x64';
import { loadCode } from './code.ts';
import type { NativeFeature } from './cpu.ts';
import type { StartedEngine } from './engine.ts';
import { BLOCK_ROWS, emitTileConfiguration } from './kernels/tiles.ts';

/** Multiply-adds of a loop round: one per vector register that is not the operand's. */
const ACCUMULATORS = 12;
const ROUNDS = 40_000;
const TILE_ROUNDS = 200;
const COPY_BYTES = 1 << 22;

/**
 * Rates of one thread: `fma` (float32 multiply-adds a second; `fma256` without AVX-512) and `bytes` (copied from beyond the second-level cache); where there are such,
 * `dot` (multiply-adds of bytes by vectors), `bf16` (by vectors of pairs) and `amx` (of bytes by tiles); `call` (seconds per command).
 * `threads` says how many of them a run has, `macs` is `fma` at the three quarters that a good kernel reaches. Takes about 10 ms.
 */
export async function calibrate(engine: StartedEngine, signal?: AbortSignal): Promise<Rates> {
  const loops = loopsFor(engine.features);
  const code = loadCode(engine.addon, [emitCopy(engine.features.has('avx512')), ...loops.map((loop) => loop.code)]);
  const buffer = engine.memory.alloc(2 * COPY_BYTES + 64);
  try {
    const run = (entry: number): void => engine.addon.call(code.addresses[entry]!, buffer.address, engine.trampoline);
    const measured: Record<string, number> = {};
    for (const [i, { rate, macs }] of loops.entries()) {
      measured[rate] = macs / seconds(() => run(1 + i));
      throwIfAborted(signal);
    }
    const words = new DataView(buffer.view.buffer);
    for (const [i, word] of [buffer.address + 64, buffer.address + 64 + COPY_BYTES, COPY_BYTES].entries())
      words.setBigUint64(8 * i, BigInt(word), true);
    const bytes = (2 * COPY_BYTES) / seconds(() => run(0));
    return {
      ...measured,
      macs: 0.75 * measured['fma']! * engine.team,
      threads: engine.team,
      bytes,
      call: 6e-7,
      copy: bytes,
      crossing: 2e-5,
    };
  } finally {
    code.dispose();
    engine.memory.free(buffer);
  }
}

/** A loop that does nothing but multiply and add, `macs` times. */
interface Loop {
  readonly rate: string;
  readonly macs: number;
  readonly code: Uint8Array;
}

function loopsFor(features: ReadonlySet<NativeFeature>): readonly Loop[] {
  const register = features.has('avx512') ? zmm : ymm;
  const vectors = (rate: string, lanes: number, of: typeof zmm, emit: Emit): Loop => ({
    ...{ rate, macs: ROUNDS * ACCUMULATORS * lanes, code: emitLoop(of, emit) },
  });
  const fma: Emit = (a, to, x) => a.vfmadd231ps(to, x, x);
  const loops = [vectors('fma', features.has('avx512') ? 16 : 8, register, fma), vectors('fma256', 8, ymm, fma)];
  if (features.has('avx512-vnni')) loops.push(vectors('dot', 64, zmm, (a, to, x) => a.vpdpbusd(to, x, x)));
  else if (features.has('avx-vnni')) loops.push(vectors('dot', 32, ymm, (a, to, x) => a.vpdpbusd_vex(to, x, x)));
  if (features.has('avx512-bf16')) loops.push(vectors('bf16', 32, zmm, (a, to, x) => a.vdpbf16ps(to, x, x)));
  if (features.has('amx-int8')) loops.push({ rate: 'amx', macs: TILE_ROUNDS * 4 * 16 * 16 * 64, code: emitTiles() });
  return loops;
}

type Emit = (a: Assembler, to: Vector, x: Vector) => void;

function emitLoop(register: (i: number) => Vector, emit: Emit): Uint8Array {
  const a = new Assembler();
  for (let i = 0; i <= ACCUMULATORS; i++) a.vxorps(register(i), register(i), register(i));
  a.movi(rcx, ROUNDS);
  const loop = a.here();
  for (let i = 1; i <= ACCUMULATORS; i++) emit(a, register(i), register(0));
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

/** Four tiles of sums of the same two operands. */
function emitTiles(): Uint8Array {
  const a = new Assembler();
  a.movi(rcx, BLOCK_ROWS);
  emitTileConfiguration(a, rcx);
  for (let i = 0; i < 8; i++) a.tilezero(tmm(i));
  a.movi(rcx, TILE_ROUNDS);
  const loop = a.here();
  for (const [i, [left, right]] of [
    [4, 6],
    [4, 7],
    [5, 6],
    [5, 7],
  ].entries())
    a.tdpbusd(tmm(i), tmm(left!), tmm(right!));
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
