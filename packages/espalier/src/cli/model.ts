/** What every command that takes a model does: load it with progress, and a profile kept in a file. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { EspalierError } from '@espalier/core';
import type { DeviceProfile } from '@espalier/planner';
import type { Session } from '@espalier/runtime';
import type { BackendName } from '../backends.ts';
import { type LoadOptions, load, makeRuntime, type Progress } from '../load.ts';

export interface ModelOptions {
  readonly backends?: readonly string[];
  readonly threads?: number;
  readonly dim?: Readonly<Record<string, number>>;
  readonly profile?: string;
  readonly json?: boolean;
}

/** A command's standard output; kept apart from what people read meanwhile on standard error. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const stages: Readonly<Record<Progress['stage'], string>> = {
  read: 'reading',
  import: 'importing',
  plan: 'planning',
  prepare: 'preparing',
};

/** Tells on standard error what takes long: nothing in the first second, then one line a second. */
function reporter(model: string): { onProgress(progress: Progress): void } {
  let due = performance.now() + 1000;
  return {
    onProgress({ stage, done, total }) {
      if (performance.now() < due) return;
      due = performance.now() + 1000;
      const part = total ? ` ${Math.floor((100 * done) / total)}%` : '';
      process.stderr.write(`${stages[stage]} ${model}${part} ...\n`);
    },
  };
}

export async function loadModel(model: string, options: ModelOptions): Promise<Session> {
  const settings: LoadOptions = {
    ...(options.backends ? { backends: options.backends as readonly BackendName[] } : {}),
    ...(options.threads ? { threads: options.threads } : {}),
    ...(options.dim ? { dims: options.dim } : {}),
    ...reporter(model),
  };
  return load(
    model,
    options.profile ? { ...settings, profile: await savedProfile(options.profile, settings) } : settings,
  );
}

async function savedProfile(file: string, settings: LoadOptions): Promise<DeviceProfile> {
  if (existsSync(file)) {
    let profile: Partial<DeviceProfile> | undefined;
    try {
      profile = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new EspalierError('BAD_FILE', `${file} is not JSON: delete it and a new profile is written`, {
        file,
        cause: error,
      });
    }
    if (profile?.version !== 1 || !profile.rates)
      throw new EspalierError('BAD_FILE', `${file} is not a device profile: delete it and a new one is written`, {
        file,
      });
    return profile as DeviceProfile;
  }
  const profile = await (await makeRuntime(settings)).profile();
  writeFileSync(file, `${JSON.stringify(profile, null, 2)}\n`);
  return profile;
}
