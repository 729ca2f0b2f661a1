/**
 * What GNU as answered, as one digest per form, kept so that wrong bytes fail where GNU as is not installed. To make the file
 * again after adding instructions or cases, on a machine with binutils 2.40 or later:
 *
 *     UPDATE_GNU_AS=1 npx vitest run packages/x64/test/gnu.test.ts
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Case } from './cases.ts';
import { slot } from './gnu.ts';

const file = new URL('fixtures/gnu-as.json', import.meta.url);

export type Digests = Record<string, string>;

/** The digest of each form's instructions, which lie in `code` slot after slot. */
export function digestsOf(cases: readonly Case[], code: Uint8Array): Digests {
  const hashes = new Map<string, ReturnType<typeof createHash>>();
  for (const [i, { form }] of cases.entries()) {
    let hash = hashes.get(form);
    if (hash === undefined) {
      hash = createHash('sha256');
      hashes.set(form, hash);
    }
    const bytes = slot(code, i);
    hash.update(Uint8Array.of(bytes.length)).update(bytes);
  }
  return Object.fromEntries([...hashes].map(([form, hash]) => [form, hash.digest('hex').slice(0, 12)]));
}

export const kept = (): Digests => JSON.parse(readFileSync(file, 'utf8'));

export const keep = (digests: Digests): void => writeFileSync(file, `${JSON.stringify(digests, null, 1)}\n`);
