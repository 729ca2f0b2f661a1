/** The native backend: the table of kernels over the engine. */

import { type Backend, type Call, EspalierError, type Kernel } from '@espalier/core';
import { calibrate } from './calibrate.ts';
import { type EngineOptions, type StartedEngine, startEngine } from './engine.ts';
import type { NativeKernel } from './kernel.ts';
import { attention, attentionBf16 } from './kernels/attention/index.ts';
import { convolution } from './kernels/conv/index.ts';
import { convInt8 } from './kernels/conv_int8/index.ts';
import { interleaveInt8 } from './kernels/conv_int8/interleave.ts';
import { poolInt8 } from './kernels/conv_int8/pool.ts';
import { convolutionSparseBytes } from './kernels/conv_sparse/bytes.ts';
import { convolutionSparse } from './kernels/conv_sparse/index.ts';
import { lines } from './kernels/lines/index.ts';
import { matmul } from './kernels/matmul/index.ts';
import { matmulBf16 } from './kernels/matmul_bf16/index.ts';
import { matmulFew } from './kernels/matmul_few/index.ts';
import { matmulInt8 } from './kernels/matmul_int8/index.ts';
import { matmulSparse } from './kernels/matmul_sparse/index.ts';
import { movement } from './kernels/movement/index.ts';
import { runCopy } from './kernels/movement/pieces.ts';
import { normalization } from './kernels/normalization/index.ts';
import { pointwise } from './kernels/pointwise/index.ts';
import { quantization } from './kernels/quantize/index.ts';
import { recurrent } from './kernels/recurrent/index.ts';
import { reduce } from './kernels/reduce/index.ts';
import { softmax } from './kernels/softmax/index.ts';
import { windows } from './kernels/window/index.ts';
import { winograd } from './kernels/winograd/index.ts';
import { recordList } from './list.ts';
import { MAX_BUFFER_BYTES, type NativeBuffer } from './memory.ts';
import type { NativeProgram } from './program.ts';

export type NativeBackend = Backend<NativeBuffer, NativeProgram>;

/** The table. */
const table: readonly NativeKernel[] = [
  ...matmul,
  ...matmulFew,
  ...matmulSparse,
  ...matmulInt8,
  ...attention,
  ...convolution,
  ...convInt8,
  ...interleaveInt8,
  ...poolInt8,
  ...convolutionSparse,
  convolutionSparseBytes,
  ...windows,
  ...winograd,
  ...pointwise,
  ...softmax,
  ...quantization,
  ...normalization,
  ...recurrent,
  ...movement,
  ...reduce,
  ...lines,
];

export interface NativeOptions extends EngineOptions {
  /** What kernels may round to for speed: nothing below float32 unless asked. */
  readonly precision?: 'float32' | 'bfloat16';
}

/** The backend, or in one line why this host has none: the next backend serves then. */
export function createNativeBackend(options: NativeOptions = {}): NativeBackend | { readonly reason: string } {
  const engine = startEngine(options);
  if ('reason' in engine) return engine;
  const { memory } = engine;
  return {
    id: 'native',
    apiVersion: 1,
    features: engine.features,
    limits: { alignment: 64, maxBufferBytes: MAX_BUFFER_BYTES, threads: engine.team },
    kernels: [...table, ...(options.precision === 'bfloat16' ? [...matmulBf16, ...attentionBf16] : [])].map(
      (row): Kernel<NativeProgram> => ({
        ...row,
        prepare: (call, constants) => row.prepare(withoutNames(call), constants, engine),
      }),
    ),
    calibrate: (signal) => calibrate(engine, signal),
    alloc: (bytes) => memory.alloc(bytes),
    free: (buffer) => memory.free(buffer),
    write: (buffer, offset, bytes) => buffer.view.set(bytes, offset),
    upload: (bytes) => upload(engine, bytes),
    read: async (buffer, offset, bytes) => buffer.view.slice(offset, offset + bytes),
    view: (buffer) => buffer.view,
    record: (steps) => recordList(engine, steps),
    dispose() {
      if (memory.live > 0)
        throw new EspalierError(
          'BAD_INPUT',
          `${memory.live} bytes of native memory are still in use: dispose the sessions first`,
        );
      engine.dispose();
    },
  };
}

/** Bytes that are copied in less time than another thread takes to wake. */
const SMALL_BYTES = 1 << 16;

async function upload(engine: StartedEngine, bytes: Uint8Array): Promise<NativeBuffer> {
  const { addon, memory, features } = engine;
  const buffer = memory.allocLasting(bytes.length);
  if (bytes.length <= SMALL_BYTES) {
    buffer.view.set(bytes);
    return buffer;
  }
  const strides = [1];
  const [to, from] = [buffer.address, addon.addressOf(bytes)].map((address) => ({ address, strides }));
  try {
    await runCopy(engine, features.has('avx512'), [{ extents: [bytes.length], to: to!, from: from! }], 1);
    return buffer;
  } catch (error) {
    memory.free(buffer);
    throw error;
  }
}

/** The call without the names of the nodes that were fused: code is shared where all that it is made from is the same. */
const withoutNames = (call: Call): Call => ({ ...call, epilogue: call.epilogue.map(({ name: _, ...step }) => step) });
