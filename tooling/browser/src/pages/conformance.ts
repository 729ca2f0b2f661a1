// A page that runs the conformance suite over the WebAssembly backend, test by test, as it is told.
import { createWasmBackend } from '@espalier/backend-wasm';
import { conformanceTests } from '@espalier/conformance';

/** Calls for each test. */
const RUNS = 1;

const backend = await createWasmBackend({ threads: 2, workerUrl: new URL('worker.js', location.href) });
if ('reason' in backend) throw new Error(backend.reason);
const tests = new Map(conformanceTests(backend, { runs: RUNS }).map((each) => [each.name, each]));

const suite = {
  features: [...backend.features],
  kernels: backend.kernels.map(({ name }) => name),
  threads: backend.limits.threads,
  hint: backend.hint,
  tests: [...tests.values()].map(({ name, skip }) => ({ name, skip })),
  /** The error of the test, if there is one. */
  run: async (name: string): Promise<string | undefined> => {
    try {
      await tests.get(name)!.run();
      return undefined;
    } catch (error) {
      return String((error as Error).stack ?? error);
    }
  },
};
export type Suite = typeof suite;
Object.assign(globalThis, { suite });
