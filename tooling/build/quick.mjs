// The quick build: JavaScript without declarations, for running from a clone. Packages whose sources did not change since
// the last time are left alone. What is published is built by tsup instead (tsup.ts), from the same entries.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, version } from 'esbuild';
import { entries } from './entries.mjs';
import { closure, root } from './workspace.mjs';

const stampFile = join(root, '.cache/quick-build.json');

/** Builds `name` and the workspace packages it needs. Returns the names of those that had to be built. */
export async function quickBuild(name) {
  const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
  const stale = closure(name)
    .map((each) => ({ ...each, entries: entries(each.directory), hash: hashSources(each.directory) }))
    .filter(({ name, directory, entries, hash }) => {
      const built = Object.keys(entries).every((entry) => existsSync(join(directory, 'dist', `${entry}.js`)));
      return !built || stamps[name] !== hash;
    });
  await Promise.all(
    stale.map(({ directory, entries }) =>
      build({
        absWorkingDir: directory,
        entryPoints: entries,
        outdir: 'dist',
        bundle: true,
        splitting: true,
        format: 'esm',
        target: 'es2022',
        platform: 'neutral',
        packages: 'external',
        logLevel: 'warning',
      }),
    ),
  );
  if (stale.length > 0) {
    for (const { name, hash } of stale) stamps[name] = hash;
    mkdirSync(dirname(stampFile), { recursive: true });
    writeFileSync(stampFile, JSON.stringify(stamps, null, 2));
  }
  return stale.map(({ name }) => name);
}

function hashSources(directory) {
  const hash = createHash('sha256')
    .update(version)
    .update(readFileSync(fileURLToPath(import.meta.url)));
  hash.update(readFileSync(join(directory, 'package.json')));
  const files = readdirSync(join(directory, 'src'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  for (const path of files.map((e) => join(e.parentPath ?? e.path, e.name)).sort()) {
    hash.update(path.slice(directory.length)).update(readFileSync(path));
  }
  return hash.digest('hex');
}
