/** Every form of every instruction, byte by byte: with GNU as where it is installed, with its kept answers everywhere. */
import { describe, expect, test } from 'vitest';
import { allCases } from './cases.ts';
import { digestsOf, keep, kept } from './digests.ts';
import { emitAll } from './emit.ts';
import { assemble, missing, slot } from './gnu.ts';

const reason = missing();
const cases = [...allCases()];
const ours = emitAll(cases);

describe('encodings', () => {
  test.skipIf(reason)(`are those of GNU as${reason ? ` (skipped: ${reason})` : ''}`, { timeout: 120_000 }, () => {
    const theirs = assemble(cases.map(({ text }) => text));
    const different = cases.flatMap(({ text }, i) => {
      const [a, b] = [hex(slot(ours, i)), hex(slot(theirs, i))];
      return a === b ? [] : [`${text}: ${a}, GNU as ${b}`];
    });
    expect(different.slice(0, 50), `${different.length} of ${cases.length} differ`).toEqual([]);
    if (process.env['UPDATE_GNU_AS']) keep(digestsOf(cases, theirs));
    expect(kept(), 'the kept answers are out of date: see digests.ts').toEqual(digestsOf(cases, theirs));
  });

  test('are those that GNU as gave when its answers were kept', () => {
    const [answers, digests] = [kept(), digestsOf(cases, ours)];
    const different = Object.keys({ ...answers, ...digests }).filter((form) => answers[form] !== digests[form]);
    expect(different, 'wrong bytes, or new cases: see digests.ts').toEqual([]);
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
