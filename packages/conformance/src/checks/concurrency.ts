/** Runs do not disturb each other, and a program's units may run in any order. */

import type { HostProgram } from '@espalier/core';
import type { Arena } from '../arena.ts';
import { BINDINGS } from '../cases/define.ts';
import { isHostProgram } from '../execute.ts';
import { Mismatch } from '../mismatch.ts';
import { type PropertyOptions, property } from '../property.ts';
import type { Random } from '../random.ts';
import { attempt, calls, check, expected, type KernelUnderTest, tensorsOf } from '../subject.ts';

/** Long enough for runs to overlap where the backend lets them. */
const STEPS = 4;

/** Runs of one recorded list started together, with operands and sizes of their own, give what each gives alone. */
export async function concurrentRuns(under: KernelUnderTest, options: PropertyOptions): Promise<void> {
  const some = calls(under, { symbols: true });
  if (!some) return;
  await property(some, options, (generated) =>
    attempt(under, generated, async (instance, { prepared }, random) => {
      if (!prepared) return 'skipped';
      const wanted = await Promise.all(Array.from({ length: BINDINGS }, (_, run) => expected(under, instance, run)));
      const arenas = wanted.map((each, run) => prepared.arena(run, tensorsOf(each)));
      const list = prepared.record(STEPS);
      try {
        await Promise.all(arenas.map((arena) => list.run(arena.slots, arena.at)));
        for (const [run, arena] of arenas.entries()) check(await arena.results(), wanted[run]!, instance, run);
      } finally {
        list.dispose();
        for (const arena of arenas) arena.free();
      }
      if (!isHostProgram(under.backend, prepared.program)) return 'checked';
      const again = wanted.map((each, run) => prepared.arena(run, tensorsOf(each)));
      interleave(again.map((arena) => chunks(prepared.program as HostProgram, arena, random)));
      for (const [run, arena] of again.entries()) check(await arena.results(), wanted[run]!, instance, run);
      for (const arena of again) arena.free();
      return 'checked';
    }),
  );
}

/** Units of a program over host memory give the same in any order and in pieces of any size, unless they are `sequential`. */
export async function unitsInAnyOrder(under: KernelUnderTest, options: PropertyOptions): Promise<void> {
  const some = calls(under, { symbols: true });
  if (!some) return;
  await property(some, options, (generated) =>
    attempt(under, generated, async (instance, { prepared }, random) => {
      if (!prepared || !isHostProgram(under.backend, prepared.program)) return 'skipped';
      const wanted = await expected(under, instance, 0);
      const arena = prepared.arena(0, tensorsOf(wanted));
      for (const run of chunks(prepared.program, arena, random)) run();
      check(await arena.results(), wanted, instance, 0);
      arena.free();
      return 'checked';
    }),
  );
}

/** A call in pieces: phase after phase, each cut at random, and shuffled where it may be. */
function* chunks(program: HostProgram, arena: Arena, random: Random): Generator<() => void> {
  for (const { units, sequential, run } of program.start(arena.hostCall())) {
    if (!Number.isSafeInteger(units) || units < 0) throw new Mismatch(`a phase of its program has ${units} units`);
    const cuts: [number, number][] = [];
    for (let from = 0; from < units; ) {
      const to = Math.min(units, from + 1 + random.below(Math.max(1, units >> random.below(4))));
      cuts.push([from, to]);
      from = to;
    }
    for (const [from, to] of sequential ? cuts : random.shuffle(cuts)) yield () => run(from, to);
  }
}

/** One piece of each in turn. */
function interleave(programs: readonly Generator<() => void>[]): void {
  let open = [...programs];
  while (open.length > 0) {
    open = open.filter((program) => {
      const { done, value } = program.next();
      if (!done) value();
      return !done;
    });
  }
}
