// A model in a page: the main thread stays free, an abort is heard, what was closed is gone; with threads and without.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tensor } from '@espalier/core';
import { exportOnnx } from '@espalier/onnx';
import type { Session } from '@espalier/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Browser,
  buildPage,
  noChromium,
  type Opened,
  type Site,
  serve,
  startChromium,
  temporaryFolder,
} from '../src/index.ts';

const [LAYERS, SIZE] = [12, 512];
const model = exportOnnx({
  name: 'products one after the other',
  inputs: [{ name: 'x0', dtype: 'float32', shape: ['rows', SIZE] }],
  outputs: [`x${LAYERS}`],
  nodes: Array.from({ length: LAYERS }, (_, i) => ({
    ...{ name: `layer ${i}`, op: 'MatMul', domain: '', attrs: {} },
    ...{ inputs: [`x${i}`, 'w'], outputs: [`x${i + 1}`] },
  })),
  constants: new Map([['w', new Tensor('float32', new Float32Array(SIZE * SIZE).fill(1e-3), [SIZE, SIZE])]]),
});

/** What the page has put into its global object. */
interface Globals {
  readonly session: Session;
  readonly Tensor: typeof Tensor;
}

if (noChromium) it.skip(`a model in a page, in Chromium (${noChromium})`, () => {});
else
  describe.each([
    ['threads', true],
    ['slices', false],
  ])('with %s', (_, isolated) => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let browser: Browser;
    let site: Site;
    let opened: Opened;
    beforeAll(async () => {
      folder = await temporaryFolder();
      await buildPage(fileURLToPath(new URL('../src/pages/model.ts', import.meta.url)), folder.path);
      await writeFile(join(folder.path, 'model.onnx'), model);
      browser = await startChromium();
      site = await serve(folder.path, { isolated });
      opened = await browser.open(`${site.url}?model=model.onnx`);
      await opened.page.waitForFunction(() => 'session' in globalThis);
    });
    afterAll(async () => {
      await browser[Symbol.asyncDispose]();
      await site.close();
      await folder[Symbol.asyncDispose]();
    });

    it('leaves the main thread free during runs of 300 ms and more', async () => {
      const { busy, idle, took } = await opened.page.evaluate(async (size) => {
        const { session, Tensor } = globalThis as unknown as Globals;
        /** Milliseconds that the thread was held while something was done, and that it took. */
        const hold = async (work: () => Promise<unknown>) => {
          let [most, last, isRunning] = [0, performance.now(), true];
          const started = last;
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            const now = performance.now();
            most = Math.max(most, now - last);
            last = now;
            if (isRunning) port2.postMessage(0);
          };
          port2.postMessage(0);
          await work();
          isRunning = false;
          return { most, took: performance.now() - started };
        };
        const best = { busy: Number.POSITIVE_INFINITY, idle: Number.POSITIVE_INFINITY, took: 0 };
        // Of some runs the best, beside a page that does nothing: others have this machine too.
        for (let count = 256, tries = 0; tries < 6; ) {
          const feeds = { x0: new Tensor('float32', new Float32Array(count * size), [count, size]) };
          const { most, took } = await hold(() => session.run(feeds));
          if (took < 300) {
            count *= 2;
            continue;
          }
          tries++;
          const nothing = await hold(() => new Promise((resolve) => setTimeout(resolve, took)));
          Object.assign(best, {
            ...{ busy: Math.min(best.busy, most), idle: Math.min(best.idle, nothing.most) },
            took: Math.max(best.took, took),
          });
        }
        return best;
      }, SIZE);
      console.log(
        `main thread held for ${busy.toFixed(1)} ms at most in runs of up to ${took.toFixed(0)} ms, ${idle.toFixed(1)} ms when nothing runs`,
      );
      expect(took).toBeGreaterThanOrEqual(300);
      expect(busy - idle).toBeLessThanOrEqual(10);
    });

    it('stops within 20 ms of its signal', async () => {
      const stopped = await opened.page.evaluate(async (size) => {
        const { session, Tensor } = globalThis as unknown as Globals;
        const feeds = { x0: new Tensor('float32', new Float32Array(8192 * size), [8192, size]) };
        let least = Number.POSITIVE_INFINITY;
        for (let i = 0; i < 8; i++) {
          const controller = new AbortController();
          let aborted = 0;
          setTimeout(() => {
            aborted = performance.now();
            controller.abort();
          }, 50);
          const code = await session.run(feeds, { signal: controller.signal }).then(
            () => 'done',
            (error) => error.code,
          );
          if (code !== 'ABORTED') return code as string;
          least = Math.min(least, performance.now() - aborted);
        }
        return least;
      }, SIZE);
      console.log(`stopped after ${stopped} ms`);
      expect(stopped).toBeLessThanOrEqual(20);
    });

    it('breaks no policy', () => {
      expect(opened.problems).toEqual([]);
    });
  });

it.skipIf(noChromium)('the least of a page multiplies two matrices', async () => {
  await using folder = await temporaryFolder();
  await buildPage(fileURLToPath(new URL('../src/pages/matmul.ts', import.meta.url)), folder.path);
  await using browser = await startChromium();
  const site = await serve(folder.path, { isolated: true });
  const { page, problems } = await browser.open(site.url);
  const result = await page.waitForFunction(() => (globalThis as { result?: number[] }).result);
  expect(await result.jsonValue()).toEqual([-2, 5, -2, 11]);
  expect(problems).toEqual([]);
  await site.close();
});
