/** Every program in a README that is followed by its output is run, and must print just that. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exportOnnx } from '@espalier/onnx';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const readmes = ['README.md', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`)];

/** A `ts` or `js` block with a `text` block right behind it. */
const example = /```(?:ts|js)\n([\s\S]*?)```\s+```text\n([\s\S]*?)```/g;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(import.meta.dirname, '../.programs-'));
  // The model that the examples speak of.
  const relu = { name: 'act', op: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attrs: {} };
  const graph = {
    name: 'model',
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
    outputs: ['y'],
    nodes: [relu],
    constants: new Map(),
  } as const;
  writeFileSync(join(folder, 'model.onnx'), exportOnnx(graph));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trimLines = (text: string): string => text.replaceAll(/[ \t]+$/gm, '').trimEnd();

async function run(source: string): Promise<string> {
  const outfile = join(folder, 'program.mjs');
  await build({
    stdin: { contents: source, resolveDir: folder, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['espalier-source'],
    outfile,
    logLevel: 'silent',
  });
  return execFileSync(process.execPath, [outfile], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
}

describe.each(readmes)('%s', (readme) => {
  const programs = [...readFileSync(join(root, readme), 'utf8').matchAll(example)];

  it('has a program that runs', () => {
    expect(programs.length).toBeGreaterThan(0);
  });

  it.each(programs.map(([, source, output], i) => [i + 1, source!, output!] as const))(
    'program %i prints what it says',
    async (_, source, output) => {
      expect(trimLines(await run(source))).toBe(trimLines(output));
    },
  );
});
