/** What kernels and lists work with: memory, compiled code, and threads that run it. */

import { CodeCache } from './code.ts';
import type { Executor } from './executor.ts';
import { findFeatures, type WasmFeature } from './features.ts';
import { Memory } from './memory.ts';
import { acquirePool, type Pool, releasePool } from './pool.ts';
import { createSlicedExecutor } from './slices.ts';
import { defaultThreads } from './threads.ts';

export interface EngineOptions {
  /** Threads that a run may use; see {@link defaultThreads} when absent. */
  readonly threads?: number | undefined;
  /** Where this package's `worker.js` is served, for pages whose bundler does not find it by itself. */
  readonly workerUrl?: string | URL | undefined;
  /** Features to hide, to try the kernels of lesser engines. */
  readonly mask?: readonly WasmFeature[] | undefined;
}

export interface Engine {
  readonly features: ReadonlySet<WasmFeature>;
  /** Of a model, or for what belongs to none. */
  readonly memory: Memory;
  readonly code: CodeCache;
  readonly executor: Executor;
  /** Threads that one run may use. */
  readonly team: number;
  /** Where it is fewer than the host could give: how to get more. */
  readonly hint?: string | undefined;
  dispose(): void;
}

/** The engine, or in one line why this host has none. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine | { readonly reason: string }> {
  if (typeof WebAssembly !== 'object') return { reason: 'this host has no WebAssembly' };
  const features = findFeatures();
  for (const feature of options.mask ?? []) features.delete(feature);
  if (!features.has('simd')) return { reason: 'this engine has no 128-bit SIMD' };
  const made = await makeExecutor(features, options);
  const memory = new Memory(made.pool !== undefined, { live: 0, onDrop: () => made.pool?.renew() });
  return {
    features,
    memory,
    code: new CodeCache(memory.isShared),
    executor: made.pool ?? createSlicedExecutor(),
    team: made.pool ? (options.threads ?? defaultThreads()) : 1,
    hint: made.hint,
    dispose() {
      if (made.pool) releasePool(made.pool);
    },
  };
}

/** A pool, or why runs are to be done in slices. */
async function makeExecutor(
  features: ReadonlySet<WasmFeature>,
  { threads = defaultThreads(), workerUrl }: EngineOptions,
): Promise<{ readonly pool?: Pool; readonly hint?: string }> {
  if (!features.has('threads'))
    return {
      hint: 'runs in slices on one thread: for more, serve the page with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
    };
  try {
    return { pool: await acquirePool(threads, workerUrl) };
  } catch (error) {
    return {
      hint: `runs in slices on one thread (${(error as Error).message}): for more, pass the address of this package's worker.js as workerUrl`,
    };
  }
}
