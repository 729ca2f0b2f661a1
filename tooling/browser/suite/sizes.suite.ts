// What packages and pages weigh, minified and compressed by gzip, from packages as npm installs them. Whoever exceeds a ceiling says why, or
// raises it.
import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../src/index.ts';
import { install } from '../src/install.ts';

/** In kilobytes (1000 bytes). */
const packages = {
  '@espalier/core': 36,
  '@espalier/formats': 6,
  '@espalier/lowering': 10,
  '@espalier/wasm': 5,
  '@espalier/planner': 38,
  '@espalier/runtime': 11,
  '@espalier/onnx': 19,
  '@espalier/tfjs': 15,
  '@espalier/safetensors': 3,
  '@espalier/compress': 4,
  '@espalier/backend-wasm': 50,
  '@espalier/backend-js': 38,
  espalier: 4,
};
const pages = {
  // core, planner, runtime, onnx, and backend-wasm with its worker
  model: { ceiling: 150, more: "import '@espalier/backend-wasm/worker.js';" },
  // What the product of two matrices needs. More than that is here for want of a mark that calls are pure
  matmul: { ceiling: 25, more: '' },
};

const folder = await temporaryFolder();
beforeAll(() => install('espalier', folder.path));
afterAll(() => folder[Symbol.asyncDispose]());

/** Kilobytes of a bundle without what it loads only when it is wanted, and of what comes of each package in it before it is compressed. */
async function weigh(contents: string, external: readonly string[] = []) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: folder.path },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    external: [...external],
    splitting: true,
    outdir: folder.path,
  });
  const { outputs } = metafile;
  const [entry] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint !== undefined)!;
  // A set that grows while it is gone through: what a file imports at once is looked at too.
  const loaded = new Set([entry]);
  for (const file of loaded)
    for (const { path, kind } of outputs[file]!.imports)
      if (kind === 'import-statement' && outputs[path]) loaded.add(path);
  const parts = new Map<string, number>();
  for (const [file, { bytesInOutput }] of [...loaded].flatMap((each) => Object.entries(outputs[each]!.inputs))) {
    const name = /.*node_modules\/((@[^/]*\/)?[^/]*)/.exec(file)?.[1] ?? file;
    parts.set(name, (parts.get(name) ?? 0) + bytesInOutput / 1000);
  }
  const files = outputFiles.filter(({ path }) => [...loaded].some((each) => resolve(each) === path));
  const bytes = Buffer.concat(files.map(({ contents }) => contents));
  return { kilobytes: gzipSync(bytes, { level: 9 }).length / 1000, parts };
}

const line = (name: string, kilobytes: number, ceiling: number): string =>
  `${name.padEnd(24)} ${kilobytes.toFixed(1).padStart(6)} kB of ${ceiling}`;

describe('the size of', () => {
  it.each(Object.entries(packages))('%s', async (name, ceiling) => {
    const others = Object.keys(packages).filter((each) => each !== name);
    const { kilobytes } = await weigh(`export * from '${name}';`, others);
    console.log(line(name, kilobytes, ceiling));
    expect(kilobytes).toBeLessThan(ceiling);
  });

  it.each(Object.entries(pages))('the page %s', async (name, { ceiling, more }) => {
    const file = `${name}.ts`;
    await copyFile(fileURLToPath(new URL(`../src/pages/${file}`, import.meta.url)), join(folder.path, file));
    const { kilobytes, parts } = await weigh(`import './${file}'; ${more}`);
    const list = Array.from(parts, ([part, size]) => `${part} ${size.toFixed(1)}`);
    console.log(line(`page ${name}`, kilobytes, ceiling), `\n  before compression: ${list.join(', ')}`);
    expect(kilobytes).toBeLessThan(ceiling);
  });
});
