/** What a case runs on: a backend with threads, features and kernels left out, and a machine by whose rates kernels are chosen. */

import { createJsBackend } from '@espalier/backend-js';
import { createNativeBackend, nativeFeatures } from '@espalier/backend-native';
import { createWasmBackend, wasmFeatures } from '@espalier/backend-wasm';
import type { AnyBackend, Rates } from '@espalier/core';
import type { DeviceProfile } from '@espalier/planner';
import { randomNumbers, type Source } from './choices.ts';
import type { Precision } from './reference.ts';

/** As drawn; in words for people. */
export interface MachineChoice {
  readonly name: 'native' | 'wasm';
  readonly threads: number;
  readonly mask: readonly string[];
  readonly precision: Precision;
  /** Puts pages that may not be touched around every buffer. */
  readonly guard: boolean;
  /** The share of the kernels that are there: those that are never the cheapest get their turn where others are away. */
  readonly share: number;
  /** Which kernels those are, and what the machine's rates are, follow from it. */
  readonly seed: number;
}

export interface Machine {
  readonly backends: readonly AnyBackend[];
  readonly profile: DeviceProfile;
}

/** Features are hidden whose names have one of these parts, the least first. */
const masks = [
  [],
  ['avx512', 'amx'],
  ['amx'],
  ['vnni', 'amx'],
  ['avx512', 'amx', 'vnni', 'f16c', 'bmi2'],
  ['bf16', 'amx'],
  ['vbmi', 'fp16'],
];
const wasmMasks = [[], ['relaxed'], ['threads'], ['dot'], ['relaxed', 'threads']];

export function drawMachine(source: Source): MachineChoice {
  const isWasm = source.chance(4);
  const hidden: readonly string[] = source.pick<readonly string[]>(isWasm ? wasmMasks : masks);
  const features: readonly string[] = isWasm ? wasmFeatures : nativeFeatures;
  return {
    name: isWasm ? 'wasm' : 'native',
    threads: 1 + source.below(2),
    mask: features.filter((name) => hidden.some((part) => name.includes(part))),
    precision: !isWasm && source.chance(5) ? 'bfloat16' : 'float32',
    guard: !isWasm && !source.chance(4),
    share: source.chance(3) ? 0.6 : 1,
    seed: source.below(1000),
  };
}

const js = createJsBackend();
const made = new Map<string, Promise<AnyBackend>>();
/** By which the scalar backend is never worth its while. */
const slow: Rates = { macs: 1, bytes: 1, call: 1 };

export async function machineOf({ share, seed, ...choice }: MachineChoice): Promise<Machine> {
  const key = JSON.stringify(choice);
  let pending = made.get(key);
  if (!pending) {
    pending = create(choice);
    made.set(key, pending);
  }
  const backend = await pending;
  const random = randomNumbers(seed);
  const kernels = backend.kernels.filter(() => random() < share);
  return {
    backends: [{ ...backend, kernels }, js],
    profile: { version: 1, machine: 'drawn', rates: { [choice.name]: ratesOf(choice.threads, seed), js: slow } },
  };
}

async function create(choice: Omit<MachineChoice, 'share' | 'seed'>): Promise<AnyBackend> {
  const { name, ...options } = choice;
  const mask = options.mask as never[];
  const created =
    name === 'wasm' ? await createWasmBackend({ ...options, mask }) : createNativeBackend({ ...options, mask });
  if ('reason' in created) throw new Error(`there is nothing to test: ${created.reason}`);
  return created;
}

/**
 * Within what machines are like, so that each kernel is the cheapest on some. They are not measured, so that a case is the same again
 * however busy the machine is: whatever rate a law asks for follows from its name.
 */
function ratesOf(threads: number, seed: number): Rates {
  const rateOf = (name: string): number => {
    if (name === 'threads') return threads;
    const letters = Array.from(name, (letter) => letter.charCodeAt(0));
    const random = randomNumbers(letters.reduce((sum, letter) => 31 * sum + letter, seed));
    return (name === 'call' || name === 'crossing' ? 1e-7 : 1e9) * 100 ** random();
  };
  return new Proxy({}, { get: (_, name) => (typeof name === 'string' ? rateOf(name) : undefined) });
}
