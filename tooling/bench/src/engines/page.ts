/** Engines in pages, each in a Chromium of its own. */

import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage, noChromium, serve, startChromium, temporaryFolder } from '@espalier/browser';
import { EspalierError } from '@espalier/core';
import { webPeerFiles } from '@espalier/peers';
import type { Connection } from './client.ts';
import type { Engine, EngineName, EngineOptions } from './engine.ts';

const MODEL = 'model.onnx';

/** A page that may share memory with its workers. */
export async function openPage(name: EngineName): Promise<Connection> {
  if (noChromium) throw new EspalierError('UNSUPPORTED', noChromium);
  const folder = await temporaryFolder();
  await buildPage(fileURLToPath(new URL('../src/page.ts', import.meta.url)), folder.path);
  if (name === 'onnxruntime-web') {
    const { folder: from, names } = webPeerFiles();
    for (const each of names) await symlink(join(from, each), join(folder.path, each));
  }
  const site = await serve(folder.path, { isolated: true });
  const browser = await startChromium();
  const { page, problems } = await browser.open(`${site.url}?engine=${name}`);
  await page
    .waitForFunction(() => 'answering' in globalThis)
    .catch((error) => {
      throw new EspalierError(
        'UNSUPPORTED',
        [`${name} does not run in a page: ${error.message}`, ...problems].join('; '),
      );
    });
  return {
    async ask(call, args) {
      if (call === 'open') {
        const [options] = args as [EngineOptions];
        await symlink(resolve(options.file), join(folder.path, MODEL));
        args = [{ ...options, file: MODEL }];
      }
      return page.evaluate(
        ([call, args]) =>
          ((globalThis as unknown as { answering: Engine }).answering[call] as (...args: unknown[]) => unknown)(
            ...args,
          ),
        [call, args] as const,
      );
    },
    async stop() {
      await browser[Symbol.asyncDispose]();
      await site.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
