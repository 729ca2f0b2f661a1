import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNativeBackend } from '@espalier/backend-native';
import { type AnyBackend, type Graph, Tensor } from '@espalier/core';
import { exportOnnx } from '@espalier/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { createJsBackend, load } from '../src/index.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** What lives after a collection, and what that finalised. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Bytes that JavaScript and its buffers hold. */
async function held(): Promise<number> {
  await settle();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const SIZE = 128;
const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (i % 7) - 3);
const node = (op: string, inputs: string[], output: string): Graph['nodes'][number] => ({
  ...{ name: output, op, domain: '', inputs, outputs: [output], attrs: {} },
});
const graph: Graph = {
  name: 'rows of a table by a matrix',
  inputs: [{ name: 'ids', dtype: 'int64', shape: ['n'] }],
  outputs: ['y'],
  nodes: [
    node('Gather', ['table', 'ids'], 'rows'),
    node('MatMul', ['rows', 'matrix'], 'product'),
    node('Add', ['product', 'bias'], 'sum'),
    node('Reshape', ['sum', 'shape'], 'wide'),
    node('Relu', ['wide'], 'y'),
  ],
  constants: new Map<string, Tensor>([
    ['table', new Tensor('float32', ramp(512 * SIZE), [512, SIZE])],
    ['matrix', new Tensor('float32', ramp(16 * SIZE * SIZE), [SIZE, 16 * SIZE])],
    ['bias', new Tensor('float32', ramp(16 * SIZE), [16 * SIZE])],
    ['shape', new Tensor('int64', BigInt64Array.of(-1n, 2n * BigInt(SIZE)), [2])],
  ]),
};
const bytes = exportOnnx(graph);
const ids = new Tensor('int64', BigInt64Array.of(3n, 500n), [2]);

const native = createNativeBackend();
const js = createJsBackend();
const backendSets: (readonly AnyBackend[])[] = [[js]];
if ('reason' in native) it.skip(`memory of native sessions (${native.reason})`, () => {});
else {
  backendSets.push([native, js]);
  afterAll(() => native.dispose());

  it('a session does not keep the file whose weights it packed', async () => {
    let file: Uint8Array | undefined = bytes.slice();
    const seen = new WeakRef(file.buffer);
    await using session = await load(file, { backends: [native, js] });
    file = undefined;
    await settle();
    expect(seen.deref()).toBeUndefined();
    expect((await session.run({ ids })).y!.dims).toEqual([16, 2 * SIZE]);
  });

  describe('files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const written = (name: string): string => {
      const path = join(folder, name);
      // Outputs that are constants stay as they are.
      writeFileSync(path, exportOnnx({ ...graph, outputs: ['y', 'table'] }));
      return path;
    };

    it('are not read any more once a model is loaded', async () => {
      const path = written('truncated.onnx');
      await using session = await load(path, { backends: ['native', 'js'] });
      // Reading what is mapped there would kill the process.
      truncateSync(path);
      await using other = await load(bytes, { backends: ['js'] });
      const { y, table } = await session.run({ ids });
      expect(y!.data).toEqual((await other.run({ ids })).y!.data);
      expect(table!.data).toEqual(ramp(512 * SIZE));
      if (existsSync('/proc/self/maps')) expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain(path);
    });

    it('stay readable for who compresses a model and keeps its graph', async () => {
      let kept: Graph | undefined;
      const compress = (graph: Graph): Graph => {
        kept = graph;
        return graph;
      };
      await using session = await load(written('kept.onnx'), { backends: ['native', 'js'], compress });
      expect(session.inputNames).toEqual(['ids']);
      expect(kept!.constants.get('table')!.data).toEqual(ramp(512 * SIZE));
    });
  });
}

describe.each(backendSets.map((backends) => [backends.map(({ id }) => id).join(), backends] as const))(
  'memory, with %s',
  (_, backends) => {
    it('does not grow from run to run', async () => {
      await using session = await load(bytes, { backends });
      const run = async (times: number): Promise<number> => {
        for (let i = 0; i < times; i++) await session.run({ ids });
        return held();
      };
      const before = await run(200);
      // An output is 16 kB.
      expect((await run(1000)) - before).toBeLessThan(1000 * 1000);
    }, 30_000);

    it('comes back with every session that is disposed', async () => {
      const open = async (times: number): Promise<number> => {
        for (let i = 0; i < times; i++) {
          await using session = await load(bytes, { backends });
          await session.run({ ids });
        }
        return held();
      };
      const before = await open(10);
      // The weights alone are a megabyte.
      expect((await open(40)) - before).toBeLessThan(40 * 100_000);
    }, 30_000);
  },
);
