import { exportOnnx } from '@espalier/onnx';
import { createRuntime } from '@espalier/runtime';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { backendNames, importNative, makeBackend } from '../src/backends.ts';
import { load, Tensor } from '../src/index.ts';
import { model } from './model.ts';

const bytes = exportOnnx(model);
const feeds = { x: new Tensor('float32', [1, 2, 3, -1, -2, -3], [2, 3]) };
const expected = [0, 5, 2, 0];
const native = await makeBackend('native');
const withNative = 'reason' in native ? it.skip : it;
const why = 'reason' in native ? ` (${native.reason})` : '';

describe('backends by name', () => {
  it('are there or say why not, the last resort last', async () => {
    expect(backendNames.at(-1)).toBe('js');
    expect(await makeBackend('js')).toMatchObject({ id: 'js' });
    if ('reason' in native) expect(native.reason).toMatch(/^\S.*[^.\n]$/);
    else expect(native.id).toBe('native');
  });

  it('are made once for the same settings', async () => {
    expect(await makeBackend('native')).toBe(native);
    expect(await makeBackend('js', { threads: 1 })).not.toBe(await makeBackend('js'));
  });

  withNative(`compute what the scalar one does${why}`, async () => {
    for (const options of [{}, { backends: ['native', 'js'] as const, threads: 1 }]) {
      await using session = await load(bytes, options);
      expect(session.explain()).toMatchObject({ backends: ['native', 'js'], absent: [] });
      expect([...((await session.run(feeds)).y!.data as Float32Array)]).toEqual(expected);
    }
  });

  withNative(`are told of threads${why}`, async () => {
    expect(await makeBackend('native', { threads: 1 })).toMatchObject({ limits: { threads: 1 } });
  });

  it('include WebAssembly, which serves where there is no machine code', async () => {
    const wasm = await makeBackend('wasm', { threads: 2 });
    expect(wasm).toMatchObject({ id: 'wasm', limits: { threads: 2 }, hint: undefined });
    await using session = await load(bytes, { backends: ['wasm', 'js'], threads: 2 });
    expect(session.explain()).toMatchObject({ backends: ['wasm', 'js'], absent: [] });
    expect([...((await session.run(feeds)).y!.data as Float32Array)]).toEqual(expected);
  });

  it('that are absent are named by plans', async () => {
    const absent = [{ id: 'native', reason: 'it has none of that' }];
    const runtime = createRuntime({ backends: [(await makeBackend('js')) as never], absent });
    const session = await runtime.createSession(model);
    expect(session.explain().absent).toEqual(absent);
    expect(String(session.explain())).toMatch(/^without native: it has none of that$/m);
    await session.dispose();
  });
});

it('is not followed into the native backend by bundlers, also when they shorten', async () => {
  const bundled = await build({
    entryPoints: [new URL('../src/index.ts', import.meta.url).pathname],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    conditions: ['espalier-source'],
  });
  const inputs = Object.keys(bundled.metafile.inputs);
  expect(inputs.some((file) => file.includes('backend-js'))).toBe(true);
  expect(inputs.filter((file) => /backend-native|x64/.test(file))).toEqual([]);
});

it('gives the module of the optional package, with its loader', async () => {
  const module = await importNative();
  if ('reason' in module) throw new Error(module.reason);
  expect(module.prebuiltPackage() ?? '').toMatch(/^(@espalier\/backend-native-\S+)?$/);
});
