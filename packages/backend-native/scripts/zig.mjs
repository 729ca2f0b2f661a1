// zig as a C++ compiler for other platforms: from PyPI (package ziglang) into .cache, or the command in ESPALIER_ZIG.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = 'ziglang==0.13.0';
const root = join(import.meta.dirname, '../../..');

/** Where what is generated goes. */
export const cache = join(root, '.cache/addon');
mkdirSync(cache, { recursive: true });

let found;

/**
 * Runs zig. Ends the process with what it says where it fails; else it is silent: zig compiles C libraries too, with warnings of
 * their own.
 */
export function zig(args) {
  found ??= findZig();
  const zigCache = join(root, '.cache/zig-cache');
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: zigCache, ZIG_LOCAL_CACHE_DIR: zigCache };
  run([...found, ...args], { env });
}

/** Writes a generated source and returns its path. */
export function generate(name, lines) {
  const file = join(cache, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a command, silent unless it fails; ends the process then. */
export function run([command, ...args], options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status !== 0)
    fail(`${stdout ?? ''}${stderr ?? ''}${command} ${args.slice(0, 4).join(' ')} failed: ${error?.message ?? status}`);
  return stdout;
}

function findZig() {
  if (process.env.ESPALIER_ZIG) return process.env.ESPALIER_ZIG.split(' ');
  const venv = join(root, '.cache/zig');
  const python = join(venv, 'bin/python');
  if (!existsSync(python)) run(['python3', '-m', 'venv', venv]);
  if (spawnSync(python, ['-m', 'ziglang', 'version'], { stdio: 'ignore' }).status !== 0)
    run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', VERSION]);
  return [python, '-m', 'ziglang'];
}
