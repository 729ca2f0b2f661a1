/** GNU as, as an oracle: text in, the bytes of each instruction out. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Bytes that an instruction is padded to, so that one wrong length does not displace the rest. */
export const SLOT = 16;
export const PAD = 0xcc;

/** Why the comparison cannot run here, or undefined when it can. */
export function missing(): string | undefined {
  const { error, stdout } = spawnSync('as', ['--version'], { encoding: 'utf8' });
  if (error) return 'GNU as is not installed';
  if (process.arch !== 'x64') return 'GNU as is not for x86-64 here';
  const version = /\(GNU Binutils[^)]*\) (\d+)\.(\d+)/.exec(stdout);
  if (!version || Number(version[1]) * 100 + Number(version[2]) < 240)
    return 'GNU as is older than 2.40, which lacks AMX-FP16';
  return spawnSync('objcopy', ['--version']).error ? 'objcopy is not installed' : undefined;
}

/** Assembles instructions in Intel's syntax, each padded to {@link SLOT} bytes; `@` is a label at its beginning. */
export function assemble(texts: readonly string[]): Uint8Array {
  return program(texts.map((text, i) => `L${i}: ${text.replace('@', `L${i}`)}; .p2align 4, ${PAD}`).join('\n'));
}

/** Assembles a text in Intel's syntax. @throws Error with the lines that GNU as rejects */
export function program(text: string): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'x64-'));
  const [source, object, binary] = ['x.s', 'x.o', 'x.bin'].map((name) => join(directory, name));
  try {
    writeFileSync(source, `.intel_syntax noprefix\n${text}\n`);
    const { status, stderr } = spawnSync('as', ['--64', '-o', object, source], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    if (status !== 0) throw new Error(rejected(stderr, text.split('\n')));
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    return readFileSync(binary);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What as complained about, with the line. */
function rejected(stderr: string, lines: readonly string[]): string {
  const complaints = [...stderr.matchAll(/x\.s:(\d+): Error: (.*)/g)];
  const shown = complaints.slice(0, 40).map(([, line, message]) => `${lines[Number(line) - 2]}: ${message}`);
  return `GNU as rejects ${complaints.length} lines\n${shown.join('\n') || stderr}`;
}

/** The bytes of instruction `i` without padding. */
export function slot(code: Uint8Array, i: number): Uint8Array {
  const bytes = code.subarray(i * SLOT, (i + 1) * SLOT);
  let length = bytes.length;
  while (length > 1 && bytes[length - 1] === PAD) length--;
  return bytes.subarray(0, length);
}
