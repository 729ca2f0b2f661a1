// A page made by each bundler, from packages as npm installs them, opened in Chromium under a strict policy.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from '@espalier/core';
import { exportOnnx } from '@espalier/onnx';
import { build as esbuild } from 'esbuild';
import { createServer, build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import webpack from 'webpack';
import { type Browser, html, noChromium, type Site, serve, startChromium, temporaryFolder } from '../src/index.ts';
import { install } from '../src/install.ts';

const program = (worker: string) => `
import { load, Tensor } from 'espalier';
const session = await load('model.onnx', { backends: ['wasm'], threads: 2${worker} });
const { y } = await session.run({ x: new Tensor('float32', [1, 2, 3, -1, -2, -3], [2, 3]) });
globalThis.result = { y: [...y.data], plan: String(session.explain()) };
`;
const model = exportOnnx({
  name: 'a layer',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
  outputs: ['y'],
  nodes: [
    { name: 'product', op: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['p'], attrs: {} },
    { name: 'act', op: 'Relu', domain: '', inputs: ['p'], outputs: ['y'], attrs: {} },
  ],
  constants: new Map([['w', new Tensor('float32', [1, 0, 0, 1, -1, 1], [3, 2])]]),
});
interface Result {
  readonly y: readonly number[];
  readonly plan: string;
}
const EXPECTED = [0, 5, 2, 0];

/** Each bundles `folder`/src/index.js into `folder`/dist; none is configured but for where the worker's file is. */
const bundlers: Readonly<Record<string, { readonly workerUrl?: string; bundle(folder: string): Promise<unknown> }>> = {
  Vite: {
    async bundle(folder) {
      await writeFile(join(folder, 'index.html'), html('/src/index.js'));
      await vite({ root: folder, configFile: false, logLevel: 'warn' });
    },
  },
  webpack: {
    async bundle(folder) {
      await new Promise<void>((resolve, reject) => {
        // As its command line does when it is started there.
        const output = { path: join(folder, 'dist') };
        webpack({ context: folder, mode: 'production', output }, (error, stats) => {
          // Warnings without a module are advice on sizes.
          const { errors = [], warnings = [] } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
          const complaints = [...errors, ...warnings.filter(({ moduleName }) => moduleName)];
          if (error || complaints.length > 0) reject(error ?? new Error(JSON.stringify(complaints)));
          else resolve();
        });
      });
      await writeFile(join(folder, 'dist/index.html'), html('main.js'));
    },
  },
  esbuild: {
    workerUrl: 'espalier-worker.js',
    async bundle(folder) {
      const outdir = join(folder, 'dist');
      const entryPoints = [join(folder, 'src/index.js')];
      await esbuild({ entryPoints, outdir, bundle: true, splitting: true, minify: true, format: 'esm' });
      await copyFile(
        join(folder, 'node_modules/@espalier/backend-wasm/dist/worker.js'),
        join(outdir, 'espalier-worker.js'),
      );
      await writeFile(join(outdir, 'index.html'), html('index.js'));
    },
  },
};

if (noChromium) it.skip(`pages made by bundlers, in Chromium (${noChromium})`, () => {});
else
  describe('a page made by', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await startChromium();
    });
    afterAll(() => browser[Symbol.asyncDispose]());

    /** Looks at what the page of a site comes to. */
    async function look(url: string, isolated: boolean): Promise<void> {
      const { page, problems } = await browser.open(url);
      const found = await page.waitForFunction(() => (globalThis as { result?: Result }).result);
      const { y, plan } = (await found.jsonValue())!;
      expect(y).toEqual(EXPECTED);
      expect(plan).toContain('matmul_f32_dense');
      expect(page.workers()).toHaveLength(isolated ? 2 : 1);
      expect(problems).toEqual([]);
      await page.close();
    }

    it.each(Object.entries(bundlers))('%s', async (_, { workerUrl, bundle }) => {
      await using folder = await temporaryFolder();
      await install('espalier', folder.path);
      await mkdir(join(folder.path, 'src'));
      await writeFile(join(folder.path, 'package.json'), JSON.stringify({ name: 'a-page', type: 'module' }));
      await writeFile(join(folder.path, 'src/index.js'), program(workerUrl ? `, workerUrl: '${workerUrl}'` : ''));
      await bundle(folder.path);
      const dist = join(folder.path, 'dist');
      await writeFile(join(dist, 'model.onnx'), model);
      for (const isolated of [true, false]) {
        const site: Site = await serve(dist, { isolated });
        await look(site.url, isolated);
        await site.close();
      }
    });

    it("Vite's development server", async () => {
      await using folder = await temporaryFolder();
      await install('espalier', folder.path);
      await mkdir(join(folder.path, 'src'));
      await writeFile(join(folder.path, 'src/index.js'), program(''));
      await writeFile(join(folder.path, 'index.html'), html('/src/index.js'));
      await mkdir(join(folder.path, 'public'));
      await writeFile(join(folder.path, 'public/model.onnx'), model);
      const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
      const server = await createServer({
        root: folder.path,
        configFile: false,
        logLevel: 'warn',
        server: { headers, port: 0 },
      });
      await server.listen();
      await look(server.resolvedUrls!.local[0]!, true);
      await server.close();
    });
  });
