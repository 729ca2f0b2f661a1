// Builds the fuzzer, what it tests and the native addon where they are not up to date, and runs it: `npm run fuzz -- --minutes 10 --seed 1`.
import { buildAddon, ensureInstalled } from '../bootstrap/install.mjs';

ensureInstalled('all');
const { quickBuild } = await import('../build/quick.mjs');
await quickBuild('@espalier/fuzz');
buildAddon();
await import('./dist/cli.js');
