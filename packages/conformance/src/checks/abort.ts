/** A run stops soon after its signal fires, and can be run again. */

import { hasCode } from '@espalier/core';
import type { Arena } from '../arena.ts';
import type { Prepared } from '../execute.ts';
import type { Instance } from '../instance.ts';
import { Mismatch } from '../mismatch.ts';
import type { PropertyOptions } from '../property.ts';
import { check, expected, firstAccepted, type KernelUnderTest, tensorsOf } from '../subject.ts';

/** Milliseconds before the signal fires, and after it, that a list may run on. */
const BEFORE_MS = 4;
const BOUND_MS = 60;
const MOST_STEPS = 1 << 17;
/** On a busy machine a thread may not run for as long: only what is late every time is late by itself. */
const ATTEMPTS = 4;

/** One call is enough: it is the list that must stop. */
export async function abort(under: KernelUnderTest, { seed }: PropertyOptions): Promise<void> {
  const found = await firstAccepted(under, {}, seed);
  if (!('subject' in found)) throw new Mismatch('accepts no call that could be aborted');
  const { instance, subject } = found;
  try {
    await abortOne(under, instance, subject.prepared!);
  } catch (error) {
    throw error instanceof Mismatch ? new Mismatch(`${error.message}\n  call: ${instance.text}`, error) : error;
  } finally {
    subject.dispose();
  }
}

async function abortOne(under: KernelUnderTest, instance: Instance, prepared: Prepared): Promise<void> {
  const wanted = await expected(under, instance, 0);
  const arena = prepared.arena(0, tensorsOf(wanted));
  try {
    await alreadyAborted(prepared, arena);
    for (let steps = 16; ; steps *= 4) {
      if ((await abortSoon(prepared, arena, steps)) || steps > MOST_STEPS) break;
    }
    const list = prepared.record(1);
    await list.run(arena.slots, arena.at);
    list.dispose();
    check(await arena.results(), wanted, instance, 0);
  } finally {
    arena.free();
  }
}

async function alreadyAborted(prepared: Prepared, arena: Arena): Promise<void> {
  const list = prepared.record(1);
  try {
    await list.run(arena.slots, arena.at, { signal: AbortSignal.abort() });
  } catch (error) {
    return mustBeAborted(error);
  } finally {
    list.dispose();
  }
  throw new Mismatch('runs to its end although its signal has fired before: check the signal first');
}

/** True when it stopped; false when it ended by itself too early to tell. @throws Mismatch when it is late again and again */
async function abortSoon(prepared: Prepared, arena: Arena, steps: number): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const found = await abortDuring(prepared, arena, steps);
    if (typeof found === 'boolean') return found;
    if (attempt === ATTEMPTS) throw found;
  }
}

/** As {@link abortSoon}, or how it was late. */
async function abortDuring(prepared: Prepared, arena: Arena, steps: number): Promise<boolean | Mismatch> {
  const list = prepared.record(steps);
  const controller = new AbortController();
  let fired = Number.NaN;
  const timer = setTimeout(() => {
    fired = performance.now();
    controller.abort();
  }, BEFORE_MS);
  const started = performance.now();
  try {
    await list.run(arena.slots, arena.at, { signal: controller.signal });
    const ended = performance.now();
    if (Number.isNaN(fired)) {
      if (ended - started < BOUND_MS) return false;
      return new Mismatch(
        `holds the thread for ${(ended - started).toFixed(0)} ms, so that no signal can fire: work in slices`,
      );
    }
    if (ended - fired < BOUND_MS) return false;
    return new Mismatch(
      `runs to its end, ${(ended - fired).toFixed(0)} ms after its signal fired: look at the signal between units`,
    );
  } catch (error) {
    mustBeAborted(error);
    return true;
  } finally {
    clearTimeout(timer);
    list.dispose();
  }
}

function mustBeAborted(error: unknown): void {
  if (hasCode(error, 'ABORTED')) return;
  throw new Mismatch(`was aborted and threw ${error} instead of an EspalierError with the code ABORTED`, error);
}
