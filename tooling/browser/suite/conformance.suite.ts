// The conformance suite in Chromium: with threads and without, with relaxed SIMD and without, and where it rounds otherwise.
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { buildPage, type ChromiumOptions, noChromium, serve, startChromium, temporaryFolder } from '../src/index.ts';
import type { Suite } from '../src/pages/conformance.ts';

interface Variant extends ChromiumOptions {
  readonly isolated: boolean;
}

const variants: Readonly<Record<string, Variant>> = {
  'threads, relaxed SIMD': { isolated: true },
  'threads, SIMD': { isolated: true, relaxedSimd: false },
  // Relaxed instructions are those of an older processor: a product is rounded before it is added.
  'threads, relaxed SIMD without AVX': { isolated: true, flags: ['--no-enable-avx'] },
  'slices, relaxed SIMD': { isolated: false },
  'slices, SIMD': { isolated: false, relaxedSimd: false },
};

if (noChromium) it.skip(`the conformance suite in Chromium (${noChromium})`, () => {});
else {
  const folder = await temporaryFolder();
  await buildPage(fileURLToPath(new URL('../src/pages/conformance.ts', import.meta.url)), folder.path);
  afterAll(() => folder[Symbol.asyncDispose]());
  for (const [name, variant] of Object.entries(variants)) await inChromium(name, variant, folder.path);
}

/** Registers the tests that the page has. */
async function inChromium(name: string, variant: Variant, folder: string): Promise<void> {
  const { isolated, relaxedSimd = true } = variant;
  const browser = await startChromium(variant);
  const site = await serve(folder, { isolated });
  const { page, problems } = await browser.open(site.url);
  const suite = await page.waitForFunction(() => (globalThis as { suite?: Suite }).suite);
  const { features, kernels, threads, hint, tests } = (await suite.jsonValue())!;

  describe(name, () => {
    afterAll(async () => {
      await browser[Symbol.asyncDispose]();
      await site.close();
    });

    it('is what runs', async () => {
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(isolated);
      expect(threads).toBe(isolated ? 2 : 1);
      if (isolated) expect(hint).toBeUndefined();
      else expect(hint).toContain('Cross-Origin-Opener-Policy');
      expect(features.includes('relaxed-simd')).toBe(relaxedSimd);
      const isas = new Set(kernels.map((kernel) => kernel.split('__')[1]).filter((isa) => isa !== 'wasm'));
      expect([...isas]).toEqual([relaxedSimd ? 'relaxed' : 'simd']);
    });

    for (const test of tests) {
      if (test.skip) it.skip(`${test.name} (${test.skip})`, () => {});
      else
        it(test.name, async () => {
          const error = await suite.evaluate((suite, name) => suite!.run(name), test.name);
          if (error) throw new Error(error);
        });
    }

    it('breaks no policy', () => {
      expect(problems).toEqual([]);
    });
  });
}
