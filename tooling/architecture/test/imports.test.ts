// Who may import whom (see CONTRIBUTING.md, "Packages").
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readManifest, SOURCE_CONDITION } from '../../build/entries.mjs';
import { root, type WorkspacePackage, workspacePackages } from '../../build/workspace.mjs';
import { cycles, type Import, importsOf, packageOf, reachable, sourceFiles } from '../src/imports.ts';
import { alone, layerOf, nodeOnly } from '../src/layers.ts';

const all = workspacePackages();
const ours = new Set(all.map(({ name }) => name));
const published = all.filter(({ path }) => path.startsWith('packages/'));
const rootTools = Object.keys(readManifest(root).devDependencies ?? {});

const importsIn = (of: WorkspacePackage, ...folders: string[]): Import[] =>
  folders.flatMap((folder) => sourceFiles(join(of.directory, folder))).flatMap(importsOf);
const where = (each: Import): string => `${relative(root, each.file)} imports ${each.specifier}`;

describe.each(all)('$path', (current) => {
  const { name, manifest, directory } = current;
  const runtimeDependencies = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
  });
  const shipped = importsIn(current, 'src');

  test('declares what it imports', () => {
    const known = new Set([name, ...runtimeDependencies, ...(published.includes(current) ? [] : rootTools)]);
    const undeclared = shipped.filter(({ specifier }) => !known.has(packageOf(specifier) ?? name)).map(where);
    expect(undeclared, 'add them to dependencies').toEqual([]);
  });

  test('uses what it declares', () => {
    const text = sourceFiles(join(directory, 'src')).map((file) => readFileSync(file, 'utf8'));
    const index = join(directory, 'src/index.ts');
    const isStub = !existsSync(index) || /^(\s|\/\/.*|export \{\};)*$/.test(readFileSync(index, 'utf8'));
    const unused = runtimeDependencies.filter((each) => !text.some((source) => source.includes(`'${each}`)));
    if (!isStub) expect(unused, 'remove them from dependencies').toEqual([]);
  });

  test('declares what its tests import', () => {
    const known = new Set([name, ...runtimeDependencies, ...Object.keys(manifest.devDependencies ?? {}), ...rootTools]);
    const tests = importsIn(current, 'test', 'suite');
    const undeclared = tests.filter(({ specifier }) => !known.has(packageOf(specifier) ?? name)).map(where);
    expect(undeclared, 'add them to devDependencies').toEqual([]);
  });

  test('has no import cycle between its files', () => {
    const edges = new Map<string, string[]>();
    for (const { file, specifier, typeOnly } of shipped) {
      if (!edges.has(file)) edges.set(file, []);
      if (!typeOnly && specifier.startsWith('.')) edges.get(file)!.push(join(dirname(file), specifier));
    }
    const found = cycles(edges).map((cycle) => cycle.map((file) => relative(directory, file)).join(' -> '));
    expect(found).toEqual([]);
  });

  test('imports its own files by the names they have, and nothing relative outside itself', () => {
    const relatives = shipped.filter(({ specifier }) => specifier.startsWith('.'));
    const missing = relatives.filter(({ file, specifier }) => !existsSync(join(dirname(file), specifier)));
    expect(missing.map(where), 'a file that is there, with its extension').toEqual([]);
    const outside = relatives.filter(({ file, specifier }) =>
      relative(directory, join(dirname(file), specifier)).startsWith('..'),
    );
    if (published.includes(current)) expect(outside.map(where)).toEqual([]);
  });
});

describe.each(published)('$name', (current) => {
  const { name, manifest } = current;
  const layer = layerOf(name);
  const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).filter((each) =>
    ours.has(each),
  );

  test('has a layer', () => {
    expect(layer, `${name} is missing in tooling/architecture/src/layers.ts`).toBeGreaterThanOrEqual(0);
  });

  test('depends only on layers before its own', () => {
    const wrong = dependencies.filter((each) => layerOf(each) >= layer);
    expect(wrong).toEqual([]);
    if (alone.includes(name)) expect(dependencies).toEqual([]);
  });

  test('runs in a browser: nothing that its exports reach imports a Node module', () => {
    const sources = Object.values(manifest.exports ?? {}).map((target) => target[SOURCE_CONDITION]);
    const wrong = reachable(sources.map((source) => join(current.directory, source)))
      .flatMap(importsOf)
      .filter(({ specifier, typeOnly }) => !typeOnly && specifier.startsWith('node:'));
    if (!nodeOnly.includes(name)) {
      expect(wrong.map(where), "use globalThis.process?.getBuiltinModule?.('node:...') where it is needed").toEqual([]);
    }
  });

  test('publishes its build, never its sources', () => {
    const { exports, publishConfig } = manifest as typeof manifest & {
      publishConfig?: { exports?: Record<string, Record<string, string>> };
    };
    const withoutSources = Object.fromEntries(
      Object.entries(exports ?? {}).map(([key, { [SOURCE_CONDITION]: _, ...rest }]) => [key, rest]),
    );
    expect(publishConfig?.exports).toEqual(withoutSources);
  });
});

test('all published packages share one version', () => {
  const { fixed } = JSON.parse(readFileSync(join(root, '.changeset/config.json'), 'utf8')) as { fixed: string[][] };
  const missing = published.filter(({ name }) => !fixed[0]!.includes(name)).map(({ name }) => name);
  expect(missing, 'add them to "fixed" in .changeset/config.json').toEqual([]);
});

test('no package needs itself, tests included', () => {
  const edges = new Map(
    all.map(({ name, manifest: { dependencies, optionalDependencies, devDependencies } }) => [
      name,
      Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }),
    ]),
  );
  expect(cycles(edges).map((cycle) => cycle.join(' -> '))).toEqual([]);
});
