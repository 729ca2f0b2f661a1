// Builds the runner and what it needs, and runs it.
import { quickBuild } from '../build/quick.mjs';

await quickBuild('@espalier/onnx-suite');
await import('./dist/cli.js');
