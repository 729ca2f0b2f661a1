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

export interface ChromiumOptions {
  /** For V8, such as `--no-enable-avx`. */
  readonly flags?: readonly string[];
  /** False hides it from pages, as older engines do not have it: no flag does. */
  readonly relaxedSimd?: boolean;
}

export async function startChromium({ flags = [], relaxedSimd = true }: ChromiumOptions = {}): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'espalier-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...(chromiumPath ? { executablePath: chromiumPath } : {}),
    args: [...FLAGS.map((flag) => `--${flag}`), ...(flags.length > 0 ? [`--js-flags=${flags.join(' ')}`] : [])],
  });
  if (!relaxedSimd) await context.addInitScript(hideRelaxedSimd);
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

/** In a page: modules with relaxed instructions (a prefix of 0xfd, then a number from 0x100 on) are not valid any more. */
function hideRelaxedSimd(): void {
  const { validate } = WebAssembly;
  const isRelaxed = (byte: number, i: number, bytes: Uint8Array): boolean =>
    byte === 0xfd && (bytes[i + 1]! & 0xf0) === 0x80 && bytes[i + 2] === 2;
  WebAssembly.validate = (bytes) => !new Uint8Array(bytes as ArrayBuffer).some(isRelaxed as never) && validate(bytes);
}
