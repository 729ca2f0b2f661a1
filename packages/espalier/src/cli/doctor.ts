/** `espalier doctor`: what this machine and install can do. */

import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Rates } from '@espalier/core';
import { calibrate } from '@espalier/planner';
import { type BackendName, backendNames, importNative, makeBackend } from '../backends.ts';
import { print } from './model.ts';

/** The oldest Node that is supported. */
const OLDEST = [20, 19];

interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  readonly threads?: number;
  readonly features?: readonly string[];
  readonly rates?: Rates;
}

export async function doctor({ json }: { json?: boolean }): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const supported = major > OLDEST[0]! || (major === OLDEST[0] && minor >= OLDEST[1]!);
  const backends = await Promise.all(backendNames.map(reportOf));
  const report = {
    node: process.versions.node,
    supported,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: totalmem() / 2 ** 30,
    backends,
    addon: await addonReport(),
    advice: advice(supported, backends),
  };
  if (json) {
    print(JSON.stringify(report, null, 2));
    return;
  }
  const line = (topic: string, text: string): void => print(`${topic.padEnd(10)} ${text}`);
  line('node', `${report.node}${supported ? '' : ' (too old)'}`);
  line('machine', `${report.platform}, ${report.processor}, ${report.cores} cores, ${report.memoryGiB.toFixed(1)} GiB`);
  for (const backend of backends) line('backend', `${backend.name}: ${describe(backend)}`);
  const { file, prebuilt } = report.addon;
  if (prebuilt) line('addon', `${file ?? 'none'} (prebuilt for this platform: ${prebuilt})`);
  for (const text of report.advice) line('advice', text);
}

async function reportOf(name: BackendName): Promise<BackendReport> {
  const backend = await makeBackend(name);
  if ('reason' in backend) return { name, available: false, reason: backend.reason };
  const { rates } = await calibrate([backend]);
  return {
    name,
    available: true,
    threads: backend.limits.threads,
    features: [...backend.features],
    rates: rates[backend.id]!,
  };
}

function describe({ available, reason, threads, features, rates }: BackendReport): string {
  if (!available) return `left out, ${reason}`;
  const speed = `${(rates!.macs! / 1e9).toFixed(2)} billion multiply-adds and ${(rates!.bytes! / 1e9).toFixed(1)} GB a second`;
  const means = features!.length > 0 ? `; ${features!.join(' ')}` : '';
  return `works here, ${threads} thread${threads === 1 ? '' : 's'}, ${speed}${means}`;
}

/** The addon's file, and the package that would bring it. */
async function addonReport(): Promise<{ readonly file?: string; readonly prebuilt?: string }> {
  const native = await importNative();
  if ('reason' in native) return {};
  const found = native.findAddon();
  const prebuilt = native.prebuiltPackage();
  return { ...('file' in found ? { file: found.file } : {}), ...(prebuilt ? { prebuilt } : {}) };
}

function advice(supported: boolean, backends: readonly BackendReport[]): string[] {
  const lines = supported ? [] : [`Node ${OLDEST.join('.')} or later is needed`];
  if (backends.some(({ name, available }) => name !== 'js' && available)) return lines;
  return [...lines, 'only the scalar backend works here: right answers, not fast ones'];
}
