/** Every function against float64, over floats spread evenly by their bits: all magnitudes, subnormals, infinities, NaN. */

import { createJsBackend } from '@espalier/backend-js';
import { createEvaluator, onnxOps, Tensor } from '@espalier/core';
import { Assembler, at, rax, rcx, rdi, type Vector } from '@espalier/x64';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCode, type StartedEngine, startEngine } from '../src/index.ts';
import {
  ERF_TEMPORARIES,
  EXP_TEMPORARIES,
  emitCosine,
  emitErf,
  emitExp,
  emitExpOfNegative,
  emitGelu,
  emitGeluTanh,
  emitSigmoid,
  emitSine,
  emitTanh,
  GELU_TANH_TEMPORARIES,
  GELU_TEMPORARIES,
  SIGMOID_TEMPORARIES,
  SINE_TEMPORARIES,
  TANH_TEMPORARIES,
  Vectors,
} from '../src/math/index.ts';

const started = startEngine();
const engine = started as StartedEngine;
if ('reason' in started) it.skip(`functions (${started.reason})`, () => {});

const POINTS = 1 << 21;
/** Odd, so that the low bits vary. */
const STRIDE = 2 ** 32 / POINTS + 1;

/** Between the ends of what matters to these functions there are as many points again. */
function points(): Float32Array {
  const bits = new Uint32Array(2 * POINTS);
  for (let i = 0; i < POINTS; i++) bits[i] = i * STRIDE;
  const x = new Float32Array(bits.buffer);
  for (let i = 0; i < POINTS; i++) x[POINTS + i] = -110 + (220 * i) / POINTS;
  const special = [0, -0, 1e-45, -1e-45, Infinity, -Infinity, NaN, 88.72284, 88.72283, -103.97, -87.34, 1, 3.92, 9.02];
  x.set(special);
  return x;
}

type Emit = (v: Vectors, x: Vector, t: readonly Vector[]) => void;

/** Results for `x`, in memory of their own. */
function run(emit: Emit, temporaries: number, isWide: boolean, x: Float32Array): Float32Array {
  const a = new Assembler();
  const v = new Vectors(a, isWide);
  a.mov(rcx, at(rdi), 8);
  a.mov(rax, at(rdi), 0);
  const loop = a.here();
  a.vmovups(v.register(0), at(rax));
  emit(
    v,
    v.register(0),
    Array.from({ length: temporaries }, (_, i) => v.register(i + 1)),
  );
  a.vmovups(at(rax), 0, v.register(0));
  a.addi(rax, v.bytes);
  a.subi(rcx, v.lanes);
  a.jnz(loop);
  a.ret();
  const code = loadCode(engine.addon, [a.finish()]);
  const buffer = engine.memory.alloc(64 + x.byteLength);
  const data = new Float32Array(buffer.view.buffer, 64, x.length);
  data.set(x);
  new BigUint64Array(buffer.view.buffer, 0, 2).set([BigInt(buffer.address + 64), BigInt(x.length)]);
  engine.addon.call(code.addresses[0]!, buffer.address, engine.trampoline);
  const y = data.slice();
  engine.memory.free(buffer);
  code.dispose();
  return y;
}

const unitOf = (y: number): number => 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(y)))) - 23);
/** Distances, each to be at most 1. */
type Distance = (y: number, exact: number, x: number) => number;
const units =
  (most: number): Distance =>
  (y, exact) =>
    Math.abs(y - exact) / unitOf(exact) / most;
const relative =
  (most: number): Distance =>
  (y, exact) =>
    Math.abs(y - exact) / Math.max(Math.abs(exact) * most, 2 ** -149);
const toArgument =
  (most: number): Distance =>
  (y, exact, x) =>
    Math.abs(y - exact) / Math.max(Math.abs(x) * most, 2 ** -149);
const absolute =
  (most: number): Distance =>
  (y, exact) =>
    Math.abs(y - exact) / most;

const js = createEvaluator(createJsBackend(), onnxOps);
/** A function of the scalar backend in double precision. */
const byOp = async (op: string, x: Float32Array, approximate?: string): Promise<ArrayLike<number>> => {
  const node = { name: op, op, domain: '', inputs: ['x'], outputs: ['y'], attrs: approximate ? { approximate } : {} };
  const [y] = await js(node, [new Tensor('float64', Float64Array.from(x), [x.length])]);
  return y!.data as Float64Array;
};

