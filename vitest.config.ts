// Unit tests: over sources, without a build, without fixtures, in seconds.
import { defineConfig } from 'vitest/config';
import { overSources } from './tooling/build/vitest.ts';

export default defineConfig({
  ...overSources,
  test: {
    include: ['{packages,apps,tooling}/*/test/**/*.test.ts'],
    passWithNoTests: true,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
