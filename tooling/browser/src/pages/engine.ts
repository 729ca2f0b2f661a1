// A program for any engine: the conformance suite over the WebAssembly backend, with threads and in slices; prints what came of it as JSON.
import { createWasmBackend } from '@espalier/backend-wasm';
import { conformanceTests } from '@espalier/conformance';

export interface Report {
  readonly features: readonly string[];
  readonly threads: number;
  readonly passed: number;
  /** Their names, with what went wrong. */
  readonly failed: readonly string[];
}

/** Calls for each test. */
const RUNS = 1;

const reports: Record<string, Report> = {};
for (const [variant, mask, kernels] of [
  ['threads', [], /./],
  ['slices', ['threads'], /^(matmul|softmax|gelu|gather|cast_s64)_/],
] as const) {
  const backend = await createWasmBackend({ threads: 2, mask });
  if ('reason' in backend) throw new Error(backend.reason);
  const failed: string[] = [];
  // How soon a thread stops depends on what else this machine does.
  const under = { ...backend, kernels: backend.kernels.filter(({ name }) => kernels.test(name)) };
  const tests = conformanceTests(under, { runs: RUNS }).filter(({ name, skip }) => !skip && !name.endsWith(': abort'));
  for (const { name, run } of tests) {
    await run().catch((error) => failed.push(`${name}: ${error}`));
  }
  reports[variant] = {
    ...{ features: [...backend.features], threads: backend.limits.threads },
    ...{ passed: tests.length - failed.length, failed },
  };
  // Once the last thread has left its run.
  await new Promise((resolve) => setTimeout(resolve, 200));
  backend.dispose();
}
console.log(JSON.stringify(reports));
