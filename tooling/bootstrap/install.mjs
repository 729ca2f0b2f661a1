// Installs dependencies from a bare clone with nothing but Node and npm, and only when they are out of step with the lockfile.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { root } from '../build/workspace.mjs';

const stampFile = join(root, 'node_modules/.espalier-installed.json');
const pnpmVersion = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager.match(
  /^pnpm@([^+]+)/,
)[1];

/** No tool of ours phones home or nags about its next version. */
export const quietEnvironment = {
  DO_NOT_TRACK: '1',
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  NO_UPDATE_NOTIFIER: '1',
  npm_config_update_notifier: 'false',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
};

/**
 * Makes node_modules hold what `scope` needs: 'all', or the name of one workspace package (then that package, what it
 * depends on, and the quick builder). A tree that holds everything stays whole. Exits with a message when it cannot.
 */
export function ensureInstalled(scope) {
  checkNode();
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(root, file)));
  const lockfile = hash.digest('hex');
  const installed = readStamp();
  const all = scope === 'all' || installed?.scope === 'all';
  if (installed?.lockfile === lockfile && installed.scope === (all ? 'all' : scope)) return;

  const what = all ? 'all dependencies (about 350 MB)' : `what ${scope} needs (about 45 MB)`;
  console.log(`Installing ${what} with pnpm ${pnpmVersion} ...`);
  const started = Date.now();
  const part = all ? [] : ['--filter', `${scope}...`, '--filter', '@espalier/build', '--prod'];
  const status = runPnpm([...part, 'install', '--frozen-lockfile', '--reporter', 'append-only', '--loglevel', 'error']);
  if (status !== 0) {
    console.error(
      '\nThe install failed; the reason is above. If a package.json changed, `pnpm install` updates the lockfile.',
    );
    process.exit(status);
  }
  writeFileSync(stampFile, JSON.stringify({ lockfile, scope: all ? 'all' : scope }));
  console.log(`Installed in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
}

/** Builds the native addon where its sources changed; says in one line where there is no compiler. */
export function buildAddon() {
  const script = join(root, 'packages/backend-native/scripts/build-addon.mjs');
  spawnSync(process.execPath, [script, '--if-possible'], { stdio: 'inherit' });
}

/** What was installed last; a tree that pnpm itself made counts as whole, of an unknown lockfile. */
function readStamp() {
  if (existsSync(stampFile)) return JSON.parse(readFileSync(stampFile, 'utf8'));
  return existsSync(join(root, 'node_modules/vitest')) ? { lockfile: '', scope: 'all' } : undefined;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(
    `Espalier needs Node 20.19 or later; this is ${process.version}. Install a current Node and run this again.`,
  );
  process.exit(1);
}

function runPnpm(args) {
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: environment() };
  const local = join(root, 'node_modules/pnpm/bin/pnpm.cjs');
  const npm = process.env.npm_execpath;
  let result;
  if (existsSync(local)) result = spawnSync(process.execPath, [local, ...args], options);
  else if (npm && /^(npm|npx)-cli\.c?js$/.test(basename(npm))) {
    result = spawnSync(
      process.execPath,
      [npm, 'exec', '--yes', `--package=pnpm@${pnpmVersion}`, '--', 'pnpm', ...args],
      options,
    );
  } else {
    const shell = process.platform === 'win32';
    result = spawnSync('npx', ['--yes', `pnpm@${pnpmVersion}`, ...args], { ...options, shell });
  }
  if (result.error) console.error(`pnpm could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

/** The environment for the install: caches go into the repository when there is no home directory to write to. */
function environment() {
  const env = { ...process.env, ...quietEnvironment, CI: process.env.CI ?? 'true' };
  if (isWritable(homedir())) return env;
  const cache = join(root, '.cache');
  return {
    ...env,
    HOME: cache,
    npm_config_cache: join(cache, 'npm'),
    XDG_CACHE_HOME: join(cache, 'xdg'),
    XDG_DATA_HOME: join(cache, 'xdg'),
    XDG_STATE_HOME: join(cache, 'xdg'),
  };
}

function isWritable(directory) {
  if (!directory) return false;
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
