// What every build of the addon shares: sources, headers from npm, flags.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The package. */
export const root = join(import.meta.dirname, '..');
// The headers are the build's dependencies, not the package's.
export const require = createRequire(join(root, '../../tooling/build/package.json'));

/** Every file of the addon, headers and checks included: what a build is as old as. */
export const files = readdirSync(join(root, 'addon')).map((name) => join(root, 'addon', name));
export const sources = files.filter((file) => file.endsWith('.cc'));

const headers = [require('node-addon-api').include_dir, require('node-api-headers').include_dir];

export const flags = [
  '-std=c++20',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-DNAPI_VERSION=8',
  '-DNAPI_CPP_EXCEPTIONS',
  '-DBUILDING_NODE_EXTENSION',
  ...headers.map((path) => `-I${path.replaceAll('"', '')}`),
];
