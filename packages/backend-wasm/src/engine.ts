/** What kernels and lists work with: memory, compiled code, and threads that run it. */

import { CodeCache } from './code.ts';
import { findFeatures, type WasmFeature } from './features.ts';
import { Memory } from './memory.ts';
import type { Pool } from './pool.ts';
import { acquirePool, releasePool } from './pools.ts';
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
  readonly pool: Pool;
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
  const { pool, hint } = await startPool(features.has('threads'), options);
  const memory = new Memory({ pool, live: 0 });
  return {
    features,
    memory,
    code: new CodeCache(pool.isShared),
    pool,
    team: pool.isShared ? (options.threads ?? defaultThreads()) : 1,
    hint,
    dispose() {
      memory.dispose();
      releasePool(pool);
    },
  };
}

const ISOLATE =
  'serve the page with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';

/** The best pool that this host can have. */
async function startPool(
  isShared: boolean,
  { threads = defaultThreads(), workerUrl }: EngineOptions,
): Promise<{ readonly pool: Pool; readonly hint?: string }> {
  try {
    if (isShared) return { pool: await acquirePool(threads, { workerUrl, isShared }) };
    return { pool: await acquirePool(1, { workerUrl, isShared }), hint: `runs on one worker: for more, ${ISOLATE}` };
  } catch (error) {
    return {
      pool: await acquirePool(1, { isShared: false, isHere: true }),
      hint: `runs on this thread (${(error as Error).message}): for more, pass the address of worker.js as workerUrl`,
    };
  }
}
