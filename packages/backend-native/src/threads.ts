/** How many threads make sense here. */

type Fs = typeof import('node:fs');
type Os = typeof import('node:os');

/** Physical cores that the process may run on, within the quota of its control group; at least 1. */
export function defaultThreads(): number {
  const fs = process.getBuiltinModule('node:fs') as Fs;
  const os = process.getBuiltinModule('node:os') as Os;
  const logical = os.availableParallelism();
  return Math.max(1, Math.min(logical, physicalCores(fs) ?? logical, Math.floor(quota(fs) ?? logical)));
}

/** Distinct (package, core) pairs, as Linux tells them; undefined elsewhere. */
function physicalCores(fs: Fs): number | undefined {
  const text = readText(fs, '/proc/cpuinfo');
  const cores = new Set<string>();
  for (const processor of text?.split('\n\n') ?? []) {
    const field = (name: string): string | undefined => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(processor)?.[1];
    const core = field('core id');
    if (core !== undefined) cores.add(`${field('physical id')}/${core}`);
  }
  return cores.size > 0 ? cores.size : undefined;
}

/** Processors' worth of time that the control group grants, version 2 or 1; undefined where it is not limited. */
function quota(fs: Fs): number | undefined {
  const [granted, period] = readText(fs, '/sys/fs/cgroup/cpu.max')?.split(' ') ?? [
    readText(fs, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    readText(fs, '/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  ];
  const ratio = Number(granted) / Number(period);
  return ratio > 0 ? Math.max(1, ratio) : undefined;
}

/** The text of a file that may not be there. */
function readText(fs: Fs, path: string): string | undefined {
  return fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : undefined;
}
