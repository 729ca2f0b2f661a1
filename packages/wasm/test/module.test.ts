/** Programs of several instructions, run. */

import { describe, expect, it } from 'vitest';
import { type FunctionBuilder, ModuleBuilder, type Value } from '../src/index.ts';

/** The function of i32 that `write` makes of one parameter. */
function run(write: (f: FunctionBuilder, n: ReturnType<FunctionBuilder['local']>) => void): (n: number) => number {
  const module = new ModuleBuilder();
  module.export(
    'run',
    module.func(['i32'], 'i32', (f, n) => write(f, n)),
  );
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish())).exports['run'] as (n: number) => number;
}

describe('constants', () => {
  it.each([0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)])('i32 %d', (value) => {
    expect(run((f) => void f.i32_const(value))(0)).toBe(value);
  });

  it.each([0n, -1n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), 1n << 35n])('i64 %d', (value) => {
    const module = new ModuleBuilder();
    module.export(
      'run',
      module.func([], 'i64', (f) => void f.i64_const(value)),
    );
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()));
    expect((exports['run'] as () => bigint)()).toBe(value);
  });

  it('are made once, before all else', () => {
    const lanes = run((f, parameter) => {
      const n = parameter as ReturnType<typeof f.local<'i32'>>;
      const [sum, other] = [f.local('v128'), f.v128_constant(Int32Array.of(5, 0, 0, 0))];
      f.loop((again) => {
        sum.set(f.i32x4_add(sum.get(), f.v128_constant(Int32Array.of(1, 2, 3, 4)).get()));
        f.br_if(again, n.tee(f.i32_sub(n.get(), f.i32_const(1))));
      });
      f.v128_constant(Int32Array.of(1, 2, 3, 4)).set(other.get());
      f.i32x4_extract_lane(f.i32x4_add(sum.get(), f.v128_constant(Int32Array.of(1, 2, 3, 4)).get()), 0);
    });
    expect(lanes(3)).toBe(3 + 5);
  });

  it('of floats and vectors', () => {
    const sum = run((f) => {
      const v = f.v128_const(Float32Array.of(1.5, -2.25, 4, 8));
      const lane = f.f32x4_extract_lane(v, 1);
      f.i32_trunc_sat_f32_s(f.f32_mul(lane, f.f32_const(-4)));
    });
    expect(sum(0)).toBe(9);
    expect(run((f) => void f.i32_trunc_sat_f64_s(f.f64_const(-1e9)))(0)).toBe(-1e9);
  });
});

describe('control', () => {
  it('loops, with branches out of several blocks', () => {
    // Adds up n, n - 1, ...; ends at 0, or where the sum is above 100.
    const sum = run((f, parameter) => {
      const n = parameter as ReturnType<typeof f.local<'i32'>>;
      const total = f.local('i32');
      f.block((done) => {
        f.loop((again) => {
          f.br_if(done, f.i32_eqz(n.get()));
          total.set(f.i32_add(total.get(), n.get()));
          f.if(f.i32_gt_s(total.get(), f.i32_const(100)), () => f.br(done));
          n.set(f.i32_sub(n.get(), f.i32_const(1)));
          f.br(again);
        });
      });
      total.get();
    });
    expect([0, 1, 4, 13, 100].map(sum)).toEqual([0, 1, 10, 91, 199]);
  });

  it('chooses by condition and by number', () => {
    const choice = run((f, parameter) => {
      const n = parameter as ReturnType<typeof f.local<'i32'>>;
      f.block((otherwise) => {
        f.block((second) => {
          f.block((first) => f.br_table([first, second], otherwise, n.get()));
          f.return(f.i32_const(10));
        });
        f.return(f.i32_const(20));
      });
      f.select(f.i32_const(30), f.i32_const(40), f.i32_lt_s(n.get(), f.i32_const(5)));
    });
    expect([0, 1, 2, 7].map(choice)).toEqual([10, 20, 30, 40]);
  });

  it('calls functions that are written later', () => {
    const module = new ModuleBuilder();
    const half = module.declare(['i32'], 'i32');
    const run = module.func(['i32'], 'i32', (f, n) => void f.i32_add(f.call(half, n.get()), f.i32_const(1)));
    module.export('run', run);
    expect(() => module.finish()).toThrow('function 0 was declared and not defined');
    module.define(half, (f, n) => void f.i32_shr_u(n.get(), f.i32_const(1)));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()));
    expect((exports['run'] as (n: number) => number)(40)).toBe(21);
  });
});

describe('memory', () => {
  it('is read and written, by vectors too', () => {
    const module = new ModuleBuilder();
    module.importMemory('host', 'memory', { initial: 1 });
    const square = module.func(['i32'], undefined, (f, p) => {
      const x = f.local('v128');
      x.set(f.v128_load(p.get(), 16));
      f.v128_store(p.get(), f.i32x4_mul(x.get(), x.tee(x.get())), 32);
      f.v128_store32_lane(
        p.get(),
        f.i8x16_shuffle(x.get(), x.get(), [4, 5, 6, 7, 0, 1, 2, 3, ...Array(8).fill(0)]),
        0,
        48,
      );
      f.memory_copy(f.i32_const(256), p.get(), f.i32_const(64));
    });
    module.export('square', square);
    const memory = new WebAssembly.Memory({ initial: 1 });
    const words = new Int32Array(memory.buffer);
    words.set([1, 2, 3, 4], 5);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host: { memory } });
    (exports['square'] as (p: number) => void)(4);
    expect([...words.subarray(9, 14)]).toEqual([1, 4, 9, 16, 2]);
    expect([...words.subarray(64, 80)]).toEqual([...words.subarray(1, 17)]);
  });

  it('that is shared needs a maximum', () => {
    expect(() => new ModuleBuilder().importMemory('a', 'b', { initial: 1, shared: true })).toThrow('maximum');
  });
});

it('takes vectors of 16 bytes only', () => {
  expect(() => run((f) => void f.i32x4_extract_lane(f.v128_const(new Uint8Array(8)), 0))).toThrow(
    'v128.const takes 16 bytes, not 8',
  );
});

it('says where an operand is not where it is used', () => {
  expect(() =>
    run((f, n) => {
      const [x, y] = [n.get() as Value<'i32'>, f.i32_const(1)];
      f.i32_sub(y, x);
    }),
  ).toThrow('an operand is not where it is used');
  expect(() =>
    run((f) => {
      const early = f.i32_const(1);
      f.i32_and(f.i32_eqz(f.i32_const(2)), f.i32_add(early, f.i32_const(3)));
    }),
  ).toThrow('keep it in a local');
});
