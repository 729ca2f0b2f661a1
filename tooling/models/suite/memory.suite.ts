/** Memory over many runs and many sessions of real models. */

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fixtureTest } from '@espalier/fixtures';
import { load, type Session, Tensor } from 'espalier';
import { expect } from 'vitest';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** What lives after a collection, and what that finalised. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Bytes that JavaScript and its buffers hold. */
async function held(): Promise<number> {
  await settle();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const digit = new Tensor('float32', new Float32Array(28 * 28).fill(0.5), [1, 1, 28, 28]);
const classify = (session: Session) => session.run({ [session.inputNames[0]!]: digit });
/** What compiled code may still add; the weights of so many sessions would be 20 MB. */
const COMPILED = 8e6;

fixtureTest(
  '10,000 runs of MNIST hold no more than 1,000',
  ['models/mnist_cntk_opt.onnx'],
  async (file) => {
    await using session = await load(file);
    const run = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) await classify(session);
      return held();
    };
    const before = await run(1000);
    expect((await run(9000)) - before).toBeLessThan(2e6);
  },
  120_000,
);

fixtureTest(
  '1,000 sessions of MNIST leave no more than 10',
  ['models/mnist_cntk_opt.onnx'],
  async (file) => {
    const open = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        await using session = await load(file);
        await classify(session);
      }
      return held();
    };
    const before = await open(10);
    expect((await open(990)) - before).toBeLessThan(COMPILED);
  },
  600_000,
);

fixtureTest('MiniLM lives without its file', ['models/minilm-l6-v2_int8w.onnx'], async (file) => {
  let bytes: Uint8Array | undefined = new Uint8Array(readFileSync(file));
  const seen = new WeakRef(bytes.buffer);
  await using session = await load(bytes);
  const { length } = bytes;
  bytes = undefined;
  await settle();
  if (!session.explain().backends.includes('native')) return;
  expect(seen.deref()).toBeUndefined();
  expect(process.memoryUsage().external).toBeLessThan(1.25 * length);
});
