// The one way packages are built for publishing: ESM, ES2022, readable output, declarations, nothing bundled in.
import { defineConfig, type Options } from 'tsup';
import { entries } from './entries.mjs';

/** The tsup configuration of the package in the current directory; its entries come from its package.json. */
export function library(overrides: Options = {}): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry: entries(process.cwd()),
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    dts: true,
    splitting: true,
    treeshake: true,
    sourcemap: false,
    clean: true,
    silent: true,
    external: [/^node:/],
    ...overrides,
  });
}
