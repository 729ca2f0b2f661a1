// What unit tests and suites share: workspace packages resolve to their sources, so that no test needs a build.
import { defaultServerConditions } from 'vite';
import type { ViteUserConfig } from 'vitest/config';
import { SOURCE_CONDITION } from './entries.mjs';

const conditions = [SOURCE_CONDITION, ...defaultServerConditions];

export const overSources = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
} satisfies ViteUserConfig;
