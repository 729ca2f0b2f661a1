// What a package publishes, read from its package.json alone: one list for tsup, for the quick builder and for the checks.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The condition under which a package's exports name its sources instead of its build. */
export const SOURCE_CONDITION = 'espalier-source';

/** Reads `directory`/package.json. */
export function readManifest(directory) {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
}

/**
 * The entries of a package: `{ index: 'src/index.ts', cli: 'src/cli.ts' }`. An export contributes its source condition, a
 * bin `dist/NAME.js` its `src/NAME.ts`.
 */
export function entries(directory) {
  const manifest = readManifest(directory);
  const found = {};
  for (const target of Object.values(manifest.exports ?? {})) {
    const source = target?.[SOURCE_CONDITION];
    if (source) found[outputName(target.default)] = source.replace(/^\.\//, '');
  }
  const bins = typeof manifest.bin === 'string' ? [manifest.bin] : Object.values(manifest.bin ?? {});
  for (const bin of bins) {
    const source = `src/${outputName(bin)}.ts`;
    if (existsSync(join(directory, source))) found[outputName(bin)] = source;
  }
  return found;
}

function outputName(path) {
  return path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '');
}