interface Row {
  readonly name: string;
  readonly emit: Emit;
  readonly temporaries: number;
  exact(x: Float32Array): Promise<ArrayLike<number>>;
  readonly distances: readonly Distance[];
}

const rows: readonly Row[] = [
  {
    name: 'exp',
    emit: emitExp,
    temporaries: EXP_TEMPORARIES,
    exact: async (x) => Float64Array.from(x, Math.exp),
    distances: [units(1.1)],
  },
  {
    name: 'exp of what is not above zero',
    emit(v, x, t) {
      v.a.vorps(x, x, ...v.bits(0x80000000));
      emitExpOfNegative(v, x, t);
    },
    temporaries: EXP_TEMPORARIES,
    exact: async (x) => Float64Array.from(x, (each) => Math.exp(-Math.abs(each))),
    distances: [(y, exact) => (exact < 2 ** -126 && y === 0 ? 0 : units(1.1)(y, exact, 0))],
  },
  {
    name: 'sine',
    emit: emitSine,
    temporaries: SINE_TEMPORARIES,
    exact: async (x) => Float64Array.from(x, Math.sin),
    distances: [units(2)],
  },
  {
    name: 'cosine',
    emit: emitCosine,
    temporaries: SINE_TEMPORARIES,
    exact: async (x) => Float64Array.from(x, Math.cos),
    distances: [units(2)],
  },
  {
    name: 'sigmoid',
    emit: emitSigmoid,
    temporaries: SIGMOID_TEMPORARIES,
    exact: (x) => byOp('Sigmoid', x),
    distances: [(y, exact) => (Math.abs(exact) < 3e-39 && y === 0 ? 0 : relative(3e-7)(y, exact, 0))],
  },
  {
    name: 'tanh',
    emit: emitTanh,
    temporaries: TANH_TEMPORARIES,
    exact: (x) => byOp('Tanh', x),
    distances: [relative(3e-7), (y) => Math.abs(y)],
  },
  {
    name: 'erf',
    emit: emitErf,
    temporaries: ERF_TEMPORARIES,
    exact: (x) => byOp('Erf', x),
    distances: [
      absolute(7.5e-8),
      (y, exact, x) => (Math.abs(x) < 1 ? relative(2.2e-7)(y, exact, x) : 0),
      (y) => Math.abs(y),
    ],
  },
  {
    name: 'gelu',
    emit: emitGelu,
    temporaries: GELU_TEMPORARIES,
    exact: (x) => byOp('Gelu', x),
    distances: [toArgument(1.3e-7)],
  },
  {
    name: 'gelu by tanh',
    emit: emitGeluTanh,
    temporaries: GELU_TANH_TEMPORARIES,
    exact: (x) => byOp('Gelu', x, 'tanh'),
    distances: [toArgument(2e-7)],
  },
];

describe.skipIf('reason' in started)('functions', () => {
  const x = points();
  afterAll(() => engine.dispose());
  for (const { name, emit, temporaries, exact, distances } of rows) {
    it(`${name} is as exact as it says, and where no number is`, async () => {
      const wanted = await exact(x);
      for (const isWide of engine.features.has('avx512') ? [false, true] : [false]) {
        const y = run(emit, temporaries, isWide, x);
        const worst = distances.map(() => ({ distance: 0, x: 0, y: 0, wanted: 0 }));
        for (let i = 0; i < x.length; i++) {
          const to = wanted[i]!;
          // What float32 cannot hold is what it rounds to.
          const special = Number.isNaN(to) || !Number.isFinite(Math.fround(to));
          if (special) {
            if (!Object.is(y[i], Math.fround(to)))
              throw new Error(`${name}(${x[i]}) is ${y[i]}, not ${Math.fround(to)}`);
            continue;
          }
          distances.forEach((distance, d) => {
            const now = distance(y[i]!, to, x[i]!);
            if (!(now <= worst[d]!.distance)) worst[d] = { distance: now, x: x[i]!, y: y[i]!, wanted: to };
          });
        }
        for (const each of worst) expect(each, `${isWide ? 'wide' : 'narrow'}`).toSatisfy(() => each.distance <= 1);
      }
    }, 60_000);
  }
});
