/**
 * One row by matrices of 4096 x 4096 that lie beyond every cache, as decoding streams them: microseconds a matrix, its bytes a second and as
 * a share of what loads read from the same memory in the same minute, how many times as fast as dense weights of 8 and of 4 bits, and as what
 * the law says. `hot`: bytes a second of a small matrix that stays in the caches, which is how fast weights are decoded.
 *
 * `npx esbuild bench/decode.ts --bundle --platform=node --format=esm --conditions=espalier-source --outfile=dist/decode.mjs && node dist/decode.mjs 1 2`
 * A name after the numbers of threads picks the formats that begin with it.
 */

import { type Call, type Constants, ESPALIER, type Step, Tensor, type Work } from '@espalier/core';
import { Assembler, at, rax, rcx, rdi, rsi, zmm } from '@espalier/x64';
import { loadCode } from '../src/code.ts';
import { startEngine } from '../src/engine.ts';
import { createNativeBackend, type NativeBackend, type NativeProgram } from '../src/index.ts';
import { recordList } from '../src/list.ts';

type Size = readonly [k: number, n: number];
const COLD: Size = [4096, 4096];
const HOT: Size = [512, 1024];
/** Several times a last-level cache; it is read a part at a time, so that whatever else runs spoils few of the parts. */
const STREAM_BYTES = 384e6;
const PART_BYTES = 16e6;
const SAMPLES = 6;
/** Bytes that a unit reads, of the loop that tells the bandwidth. */
const SLAB = 1 << 19;

interface Kind {
  readonly label: string;
  /** Its beginning. */
  readonly kernel: string;
  readonly op?: 'MatMul' | 'CastMatMul';
  readonly attrs?: Call['attrs'];
  constants(size: Size): readonly Tensor[];
  /** Share of inputs that are zero. */
  readonly zeros?: number;
}

let state = 1;
/** Uniform in [0, 1), the same in every run. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const below = (most: number): number => 1 + Math.floor(random() * most);
function floats(dims: readonly number[], sparsity = 0): Tensor {
  const size = dims.reduce((x, y) => x * y, 1);
  return new Tensor(
    'float32',
    Float32Array.from({ length: size }, () => (random() < sparsity ? 0 : 0.01 + random())),
    dims,
  );
}
function bytes([k, n]: Size, sparsity: number): Tensor {
  const level = (): number => (random() < sparsity ? 0 : below(127) * (random() < 0.5 ? -1 : 1));
  return new Tensor('int8', Int8Array.from({ length: k * n }, level), [k, n]);
}
/** Levels of -8 to -8 + `most`, or zero. */
function nibbles([k, n]: Size, sparsity: number, most = 15): Tensor {
  const level = (): number => (random() < sparsity ? 0 : (8 + below(most)) & 15);
  return new Tensor(
    'int4',
    Int8Array.from({ length: (k * n) / 2 }, () => level() | (level() << 4)),
    [k, n],
  );
}

const grouped = { axis: 0, block_size: 32 };
const byColumn = (label: string, kernel: string, sparsity = 0): Kind => ({
  ...{ label, kernel },
  constants: (size) => [bytes(size, sparsity), floats([size[1]])],
});
const byGroup = (label: string, kernel: string, sparsity = 0, most = 15): Kind => ({
  ...{ label, kernel, attrs: grouped },
  constants: (size) => [nibbles(size, sparsity, most), floats([size[0] / 32, size[1]])],
});
const real = (label: string, kernel: string, sparsity = 0): Kind => ({
  ...{ label, kernel, op: 'MatMul' },
  constants: (size) => [floats(size, sparsity)],
});

const half = (label: 'float16' | 'bfloat16'): Kind => ({
  ...{ label, kernel: 'matmul_f32h16_dense', op: 'CastMatMul' },
  constants: ([k, n]) => [
    new Tensor(
      label,
      Uint16Array.from({ length: k * n }, () => 0x3c00 + below(999)),
      [k, n],
    ),
  ],
});

