import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readTfjsModel } from '../src/node.ts';
import { constant, f32, model, placeholder } from './model.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'espalier-tfjs-'));
  await mkdir(join(root, 'model'));
});
afterEach(() => rm(root, { recursive: true }));

/** Writes a model whose weights are at `path`; gives the path of its model.json. */
async function write(path: string): Promise<string> {
  const nodes = [placeholder('x', 'float32', [1]), constant('c'), { name: 'y', op: 'AddV2', input: ['x', 'c'] }];
  const { json } = model(nodes, { c: f32([7]) });
  (json['weightsManifest'] as { paths: string[] }[])[0]!.paths = [path];
  const file = join(root, 'model', 'model.json');
  await writeFile(file, JSON.stringify(json));
  return file;
}

const seven = Uint8Array.of(0, 0, 0xe0, 0x40);

it('reads weights beside the model, in folders below it, and through links that stay there', async () => {
  await mkdir(join(root, 'model', '..weights'));
  await writeFile(join(root, 'model', '..weights', 'w.bin'), seven);
  await symlink(join(root, 'model', '..weights', 'w.bin'), join(root, 'model', 'link'));
  for (const path of ['..weights/w.bin', './x/../link']) {
    const { graph } = await readTfjsModel(await write(path));
    expect([...graph.constants.values()][0]!.data).toEqual(Float32Array.of(7));
    expect(graph.name).toBe('model.json');
  }
});

it('reads nothing outside the folder', async () => {
  await writeFile(join(root, 'secret'), seven);
  await symlink(join(root, 'secret'), join(root, 'model', 'link'));
  await symlink(root, join(root, 'model', 'up'));
  for (const path of ['../secret', join(root, 'secret'), 'link', 'up/secret', '../nowhere', '..']) {
    await expect(readTfjsModel(await write(path)), path).rejects.toThrow(
      expect.objectContaining({ code: 'UNSAFE_PATH', message: expect.stringContaining(path) }),
    );
  }
});

it('says which file is missing or broken', async () => {
  await expect(readTfjsModel(join(root, 'none.json'))).rejects.toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  await expect(readTfjsModel(await write('none.bin'))).rejects.toThrow(
    expect.objectContaining({ code: 'NOT_FOUND', message: expect.stringContaining('none.bin') }),
  );
  await expect(readTfjsModel(await write('.'))).rejects.toThrow(expect.objectContaining({ code: 'BAD_FILE' }));
  await writeFile(join(root, 'bad.json'), '{"format":');
  await expect(readTfjsModel(join(root, 'bad.json'))).rejects.toThrow(/bad\.json is not JSON/);
});

it('stops when aborted', async () => {
  const path = await write('w.bin');
  await expect(readTfjsModel(path, { signal: AbortSignal.abort() })).rejects.toThrow(
    expect.objectContaining({ code: 'ABORTED' }),
  );
});
