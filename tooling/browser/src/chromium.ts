// Starts the Chromium that is installed here, with a profile of its own.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const FLAGS = [
  'headless',
  'no-sandbox',
  'disable-gpu',
  'disable-quic',
  'no-first-run',
  'disable-background-networking',
  'disable-component-update',
  'disable-sync',
];

/** The browser's path: that of the variable ESPALIER_CHROMIUM, else where packages install it. */
const chromiumPath: string | undefined =
  process.env['ESPALIER_CHROMIUM'] ?? NAMES.map((name) => `/usr/bin/${name}`).find(existsSync);

/** Why tests in a browser are left out here. */
export const noChromium: string | undefined = chromiumPath
  ? undefined
  : 'there is no Chromium: install it, or name it in ESPALIER_CHROMIUM';

/** A page, and what went wrong in it: errors, what its policy refused, requests to other origins. */
export interface Opened {
  readonly page: Page;
  readonly problems: readonly string[];
}

export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext;
  open(url: string): Promise<Opened>;
}

/** @param flags for V8, such as `--no-enable-avx` */
export async function startChromium(flags: readonly string[] = []): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'espalier-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...(chromiumPath ? { executablePath: chromiumPath } : {}),
    args: [...FLAGS.map((flag) => `--${flag}`), ...(flags.length > 0 ? [`--js-flags=${flags.join(' ')}`] : [])],
  });
  return {
    context,
    async open(url) {
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`${message.text()} (${message.location().url})`);
      });
      page.on('request', (request) => {
        if (new URL(request.url()).origin !== new URL(url).origin) problems.push(`asks for ${request.url()}`);
      });
      await page.goto(url);
      return { page, problems };
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
