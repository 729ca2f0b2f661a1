import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exportOnnx } from '@espalier/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJsBackend, type Graph, load, type Progress, prune, Tensor } from '../src/index.ts';
import { openSource } from '../src/source.ts';
import { model, modelFolder } from './model.ts';

const bytes = exportOnnx(model);
const x = new Tensor('float32', [1, 2, 3, -1, -2, -3], [2, 3]);
const expected = [0, 5, 2, 0];

let folder: string;
beforeAll(() => {
  folder = modelFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function answer(source: Parameters<typeof load>[0], options = {}): Promise<number[]> {
  await using session = await load(source, options);
  const { y } = await session.run({ x });
  return [...(y!.data as Float32Array)];
}

describe('load', () => {
  it('takes a path, a file URL, bytes, an ArrayBuffer and a Blob', async () => {
    const path = join(folder, 'model.onnx');
    for (const source of [
      path,
      pathToFileURL(path),
      String(pathToFileURL(path)),
      bytes,
      bytes.slice().buffer as ArrayBuffer,
      new Blob([bytes as Uint8Array<ArrayBuffer>]),
    ]) {
      expect(await answer(source)).toEqual(expected);
    }
  });

  it('takes backends by name or as objects', async () => {
    expect(await answer(bytes, { backends: ['js'] })).toEqual(expected);
    expect(await answer(bytes, { backends: [createJsBackend()] })).toEqual(expected);
    await expect(load(bytes, { backends: ['gpu' as 'js'] })).rejects.toThrow(
      /no backend "gpu": use one of native, wasm, js/,
    );
    await expect(load(bytes, { threads: 0 })).rejects.toThrow(TypeError);
    await expect(load(bytes, { precision: 'int3' as 'float32' })).rejects.toThrow(/float32 or bfloat16/);
  });

  it('prunes the model first where it is asked to', async () => {
    expect(await answer(bytes, { compress: (graph: Graph) => prune(graph, { sparsity: 0.5 }) })).toEqual([0, 5, 3, 0]);
    await expect(load(bytes, { compress: (graph) => prune(graph, { sparsity: 2 }) })).rejects.toThrow(/from 0 to 1/);
  });

  it('tells of progress, from reading to the last node', async () => {
    const seen: Progress[] = [];
    await load(bytes, { onProgress: (progress) => void seen.push(progress) });
    expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(['read', 'import', 'plan', 'prepare']));
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
  });

  it('stops when it is aborted', async () => {
    await expect(load(join(folder, 'model.onnx'), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('says what is wrong with what it was given', async () => {
    await expect(load(join(folder, 'none.onnx'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/none\.onnx does not exist/),
    });
    await expect(load(folder)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/is a folder/),
    });
    await expect(load(new TextEncoder().encode('hello'))).rejects.toMatchObject({
      code: 'BAD_FILE',
      message: expect.stringMatching(/neither an ONNX file nor/),
    });
    await expect(load(new Uint8Array(0))).rejects.toMatchObject({ code: 'BAD_FILE' });
    await expect(load(new TextEncoder().encode('GGUF\u0003'))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/GGUF/),
    });
    await expect(load(new TextEncoder().encode('{"a": '))).rejects.toMatchObject({ code: 'BAD_FILE' });
    await expect(load(7 as never)).rejects.toThrow(TypeError);
  });
});

describe('files beside the model', () => {
  it('are read from its own folder and nowhere else', async () => {
    writeFileSync(join(folder, 'weights.bin'), 'w');
    mkdirSync(join(folder, 'inner'), { recursive: true });
    writeFileSync(join(folder, 'inner', 'model.onnx'), bytes);
    writeFileSync(join(folder, 'inner', 'own.bin'), 'own');
    symlinkSync(join(folder, 'weights.bin'), join(folder, 'inner', 'link.bin'));
    const { sibling } = await openSource(join(folder, 'inner', 'model.onnx'));
    expect(new TextDecoder().decode(await sibling!('own.bin'))).toBe('own');
    for (const unsafe of [
      '../weights.bin',
      'link.bin',
      '/etc/passwd',
      join(folder, 'weights.bin'),
      'own.bin/../../weights.bin',
    ]) {
      await expect(sibling!(unsafe), unsafe).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    }
    await expect(sibling!('none.bin')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('load over HTTP', () => {
  let server: Server;
  let base: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/models/model.onnx') response.end(bytes);
      else if (request.url === '/models/beside.bin') response.end('beside');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it('fetches the model', async () => {
    expect(await answer(`${base}/models/model.onnx`)).toEqual(expected);
    expect(await answer(new URL(`${base}/models/model.onnx`))).toEqual(expected);
  });

  it('names the URL that is not there', async () => {
    await expect(load(`${base}/none.onnx`)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/none\.onnx answers with status 404/),
    });
    await expect(load('http://127.0.0.1:1/model.onnx')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('fetches files beside it, and none from elsewhere', async () => {
    const { sibling } = await openSource(`${base}/models/model.onnx`);
    expect(new TextDecoder().decode(await sibling!('beside.bin'))).toBe('beside');
    for (const unsafe of ['../secret', '/secret', 'http://127.0.0.1:1/x', '//127.0.0.1:1/x']) {
      await expect(sibling!(unsafe), unsafe).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    }
  });
});