const kinds: readonly Kind[] = [
  byColumn('int8', 'matmul_f32i_planes'),
  byGroup('int4', 'matmul_f32i_planes'),
  byGroup('bits3', 'matmul_f32i_planes', 0, 7),
  byGroup('bits2', 'matmul_f32i_planes', 0, 3),
  half('float16'),
  half('bfloat16'),
  ...[0.5, 0.7, 0.8].map((zeros) => byColumn(`bitmask8 ${100 * zeros} %`, 'matmul_f32i_bitmask', zeros)),
  ...[0.5, 0.7, 0.8].map((zeros) => byGroup(`bitmask4 ${100 * zeros} %`, 'matmul_f32i_bitmask', zeros)),
  ...[0.5, 0.8].flatMap((zeros) => [
    { ...byColumn(`active8 ${100 * zeros} %`, 'matmul_f32i_active'), zeros },
    { ...byGroup(`active4 ${100 * zeros} %`, 'matmul_f32i_active'), zeros },
  ]),
  real('float32', 'matmul_f32_dense'),
  byColumn('wide8', 'matmul_f32i8_dense'),
  byGroup('wide4', 'matmul_f32i4_dense'),
];

/** A list that goes through so many matrices, of which there are `distinct`. */
interface Product {
  readonly work: Work;
  readonly law: number;
  readonly lists: readonly (() => Promise<void>)[];
  /** Matrices of a list. */
  readonly steps: number;
  /** Milliseconds that packing a matrix took. */
  readonly packed: number;
  dispose(): void;
}

async function productOf(
  backend: NativeBackend,
  kind: Kind,
  [k, n]: Size,
  isCold: boolean,
  rates: Readonly<Record<string, number>>,
): Promise<Product> {
  const tensors = kind.constants([k, n]);
  const desc = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const call: Call = {
    ...{
      node: 'product',
      op: kind.op ?? 'DequantizeMatMul',
      domain: kind.op === 'MatMul' ? '' : ESPALIER,
      epilogue: [],
    },
    attrs: kind.op ? {} : { axis: 1, block_size: 0, sparse_input: Number((kind.zeros ?? 0) > 0), ...kind.attrs },
    inputs: [desc(1, k), ...tensors.map(({ type, dims }) => ({ dtype: type, shape: dims }))],
    outputs: [desc(1, n)],
  };
  const constants: Constants = [
    undefined,
    ...tensors.map((tensor) => {
      const nonzeros = tensor.type === 'int4' ? tensor.size : (tensor.data as Int8Array).filter((x) => x !== 0).length;
      return { tensor, structure: { elements: tensor.size, nonzeros } };
    }),
  ];
  const kernel = backend.kernels.find(
    ({ name, requires }) => name.startsWith(kind.kernel) && requires!.every((f) => backend.features.has(f)),
  )!;
  const work = kernel.work(call, {}, constants) as Work;
  if ('reason' in work) throw new Error(`${kind.label}: ${work['reason']}`);
  const started = performance.now();
  const programs: NativeProgram[] = [];
  for (let i = 0; i < (isCold ? Math.ceil(STREAM_BYTES / work.resident) : 1); i++)
    programs.push((await kernel.prepare!(call, constants, { features: backend.features })) as NativeProgram);
  const packed = (performance.now() - started) / programs.length;
  const steps = isCold ? Math.ceil(PART_BYTES / work.resident) : 32;
  const lists = Array.from({ length: isCold ? Math.floor(programs.length / steps) : 1 }, (_, list) =>
    backend.record(
      Array.from({ length: steps }, (_, i): Step<NativeProgram> => {
        const program = programs[(list * steps + i) % programs.length]!;
        return { call, kernel: kernel.name, program, inputs: [0], outputs: [1] };
      }),
    ),
  );
  const slots = [k, n].map((elements) => ({ buffer: backend.alloc(4 * elements), offset: 0 }));
  const input = Float32Array.from({ length: k }, () => (random() < (kind.zeros ?? 0) ? 0 : random() - 0.5));
  backend.write(slots[0]!.buffer, 0, new Uint8Array(input.buffer));
  return {
    ...{ work, law: kernel.law!(work, rates), steps, packed },
    lists: lists.map((list) => () => list.run(slots, {})),
    dispose() {
      for (const list of lists) list.dispose();
      for (const program of programs) program.dispose!();
      for (const { buffer } of slots) backend.free(buffer);
    },
  };
}

