// Faults in emitted code, in processes of their own: they die as they would anyway, after saying where.
import { spawnSync } from 'node:child_process';
import { Assembler, at, byte, eax, rax, rcx, rdi, rsi } from '@espalier/x64';
import { describe, expect, it } from 'vitest';
import { findAddon, startEngine } from '../src/index.ts';
import { emitTrampoline } from '../src/trampoline.ts';

const started = startEngine();
const suite = 'reason' in started || process.platform === 'win32' ? describe.skip : describe;
const found = findAddon();
const file = 'file' in found ? found.file : '';
const BYTES = 100;

/** Runs, as the second of two commands with 4 units each, code that is given a guarded buffer of 100 bytes and an offset. */
const child = `
const [file, trampoline, good, code, offset, way] = process.argv.slice(1);
const addon = require(file);
const map = (text) => addon.mapCode(Buffer.from(text, 'base64'));
const args = addon.allocate(16, false);
const words = new BigInt64Array(addon.view(args, 16));
words[0] = BigInt(addon.allocate(${BYTES}, true));
words[1] = BigInt(offset);
const commands = addon.allocate(48, false);
new BigInt64Array(addon.view(commands, 48)).set([map(good), args, 4, map(code), args, 4].map(BigInt));
const ways = {
  run: () => addon.run(commands, 2, map(trampoline), 0, 0, 2, 2),
  runHere: async () => (addon.runHere(commands, 2, map(trampoline)), true),
};
ways[way]().then((completed) => console.log('completed', completed));
`;

function emit(body: (a: Assembler) => void): string {
  const a = new Assembler();
  body(a);
  a.ret();
  return Buffer.from(a.finish()).toString('base64');
}

/** Reads the byte at the offset, in the unit 3 only. */
const readByte = emit((a) => {
  const end = a.label();
  a.cmpi(rsi, 3);
  a.jne(end);
  a.mov(rax, at(rdi), 0);
  a.mov(rcx, at(rdi), 8);
  a.movzx(eax, byte(rax, rcx), 0);
  a.bind(end);
});
const nothing = emit(() => {});

function run(code: string, offset: number, way = 'run'): { signal: string | null; out: string; err: string } {
  const trampoline = Buffer.from(emitTrampoline(process.platform, false)).toString('base64');
  const args = ['-e', child, file, trampoline, nothing, code, `${offset}`, way];
  const { signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { signal, out: stdout, err: stderr };
}

suite('emitted code', () => {
  it('reads what lies in a guarded buffer', () => {
    for (const way of ['run', 'runHere'])
      for (const offset of [0, BYTES - 1])
        expect(run(readByte, offset, way)).toEqual({ signal: null, out: 'completed true\n', err: '' });
  });

  it('cannot read beyond either end of one, and the process says in which command and unit it tried', () => {
    // The page before the buffer begins where its first page does.
    for (const [offset, way] of [
      [BYTES, 'run'],
      [BYTES - 4096 - 1, 'run'],
      [BYTES, 'runHere'],
    ] as const) {
      const { signal, err } = run(readByte, offset, way);
      expect(signal).toBe('SIGSEGV');
      expect(err).toMatch(
        /^espalier: SIGSEGV at address 0x[0-9a-f]+ in command 1, unit 3 of a native command list \(code at 0x/,
      );
      expect(err).toMatch(/ESPALIER_DEBUG=1 names its node\.\n$/);
    }
  });

  it('that is no instruction is told likewise', () => {
    const { signal, err } = run(Buffer.from([0x0f, 0x0b]).toString('base64'), 0);
    expect(signal).toBe('SIGILL');
    expect(err).toMatch(/^espalier: SIGILL at address 0x[0-9a-f]+ in command 1, unit \d of/);
  });

  it('leaves the traps of WebAssembly to the engine', () => {
    // (func (export "f") (drop (i32.load (i32.const 65536)))) over one page of memory
    const module = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0];
    const body = [10, 12, 1, 10, 0, 65, 128, 128, 4, 40, 2, 0, 26, 11];
    const script = `require(process.argv[1]);
      const { f } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(${[...module, ...body]}))).exports;
      for (let i = 0; i < 3; i++) try { f(); } catch (error) { console.log(error.message); }`;
    const { stdout, stderr, signal } = spawnSync(process.execPath, ['-e', script, file], { encoding: 'utf8' });
    expect({ stdout, stderr, signal }).toEqual({
      stdout: 'memory access out of bounds\n'.repeat(3),
      stderr: '',
      signal: null,
    });
  });
});
