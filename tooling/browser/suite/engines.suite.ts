// The conformance suite in other engines than the one that unit tests run in: each is installed from npm when it is first wanted.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../build/workspace.mjs';
import { buildPage, temporaryFolder } from '../src/index.ts';
import type { Report } from '../src/pages/engine.ts';

const run = promisify(execFile);

interface Engine {
  /** Of npm. */
  readonly spec: string;
  readonly bin: string;
  readonly args?: readonly string[];
}

const engines: readonly Engine[] = [
  { spec: 'node@22', bin: 'node' },
  { spec: 'node@24', bin: 'node' },
  { spec: 'deno@2', bin: 'deno', args: ['run', '--allow-all'] },
  { spec: 'bun@1', bin: 'bun' },
];

/** The engine's path, or why it is not to be had. */
async function install({ spec, bin }: Engine): Promise<{ readonly path: string } | { readonly reason: string }> {
  const folder = join(root, '.cache/engines', spec);
  const path = join(folder, 'node_modules/.bin', bin);
  if (existsSync(path)) return { path };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{}');
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', spec], { cwd: folder });
    return { path };
  } catch (error) {
    return { reason: `npm does not install ${spec}: ${String(error).split('\n').slice(0, 3).join(' ')}` };
  }
}

const folder = await temporaryFolder();
beforeAll(() => buildPage(fileURLToPath(new URL('../src/pages/engine.ts', import.meta.url)), folder.path));
afterAll(() => folder[Symbol.asyncDispose]());

const installed = await Promise.all(engines.map(async (engine) => ({ ...engine, ...(await install(engine)) })));
describe('the WebAssembly backend passes in', () => {
  for (const { spec, args = [], ...found } of installed) {
    if ('reason' in found) it.skip(`${spec} (${found.reason})`, () => {});
    else
      it(spec, async () => {
        const { stdout } = await run(found.path, [...args, join(folder.path, 'page.js')], { cwd: folder.path });
        const { threads, slices }: Record<string, Report> = JSON.parse(stdout);
        for (const report of [threads!, slices!]) {
          expect(report.failed).toEqual([]);
          expect(report.passed).toBeGreaterThan(50);
          expect(report.features).toEqual(expect.arrayContaining(['simd', 'relaxed-simd']));
        }
        expect([threads!.threads, slices!.threads]).toEqual([2, 1]);
      });
  }
});
