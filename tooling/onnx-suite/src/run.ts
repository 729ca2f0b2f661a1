/** Runs one case: imports the model, makes a session, feeds it, compares. */

import { onnxOps, UnsupportedError, type Value } from '@espalier/core';
import { importOnnx, importValue, inspectOnnx } from '@espalier/onnx';
import type { Runtime, Session } from '@espalier/runtime';
import type { Case, DataSet } from './archive.ts';
import { difference } from './compare.ts';
import { absoluteTolerance, randomOps } from './manifest.ts';

export interface Result {
  readonly group: string;
  readonly name: string;
  /** Of the graph and its subgraphs. */
  readonly ops: readonly string[];
  /** Of ONNX's own domain. */
  readonly opset: number;
  /** Rejected: loading it says which ops, dtypes or attributes are not supported. Wrong: anything else than right. */
  readonly status: 'passed' | 'rejected' | 'wrong';
  /** Why it did not pass, a line each. */
  readonly reasons: readonly string[];
}

export async function runCase(test: Case, runtime: Runtime): Promise<Result> {
  const { metadata, ops } = inspectOnnx(test.model);
  const about = { group: test.group, name: test.name, ops: [...ops.keys()], opset: metadata.opsets[''] ?? 0 };
  let session: Session;
  try {
    const { graph } = await importOnnx(test.model, { ops: onnxOps });
    session = await runtime.createSession(graph);
  } catch (error) {
    if (error instanceof UnsupportedError) return { ...about, status: 'rejected', reasons: error.reasons };
    return { ...about, status: 'wrong', reasons: [describe(error)] };
  }
  try {
    const absolute = Math.max(
      ...about.ops.map((op) =>
        randomOps.has(op) ? Number.POSITIVE_INFINITY : (absoluteTolerance.get(op)?.absolute ?? 0),
      ),
    );
    const wrong = [];
    for (const set of test.sets) wrong.push(...(await runSet(session, set, absolute)));
    if (test.sets.length === 0) wrong.push('has no data');
    return { ...about, status: wrong.length > 0 ? 'wrong' : 'passed', reasons: wrong };
  } catch (error) {
    return { ...about, status: 'wrong', reasons: [describe(error)] };
  } finally {
    await session.dispose();
  }
}

async function runSet(session: Session, { inputs, outputs }: DataSet, absolute: number): Promise<string[]> {
  if (inputs.length !== session.inputNames.length)
    return [`has ${inputs.length} inputs for ${session.inputNames.join(', ')}`];
  const feeds: Record<string, Value> = Object.fromEntries(
    session.inputMetadata.map(({ name, kind }, i) => [name, importValue(inputs[i]!, kind).value]),
  );
  const results = await session.run<Value>(feeds);
  return session.outputMetadata.flatMap(({ name, kind }, i) => {
    const found = difference(results[name]!, importValue(outputs[i]!, kind).value, absolute);
    return found === undefined ? [] : [`output ${name} ${found}`];
  });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: string };
  return code === undefined ? (error.stack ?? error.message) : `${code}: ${error.message}`;
}
