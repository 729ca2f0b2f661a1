// The page as Vite builds it, in Chromium: with threads and without, with relaxed SIMD and without, by keyboard, offline.
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  noChromium,
  type Opened,
  type Site,
  serve,
  startChromium,
  temporaryFolder,
} from '@espalier/browser';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const questions = {
  'How can I protect my account from hackers?': 'Use a different password for every account.',
  'What makes a baking dough grow?': 'Bread rises because yeast turns sugar into gas.',
  'The team was defeated shortly before the end.': 'Our team lost the match in the last minute.',
};

/** Milliseconds to be ready, on a busy machine. */
const READY_MS = 120_000;

if (noChromium) it.skip(`the page in Chromium (${noChromium})`, () => {});
else {
  const folder = await temporaryFolder();
  beforeAll(async () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    await build({ root, logLevel: 'error', build: { outDir: folder.path, emptyOutDir: true } });
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  describe.each([
    { name: 'isolated, with relaxed SIMD', isolated: true, relaxedSimd: true },
    { name: 'not isolated, without relaxed SIMD', isolated: false, relaxedSimd: false },
  ])('$name', ({ isolated, relaxedSimd }) => {
    let browser: Browser;
    let site: Site;
    let opened: Opened;
    beforeAll(async () => {
      browser = await startChromium({ relaxedSimd });
      site = await serve(folder.path, { isolated });
      opened = await browser.open(site.url);
    });
    afterAll(async () => {
      await browser[Symbol.asyncDispose]();
      await site.close();
    });
    const box = () => opened.page.getByRole('searchbox', { name: 'Your question' });
    const expectBest = (answer: string) =>
      expect.poll(() => opened.page.getByRole('listitem').first().textContent()).toContain(answer);

    it('shows its progress', async () => {
      await opened.page.getByRole('progressbar', { name: 'Loading the model' }).waitFor();
      await opened.page.getByText('Ready.').waitFor({ timeout: READY_MS });
      expect(await opened.page.getByRole('progressbar').count()).toBe(0);
    });

    it('answers while one types', async () => {
      for (const [question, answer] of Object.entries(questions)) {
        await box().pressSequentially(question);
        await expectBest(answer);
        await box().fill('');
        await expect.poll(() => opened.page.getByRole('listitem').count()).toBe(0);
      }
    });

    it('is used by keyboard, and reads out the best answer', async () => {
      const { page } = opened;
      const [[question, answer]] = Object.entries(questions) as [[string, string]];
      await page.keyboard.press('Tab');
      expect(await page.getByRole('button', { name: question }).evaluate((e) => e === document.activeElement)).toBe(
        true,
      );
      await page.keyboard.press('Enter');
      await expectBest(answer);
      expect(await box().evaluate((e) => e === document.activeElement)).toBe(true);
      await expect.poll(() => page.getByRole('status').textContent()).toContain(answer);
    });

    it('shows its plan as a table', async () => {
      const { page } = opened;
      const table = page.getByRole('table', { name: 'Kinds of nodes' });
      expect(await table.count()).toBe(0);
      for (let i = 0; i < 1 + Object.keys(questions).length; i++) await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await table.waitFor();
      const heads = await table.getByRole('columnheader').allTextContents();
      expect(heads).toEqual(['Nodes', 'Operation', 'Backend', 'Kernel', 'Time', 'Share']);
      const kernels = await table.getByRole('cell', { name: /__(relaxed|simd)$/ }).allTextContents();
      expect(new Set(kernels.map((kernel) => kernel.split('__')[1]))).toEqual(
        new Set([relaxedSimd ? 'relaxed' : 'simd']),
      );
      const said = await page.locator('#machine').textContent();
      expect(said?.includes('Cross-Origin-Opener-Policy')).toBe(!isolated);
    });

    it('asks nobody else, and breaks no policy', () => {
      expect(opened.problems).toEqual([]);
    });

    it('works without a network when it comes back', async () => {
      await opened.page.close();
      await site.close();
      opened = await browser.open(site.url);
      await opened.page.getByText('Ready.').waitFor({ timeout: READY_MS });
      const [[question, answer]] = Object.entries(questions) as [[string, string]];
      await box().pressSequentially(question);
      await expectBest(answer);
      expect(await opened.page.evaluate(() => crossOriginIsolated)).toBe(isolated);
    });
  });
}
