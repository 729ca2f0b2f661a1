/** `espalier doctor`: what this machine and install can do. */

import { availableParallelism, cpus, totalmem } from 'node:os';
import { createJsBackend } from '@espalier/backend-js';
import { calibrate } from '@espalier/planner';
import { backendNames } from '../load.ts';
import { print } from './model.ts';

/** The oldest Node that is supported. */
const OLDEST = [20, 19];

export async function doctor({ json }: { json?: boolean }): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const supported = major > OLDEST[0]! || (major === OLDEST[0] && minor >= OLDEST[1]!);
  const profile = await calibrate([createJsBackend()]);
  const { macs, bytes } = profile.rates.js!;
  const report = {
    node: process.versions.node,
    supported,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: totalmem() / 2 ** 30,
    backends: backendNames.map((name) => ({ name, available: true })),
    rates: { js: { gigaMacsPerSecond: macs! / 1e9, gigabytesPerSecond: bytes! / 1e9 } },
    advice: advice(supported),
  };
  if (json) {
    print(JSON.stringify(report, null, 2));
    return;
  }
  print(`node       ${report.node}${supported ? '' : ' (too old)'}`);
  print(
    `machine    ${report.platform}, ${report.processor}, ${report.cores} cores, ${report.memoryGiB.toFixed(1)} GiB`,
  );
  for (const { name } of report.backends) print(`backend    ${name}: works here`);
  print(
    `js         ${report.rates.js.gigaMacsPerSecond.toFixed(2)} billion multiply-adds and ${report.rates.js.gigabytesPerSecond.toFixed(1)} GB a second`,
  );
  for (const line of report.advice) print(`advice     ${line}`);
}

function advice(supported: boolean): string[] {
  const lines = supported ? [] : [`Node ${OLDEST.join('.')} or later is needed`];
  return [...lines, 'this version has the scalar backend only: right answers, not fast ones'];
}
