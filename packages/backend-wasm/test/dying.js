/** A worker that ends in its first run after a file is there, and takes the file along. */

import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';

const flag = join(tmpdir(), `espalier-dying-${process.pid}`);
parentPort.on('message', ({ kind }) => {
  if (kind !== 'run' || !existsSync(flag)) return;
  rmSync(flag);
  process.exit(3);
});
await import('../src/worker.js');
