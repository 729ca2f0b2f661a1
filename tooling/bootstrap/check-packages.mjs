// Packs every published package as npm would get it, and checks the tarballs: publint, @arethetypeswrong/cli (ESM only), and
// that no source condition slipped through. Run after a build.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { readManifest, SOURCE_CONDITION } from '../build/entries.mjs';
import { root, workspacePackages } from '../build/workspace.mjs';

const packed = join(root, '.cache/packed');
const pnpm = join(root, 'node_modules/pnpm/bin/pnpm.cjs');
const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
rmSync(packed, { recursive: true, force: true });
mkdirSync(packed, { recursive: true });

let failures = 0;
for (const { name, directory, manifest, isPlatform } of [...published(), ...platforms()]) {
  const problems = [];
  const tarball = pack(directory, name);
  const bytes = readFileSync(tarball);

  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) },
  });
  problems.push(...messages.filter(({ type }) => type !== 'suggestion').map((message) => formatMessage(message, pkg)));

  const types = isPlatform
    ? { status: 0 }
    : spawnSync(process.execPath, [attw, tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-color'], {
        encoding: 'utf8',
      });
  if (types.status !== 0) problems.push(`${types.stdout}${types.stderr}`.trim());

  const published = execFileSync('tar', ['-xOzf', tarball, 'package/package.json'], { encoding: 'utf8' });
  if (published.includes(SOURCE_CONDITION)) problems.push(`its published package.json names ${SOURCE_CONDITION}`);
  if (published.includes('workspace:')) problems.push('its published package.json has workspace: versions');
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  for (const needed of ['package/LICENSE', 'package/README.md'])
    if (!files.includes(needed)) problems.push(`it lacks ${needed}`);
  if (files.some((file) => file.endsWith('.node')) !== isPlatform)
    problems.push('compiled code is where it does not belong, or missing');

  failures += problems.length;
  const size = `${(bytes.length / 1000).toFixed(1)} kB`;
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} ${manifest.version}, ${files.length} files, ${size}`);
  for (const problem of problems) console.log(`     ${problem.replaceAll('\n', '\n     ')}`);
}
process.exitCode = failures === 0 ? 0 : 1;

function published() {
  return workspacePackages()
    .filter((each) => !each.manifest.private)
    .map((each) => ({ ...each, isPlatform: false }));
}

/** The packages that carry the native addon, as far as it is built for them here. */
function platforms() {
  const parent = join(root, 'packages/backend-native/platforms');
  return readdirSync(parent)
    .map((child) => join(parent, child))
    .filter((directory) => existsSync(join(directory, 'prebuilds')))
    .map((directory) => ({ directory, manifest: readManifest(directory), isPlatform: true }))
    .map((each) => ({ ...each, name: each.manifest.name }));
}

function pack(directory, name) {
  const file = join(packed, `${name.replace('@', '').replace('/', '-')}.tgz`);
  execFileSync(process.execPath, [pnpm, 'pack', '--out', file], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}
