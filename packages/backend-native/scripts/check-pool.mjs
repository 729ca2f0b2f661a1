// Runs the thread pool, without Node, under the thread sanitizer and under the address and undefined-behaviour sanitizers.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const sources = ['addon/pool.cc', 'addon/pool_check.cpp'].map((file) => join(root, file));
const compiler = process.env.CXX ?? 'g++';
mkdirSync(join(root, 'build'), { recursive: true });
for (const sanitizers of ['thread', 'address,undefined']) {
  const program = join(root, 'build', `pool-check-${sanitizers.split(',')[0]}`);
  const flags = ['-std=c++20', '-O1', '-g', '-pthread', `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all'];
  const built = spawnSync(compiler, [...flags, ...sources, '-o', program], { stdio: 'inherit' });
  // The thread sanitizer wants the address space laid out as it expects.
  const ran = built.status === 0 ? spawnSync('setarch', ['-R', program], { stdio: 'inherit' }) : undefined;
  if (ran?.status !== 0) {
    console.error(`the pool fails under ${sanitizers}`);
    process.exit(1);
  }
}
