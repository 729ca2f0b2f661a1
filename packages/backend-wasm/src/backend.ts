/** The wasm backend: a table of kernels over the engine. */

import { type Backend, EspalierError, type Kernel, type Partition } from '@espalier/core';
import { calibrate } from './calibrate.ts';
import { type Engine, type EngineOptions, startEngine } from './engine.ts';
import type { WasmKernel } from './kernel.ts';
import { attention } from './kernels/attention/index.ts';
import { convolution } from './kernels/conv/index.ts';
import { convolutionSparse } from './kernels/conv_sparse/index.ts';
import { matmul } from './kernels/matmul/index.ts';
import { matmulFew } from './kernels/matmul_few/index.ts';
import { matmulInt8 } from './kernels/matmul_int8/index.ts';
import { matmulSparse } from './kernels/matmul_sparse/index.ts';
import { movement } from './kernels/movement/index.ts';
import { normalization } from './kernels/normalization/index.ts';
import { pointwise } from './kernels/pointwise/index.ts';
import { dynamicQuantization } from './kernels/quantize/dynamic.ts';
import { recurrent } from './kernels/recurrent/index.ts';
import { reduce } from './kernels/reduce/index.ts';
import { softmax } from './kernels/softmax/index.ts';
import { windows } from './kernels/window/index.ts';
import { recordList } from './list.ts';
import { MAX_BUFFER_BYTES, Memory, type WasmBuffer } from './memory.ts';
import type { WasmProgram } from './program.ts';

export type WasmBackend = Backend<WasmBuffer, WasmProgram>;

/** Every kernel. */
const table = (): readonly WasmKernel[] => [
  ...matmul,
  ...matmulSparse,
  ...matmulFew,
  ...matmulInt8,
  ...attention,
  ...convolution,
  ...convolutionSparse,
  ...windows,
  ...pointwise,
  ...softmax,
  ...dynamicQuantization,
  ...normalization,
  ...recurrent,
  ...movement,
  ...reduce,
];

export type WasmOptions = EngineOptions;

/** The backend, or in one line why this host has none: the next backend serves then. */
export function createWasmBackend(options: WasmOptions = {}): Promise<WasmBackend | { readonly reason: string }> {
  return createWasmBackendOf(table(), options);
}

/** The backend with some kernels alone, for pages that count every kilobyte, or with one's own. */
export async function createWasmBackendOf(
  kernels: readonly WasmKernel[],
  options: WasmOptions = {},
): Promise<WasmBackend | { readonly reason: string }> {
  const engine = await startEngine(options);
  if ('reason' in engine) return engine;
  const { features } = engine;
  // Of kernels that are written for several instruction sets, those for the best one serve all calls that others do.
  const isa = features.has('relaxed-simd') ? 'relaxed' : 'simd';
  return {
    id: 'wasm',
    apiVersion: 1,
    features,
    limits: { alignment: 64, maxBufferBytes: MAX_BUFFER_BYTES, threads: engine.team },
    kernels: kernels
      .filter(({ name }) => !name.endsWith(isa === 'relaxed' ? '__simd' : '__relaxed'))
      .map(
        (row): Kernel<WasmProgram> => ({
          ...row,
          prepare: (call, constants, { partition }) => row.prepare(call, constants, engines.get(partition!) ?? engine),
        }),
      ),
    hint: engine.hint,
    calibrate: (signal) => calibrate(engine, signal),
    ...partitionOf(engine),
    partition: () => partitionOf({ ...engine, memory: new Memory(engine.memory.household) }),
    dispose() {
      const { live } = engine.memory.household;
      if (live > 0)
        throw new EspalierError(
          'BAD_INPUT',
          `${live} bytes of WebAssembly memory are still in use: dispose the sessions first`,
        );
      engine.dispose();
    },
  };
}

type WasmPartition = Partition<WasmBuffer, WasmProgram>;

/** What kernels find their engine by. */
const engines = new WeakMap<object, Engine>();

/** Memory, and what works in it. */
function partitionOf(engine: Engine): WasmPartition {
  const { memory } = engine;
  const partition: WasmPartition = {
    alloc: (bytes) => memory.alloc(bytes),
    free: (buffer) => memory.free(buffer),
    write: (buffer, offset, bytes) => memory.write(buffer, offset, bytes),
    read: (buffer, offset, bytes) => memory.read(buffer, offset, bytes),
    ...(engine.pool.isShared ? { view: (buffer: WasmBuffer) => memory.view(buffer)! } : {}),
    record: (steps) => recordList(engine, steps),
  };
  engines.set(partition, engine);
  return partition;
}
