// Suites: longer, over real models and data found through ESPALIER_FIXTURES (see tooling/fixtures).
import { defineConfig } from 'vitest/config';
import { overSources } from './tooling/build/vitest.ts';

export default defineConfig({
  ...overSources,
  test: {
    include: ['{packages,apps,tooling}/*/suite/**/*.suite.ts'],
    passWithNoTests: true,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
