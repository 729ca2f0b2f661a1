// Bundles a program over the sources of our packages to a page, in a folder of its own.
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What bundlers other than Vite and webpack have to serve, and be told of: see `workerUrl`. */
const worker = fileURLToPath(import.meta.resolve('@espalier/backend-wasm/worker.js'));

export const html = (script: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Espalier</title><script type="module" src="${script}"></script></html>\n`;

/** A new folder, for a while. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'espalier-page-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Writes index.html, page.js and worker.js. */
export async function buildPage(entry: string, folder: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: join(folder, 'page.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['espalier-source'],
    logLevel: 'warning',
  });
  await copyFile(worker, join(folder, 'worker.js'));
  await writeFile(join(folder, 'index.html'), html('page.js'));
}
