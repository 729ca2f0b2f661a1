/** onnxruntime-node, for comparison: installed when a suite first asks for it, never a dependency of anything. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { elements } from '@espalier/core';
import { Tensor } from 'espalier';

const VERSION = '1.30.0';
const folder = resolve(import.meta.dirname, '../../../.cache/peers');

interface PeerTensor {
  readonly type: string;
  readonly data: ArrayLike<number | bigint | string>;
  readonly dims: readonly number[];
}

interface PeerModule {
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => PeerTensor;
  readonly InferenceSession: {
    create(
      path: string,
      options: object,
    ): Promise<{ run(feeds: Record<string, PeerTensor>): Promise<Record<string, PeerTensor>> }>;
  };
}

/** A model in onnxruntime, on one thread, with Espalier's tensors in and out. */
export interface PeerSession {
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
}

export async function peerSession(file: string): Promise<PeerSession> {
  const module = load();
  const session = await module.InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    async run(feeds) {
      const given = Object.entries(feeds).map(([name, { type, data, dims }]) => [
        name,
        new module.Tensor(type, data, dims),
      ]);
      const results = await session.run(Object.fromEntries(given));
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, data, dims }]) => [
          name,
          new Tensor(type as Tensor['type'], data as never, dims),
        ]),
      );
    },
  };
}

function load(): PeerModule {
  const home = join(folder, `onnxruntime-node-${VERSION}`);
  const entry = join(home, 'node_modules/onnxruntime-node');
  if (!existsSync(join(entry, 'package.json'))) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}');
    // Its own install script would download what its tarball holds already.
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `onnxruntime-node@${VERSION}`], {
      cwd: home,
      env,
      stdio: 'inherit',
    });
  }
  return createRequire(join(home, 'index.js'))('onnxruntime-node') as PeerModule;
}

/** The largest difference, relative to the largest magnitude expected; Infinity where types or shapes differ or one is NaN. */
export function distance(actual: Tensor, expected: Tensor): number {
  if (actual.type !== expected.type || String(actual.dims) !== String(expected.dims)) return Number.POSITIVE_INFINITY;
  const [a, b] = [elements(actual).map(Number), elements(expected).map(Number)];
  let scale = 0;
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i]) !== Number.isNaN(b[i])) return Number.POSITIVE_INFINITY;
    scale = Math.max(scale, Math.abs(b[i]!));
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
  }
  return scale === 0 ? difference : difference / scale;
}
