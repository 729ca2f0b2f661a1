// What users get: the command line in a folder of its own, with the native backend installed in every state that hosts leave it in.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findAddon, nativeFeatures, prebuiltPackage, startEngine } from '@espalier/backend-native';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundle } from './bundle.ts';
import { modelFolder } from './model.ts';

const started = startEngine();
const addon = findAddon();
const suite = 'reason' in started ? describe.skip : describe;
const why = 'reason' in started ? ` (${started.reason})` : '';
const native = join(import.meta.dirname, '../../backend-native');

let folder: string;
const at = (...parts: string[]): string => join(folder, 'node_modules/@espalier', ...parts);
beforeAll(async () => {
  folder = modelFolder();
  writeFileSync(
    join(folder, 'feeds.json'),
    '{"x": {"dtype": "float32", "shape": [2, 3], "data": [1, 2, 3, -1, -2, -3]}}',
  );
  await bundle(join(import.meta.dirname, '../src/cli.ts'), join(folder, 'cli.mjs'));
  await bundle(join(native, 'src/index.ts'), join(folder, 'native.mjs'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Puts files into packages of @espalier: the native backend without its addon, and what else is wanted. */
function install(files: Readonly<Record<string, string>> = {}): void {
  rmSync(at(), { recursive: true, force: true });
  const manifest = { name: '@espalier/backend-native', version: '0.0.0', type: 'module', exports: './dist/index.js' };
  mkdirSync(at('backend-native/dist'), { recursive: true });
  writeFileSync(at('backend-native/package.json'), JSON.stringify(manifest));
  copyFileSync(join(folder, 'native.mjs'), at('backend-native/dist/index.js'));
  for (const [to, from] of Object.entries(files)) {
    mkdirSync(dirname(at(to)), { recursive: true });
    copyFileSync(from, at(to));
  }
}

interface Said {
  readonly y: readonly number[];
  /** Lines of the plan about backends that are not here. */
  readonly without: readonly string[];
  readonly err: string;
}

/** Runs the model and asks for the plan, in processes of their own. */
function espalier(env: NodeJS.ProcessEnv = {}, before: readonly string[] = []): Said {
  const call = (...args: string[]): { out: string; err: string } => {
    const [command, ...rest] = [
      ...before,
      process.execPath,
      ...(before.length > 0 ? ['--jitless'] : []),
      'cli.mjs',
      ...args,
    ];
    const { status, stdout, stderr, signal } = spawnSync(command!, rest, {
      cwd: folder,
      encoding: 'utf8',
      // Where the runner of these tests finds packages is not where an install does.
      env: { ...process.env, NODE_PATH: '', ...env },
    });
    expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    return { out: stdout, err: stderr };
  };
  const { out, err } = call('run', 'model.onnx', '--inputs', 'feeds.json', '--json');
  const plan = call('explain', 'model.onnx').out;
  return { y: JSON.parse(out).y.data, without: plan.split('\n').filter((line) => line.startsWith('without ')), err };
}

const expected = [0, 5, 2, 0];

suite(`an installed command line${why}`, () => {
  const file = 'file' in addon ? addon.file : '';
  beforeEach(() => install({ 'backend-native/build/espalier.node': file }));

  it('runs on the native backend', () => {
    expect(espalier()).toEqual({ y: expected, without: [], err: '' });
    const { stdout } = spawnSync(process.execPath, ['cli.mjs', 'doctor'], { cwd: folder, encoding: 'utf8' });
    expect(stdout).toMatch(/^backend +native: works here, \d+ threads?, .* avx2/m);
    expect(stdout).toMatch(/^addon +\S+espalier\.node \(prebuilt for this platform: @espalier\/backend-native-/m);
  });

  it('finds the addon in the package of its platform', () => {
    const name = prebuiltPackage()!.split('/')[1]!;
    const manifest = join(native, 'platforms', name.replace('backend-native-', ''), 'package.json');
    const { main } = JSON.parse(readFileSync(manifest, 'utf8'));
    install({ [`${name}/package.json`]: manifest, [`${name}/${main}`]: file });
    expect(espalier()).toEqual({ y: expected, without: [], err: '' });
  });

  it('runs without the addon, which one line tells', () => {
    install();
    const without = [`without native: ${prebuiltPackage()} is not installed`];
    expect(espalier()).toEqual({ y: expected, without, err: '' });
  });

  it('runs with an addon that cannot be loaded, which one line tells', () => {
    install({ 'backend-native/build/espalier.node': join(folder, 'cli.mjs') });
    const { y, without, err } = espalier();
    expect({ y, err }).toEqual({ y: expected, err: '' });
    expect(without).toEqual([expect.stringMatching(/^without native: \S+espalier\.node cannot be loaded: \S/)]);
  });

  it('runs on a processor that nobody knows, which one line tells', () => {
    const without = ['without native: the processor has no AVX2 with FMA'];
    expect(espalier({ ESPALIER_MASK: nativeFeatures.join() })).toEqual({ y: expected, without, err: '' });
  });

  it('runs on a lesser processor', () => {
    const lesser = nativeFeatures.filter((name) => /avx512|amx|vnni/.test(name));
    expect(espalier({ ESPALIER_MASK: lesser.join() })).toEqual({ y: expected, without: [], err: '' });
    const { status, stderr } = spawnSync(process.execPath, ['cli.mjs', 'explain', 'model.onnx'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, ESPALIER_MASK: 'mmx' },
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: ESPALIER_MASK names "mmx"; the features are avx2, /);
  });

  it('names every command before it runs, and its code for perf, where asked to', () => {
    const { y, err } = espalier({ ESPALIER_DEBUG: '1' });
    expect(y).toEqual(expected);
    expect(err).toMatch(/^(espalier: command \d+ of \d+: .+ \(\w+\) \w+\n)+$/);
    const { pid } = spawnSync(process.execPath, ['cli.mjs', 'run', 'model.onnx'], {
      cwd: folder,
      env: { ...process.env, ESPALIER_DEBUG: '1' },
    });
    const map = `/tmp/perf-${pid}.map`;
    expect(readFileSync(map, 'utf8')).toMatch(/^([0-9a-f]+ [0-9a-f]+ \S+\n)+$/);
    rmSync(map);
  });

  const helper = join(native, 'addon/no_code_pages.cpp');
  const compiler = process.env['CXX'] ?? 'g++';
  const canForbid = process.platform === 'linux' && spawnSync(compiler, ['--version']).status === 0;
  (canForbid ? it : it.skip)('runs where code pages are forbidden, which one line tells', (context) => {
    const forbid = join(folder, 'no-code-pages');
    expect(spawnSync(compiler, ['-O1', helper, '-o', forbid], { encoding: 'utf8' }).stderr).toBe('');
    if (spawnSync(forbid, ['true']).status === 3) return context.skip('this host forbids seccomp');
    const { y, without } = espalier({}, [forbid]);
    const reason = 'this host forbids executable pages: Permission denied';
    expect({ y, without }).toEqual({
      y: expected,
      without: [`without native: ${reason}`, 'without wasm: this host has no WebAssembly'],
    });
  });
});

it('leaves the native backend out without a compiler, in one line', () => {
  const script = join(native, 'scripts/build-addon.mjs');
  const out = join(folder, 'none.node');
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, '--if-possible', '--out', out], {
    encoding: 'utf8',
    env: { ...process.env, CXX: 'no-such-compiler' },
  });
  const line = 'No C++ compiler (no-such-compiler): the native backend is left out.\n';
  expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: line, stdout: '' });
  expect(existsSync(out)).toBe(false);
});