/** Seconds of a run of each, the least of those of its lists: these take turns with those of others. */
async function race(...all: readonly (readonly (() => Promise<void>)[])[]): Promise<number[]> {
  const best = all.map(() => Number.POSITIVE_INFINITY);
  const most = Math.max(...all.map((lists) => lists.length));
  for (let sample = 0; sample <= SAMPLES * most; sample++)
    for (const [i, lists] of all.entries()) {
      const started = performance.now();
      await lists[sample % lists.length]!();
      // The first runs bind lists.
      if (sample > most) best[i] = Math.min(best[i]!, (performance.now() - started) / 1000);
    }
  return best;
}

/** Loads, and fetches of what comes in 4 kB, as fast as memory gives. */
function emitReads(): Uint8Array {
  const a = new Assembler();
  a.mov(rax, at(rdi), 0);
  a.imuli(rsi, rsi, SLAB);
  a.add(rax, rsi);
  a.movi(rcx, SLAB / 512);
  const loop = a.here();
  for (let offset = 0; offset < 512; offset += 64) {
    a.prefetcht0(at(rax), 4096 + offset);
    a.vmovups(zmm(offset / 64), at(rax), offset);
  }
  a.addi(rax, 512);
  a.dec(rcx);
  a.jnz(loop);
  a.ret();
  return a.finish().slice();
}

async function main(threads: number, wanted: readonly string[]): Promise<void> {
  const engine = startEngine({ threads });
  if ('reason' in engine) throw new Error(engine.reason);
  const backend = createNativeBackend({ threads }) as NativeBackend;
  const rates = await backend.calibrate();
  const pool = engine.memory.alloc(STREAM_BYTES + SLAB);
  pool.view.fill(1);
  const code = loadCode(engine.addon, [emitReads()]);
  const units = Math.floor(PART_BYTES / SLAB);
  const none: Call = { node: '', op: '', domain: '', inputs: [], outputs: [], attrs: {}, epilogue: [] };
  const reading = Array.from({ length: STREAM_BYTES / PART_BYTES }, (_, i) => {
    const args = [pool.address + i * units * SLAB];
    const phase = { code: code.addresses[0]!, units: () => units, args: () => args };
    const program: NativeProgram = { resident: 0, phases: [phase] };
    return recordList(engine, [{ call: none, kernel: '', program, inputs: [], outputs: [] }]);
  });
  console.log(`\n${engine.team} thread(s)`);
  const own = new Map<string, number>();
  for (const kind of kinds) {
    if (wanted.length > 0 && !wanted.some((name) => kind.label.startsWith(name))) continue;
    const cold = await productOf(backend, kind, COLD, true, rates);
    const hot = await productOf(backend, kind, HOT, false, rates);
    const [read, all, small] = (await race(
      reading.map((list) => () => list.run([], {})),
      cold.lists,
      hot.lists,
    )) as [number, number, number];
    const seconds = all / cold.steps;
    own.set(kind.label, seconds);
    const bandwidth = (units * SLAB) / read;
    const share = 1 - (kind.zeros ?? 0);
    const rate = (share * cold.work.resident) / seconds;
    const times = ['int8', 'int4'].map((label) => {
      const dense = own.get(label);
      return dense === undefined ? '' : `${(dense / seconds).toFixed(2)} x ${label}`;
    });
    console.log(
      [
        kind.label.padEnd(20),
        `${(seconds * 1e6).toFixed(0)} us`.padStart(8),
        `${(rate / 1e9).toFixed(1)} of ${(bandwidth / 1e9).toFixed(1)} GB/s`.padStart(18),
        `${((100 * rate) / bandwidth).toFixed(0)} %`.padStart(6),
        `hot ${((share * hot.work.resident * hot.steps) / small / 1e9).toFixed(1)} GB/s`.padStart(14),
        ...times.map((text) => text.padStart(11)),
        `law ${(seconds / cold.law).toFixed(2)}, hot ${(small / hot.steps / hot.law).toFixed(2)}`,
        `packed in ${cold.packed.toFixed(0)} ms`,
      ].join('  '),
    );
    cold.dispose();
    hot.dispose();
  }
  for (const list of reading) list.dispose();
  code.dispose();
  engine.memory.free(pool);
  engine.dispose();
  backend.dispose();
}

const teams = ['1', '2'];
const asked = process.argv.slice(2);
const chosen = teams.filter((threads) => asked.includes(threads));
for (const threads of chosen.length > 0 ? chosen : teams)
  await main(
    Number(threads),
    asked.filter((name) => !teams.includes(name)),
  );
