/** One pool for all backends that agree in what it is. */

import { Pool, type PoolOptions } from './pool.ts';

const pools = new Map<string, { readonly pool: Pool; users: number }>();

/** A pool with as many threads at least; give it back with {@link releasePool}. @throws Error where the host starts no worker */
export async function acquirePool(threads: number, options: PoolOptions): Promise<Pool> {
  const { workerUrl, isShared, isHere } = options;
  const key = `${workerUrl} ${isShared} ${isHere}`;
  const entry = pools.get(key) ?? { pool: new Pool(options), users: 0 };
  pools.set(key, entry);
  entry.users++;
  try {
    await entry.pool.grow(threads);
  } catch (error) {
    releasePool(entry.pool);
    throw error;
  }
  return entry.pool;
}

/** Ends the workers when nobody uses them any more. */
export function releasePool(pool: Pool): void {
  for (const [key, entry] of pools) {
    if (entry.pool !== pool || --entry.users > 0) continue;
    pools.delete(key);
    pool.dispose();
  }
}
