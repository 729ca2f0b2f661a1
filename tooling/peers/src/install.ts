/** Packages that are compared with: installed into .cache/peers when first asked for, never a dependency of anything. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../../../.cache/peers');

/** Where an npm package is, which is installed in this version if it is not there yet. */
export function peerFolder(name: string, version: string): string {
  const home = join(folder, `${name}-${version}`);
  const installed = join(home, 'node_modules', name);
  if (!existsSync(join(installed, 'package.json'))) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}');
    // onnxruntime-node's own install script would download what its tarball holds already.
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet, `${name}@${version}`], {
      cwd: home,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    });
  }
  return installed;
}

/** The module of an npm package. */
export function installPeer(name: string, version: string): unknown {
  return createRequire(join(peerFolder(name, version), 'index.js'))(name);
}
