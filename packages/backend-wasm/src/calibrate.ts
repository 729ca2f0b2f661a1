/** What this engine does in a second, measured with emitted loops. */

import { type Rates, throwIfAborted } from '@espalier/core';
import type { Body, Emit } from './code.ts';
import type { Engine } from './engine.ts';
import { advance, repeat, WORD } from './kernels/arguments.ts';
import { recordList } from './list.ts';
import type { WasmPhase } from './program.ts';
import { Vectors } from './vectors.ts';

/** Multiply-adds of a loop round: one per vector register that is not the operand's. */
const ACCUMULATORS = 12;
const ROUNDS = 20_000;
const COPY_BYTES = 1 << 22;
/** Runs of each loop: the engine compiles what is hot anew while it runs. */
const RUNS = 12;

/**
 * Rates of one thread: `fma` (float32 multiply-adds a second) and `bytes` (copied from beyond the second-level cache); `call` (seconds per
 * command). `threads` says how many of them a run has, `macs` is `fma` at the three quarters that a good kernel reaches. Takes about 50 ms.
 */
export async function calibrate(engine: Engine, signal?: AbortSignal): Promise<Rates> {
  const isRelaxed = engine.features.has('relaxed-simd');
  const fma = await best(engine, 'calibrate_fma', { isRelaxed }, emitMultiplyAdds, 0, signal);
  const copy = await best(engine, 'calibrate_copy', {}, emitCopy, 2 * COPY_BYTES, signal);
  const rate = (ROUNDS * ACCUMULATORS * 4) / fma;
  const bytes = (2 * COPY_BYTES) / copy;
  return {
    fma: rate,
    macs: 0.75 * rate * engine.team,
    threads: engine.team,
    bytes,
    call: 2e-6,
    copy: bytes,
    crossing: 5e-5,
  };
}

/** Seconds of the fastest of some runs of one unit: interruptions only ever add. */
async function best<R>(
  engine: Engine,
  name: string,
  recipe: R,
  emit: Emit<R>,
  room: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const code = await engine.code.load(name, recipe, emit);
  const phase: WasmPhase = { code, units: () => 1, args: ({ scratch }) => [scratch] };
  const program = { resident: 0, phases: [phase], scratch: () => room };
  const call = { node: name, op: name, domain: '', inputs: [], outputs: [], attrs: {}, epilogue: [] };
  const list = recordList(engine, [{ call, kernel: name, program, inputs: [], outputs: [] }]);
  try {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < RUNS; i++) {
      throwIfAborted(signal);
      await list.run(
        [],
        {},
        {
          onStep(_, seconds) {
            least = Math.min(least, seconds);
          },
        },
      );
    }
    return Math.max(least, 1e-9);
  } finally {
    list.dispose();
    code.release();
  }
}

const emitMultiplyAdds: Emit<{ readonly isRelaxed: boolean }> =
  (_, { isRelaxed }): Body =>
  (f, args) => {
    const v = new Vectors(f, isRelaxed);
    const sums = Array.from({ length: ACCUMULATORS }, () => f.local('v128'));
    // From memory, so that the engine cannot know that they are nothing.
    const [x, y] = [v.keep(() => f.v128_load32_splat(args.get())), v.keep(() => f.v128_load32_splat(args.get()))];
    const rounds = f.local('i32');
    rounds.set(f.i32_const(ROUNDS));
    repeat(f, rounds, 1, () => {
      for (const sum of sums) v.set(sum, v.madd(x, sum, y));
    });
    // So that the engine does not see that nobody wants them.
    const to = f.local('i32');
    to.set(f.i32_load(args.get()));
    for (const sum of sums) f.v128_store(to.get(), sum.get());
  };

/** The first half of scratch memory into the second. */
const emitCopy: Emit<object> = () => (f, args) => {
  const [from, left] = [f.local('i32'), f.local('i32')];
  from.set(f.i32_load(args.get()));
  left.set(f.i32_const(COPY_BYTES / (16 * WORD)));
  f.loop((again) => {
    for (let i = 0; i < WORD; i++) f.v128_store(from.get(), f.v128_load(from.get(), 16 * i), COPY_BYTES + 16 * i);
    advance(f, from, 16 * WORD);
    f.br_if(again, left.tee(f.i32_sub(left.get(), f.i32_const(1))));
  });
};
