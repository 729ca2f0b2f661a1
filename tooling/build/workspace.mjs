// The packages of this repository, read from their package.json files: no dependency, so that it works before an install.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readManifest } from './entries.mjs';

/** The root of the repository. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Every workspace package: `{ name, directory (absolute), path (from the root), manifest }`, in the order of their paths. */
export function workspacePackages() {
  const found = [];
  for (const parent of ['apps', 'docs', 'packages', 'tooling']) {
    for (const child of readdirSync(join(root, parent)).sort()) {
      const directory = join(root, parent, child);
      if (!existsSync(join(directory, 'package.json'))) continue;
      const manifest = readManifest(directory);
      found.push({ name: manifest.name, directory, path: `${parent}/${child}`, manifest });
    }
  }
  return found;
}

/** `name` and the workspace packages it depends on, each after the ones it needs. */
export function closure(name) {
  const byName = new Map(workspacePackages().map((each) => [each.name, each]));
  const ordered = new Map();
  const visit = (current) => {
    const found = byName.get(current);
    if (!found || ordered.has(current)) return;
    const { dependencies, optionalDependencies } = found.manifest;
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) visit(dependency);
    ordered.set(current, found);
  };
  visit(name);
  return [...ordered.values()];
}
