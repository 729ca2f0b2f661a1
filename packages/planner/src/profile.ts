/** What a machine does in a second, by backend: the only numbers that turn work into time. */

import { type AnyBackend, EspalierError, type Rates, Slicer } from '@espalier/core';

/** Plain JSON; may be saved, or describe a machine that is not here. */
export interface DeviceProfile {
  readonly version: 1;
  /** For people. */
  readonly machine: string;
  /** By backend id. Each has at least `macs` and `bytes` per second and `call` in seconds. */
  readonly rates: Readonly<Record<string, Rates>>;
}

const measured = new WeakMap<AnyBackend, Promise<Rates>>();

/** Measures each backend once in its life (a short calibration); backends that `known` has are not measured. */
export async function calibrate(
  backends: readonly AnyBackend[],
  known?: DeviceProfile,
  signal?: AbortSignal,
): Promise<DeviceProfile> {
  const rates: Record<string, Rates> = {};
  for (const backend of backends) {
    const given = known?.rates[backend.id];
    if (given) {
      rates[backend.id] = checkRates(backend.id, given);
      continue;
    }
    let pending = measured.get(backend);
    if (!pending) {
      // Measuring holds this thread.
      pending = new Slicer(signal).pause().then(() => backend.calibrate(signal));
      measured.set(backend, pending);
      pending.catch(() => measured.delete(backend));
    }
    rates[backend.id] = checkRates(backend.id, await pending);
  }
  return { version: 1, machine: known?.machine ?? describeMachine(), rates };
}

function checkRates(id: string, rates: Rates): Rates {
  for (const name of ['macs', 'bytes', 'call']) {
    const rate = rates[name];
    if (typeof rate !== 'number' || !(rate > 0) || !Number.isFinite(rate)) {
      throw new EspalierError(
        'BAD_INPUT',
        `the device profile has no usable rate "${name}" for backend "${id}": calibrate again`,
      );
    }
  }
  return rates;
}

function describeMachine(): string {
  const { process, navigator } = globalThis as {
    process?: { arch: string; platform: string; version: string };
    navigator?: { userAgent?: string };
  };
  return process?.version
    ? `${process.platform} ${process.arch}, node ${process.version}`
    : (navigator?.userAgent ?? 'unknown');
}
