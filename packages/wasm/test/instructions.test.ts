/** Every instruction of the tables as this engine knows it: its name, its operands, its encoding. */

import { setFlagsFromString } from 'node:v8';
import { describe, expect, it } from 'vitest';
import {
  type FunctionBuilder,
  type Instruction,
  instructions,
  type Local,
  ModuleBuilder,
  type Value,
} from '../src/index.ts';

// Node 20 has relaxed SIMD behind a flag.
setFlagsFromString('--experimental-wasm-relaxed-simd');

type Method = (...args: unknown[]) => Value;

/** `method` is called, as `f[name]` has a type of its own for every name. */
const method = (f: FunctionBuilder, name: string): Method => (f as unknown as Record<string, Method>)[name]!.bind(f);

/** A module with one function: the instruction on its parameters. */
function moduleOf(
  { name, operands, results, hasLane }: Instruction,
  given: readonly unknown[] = operands,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('host', 'memory', { initial: 1, maximum: 2, shared: true });
  const func = module.func(operands, results[0], (f, ...params: Local[]) => {
    // Operands are missing on purpose.
    if (given.length < operands.length) f.take = () => {};
    method(f, name)(...given.map((_, i) => params[i]!.get()), ...operands.slice(given.length), ...(hasLane ? [1] : []));
  });
  module.export('run', func);
  return module.finish();
}

/** What this engine calls the instruction: it says so when operands are missing. */
async function nameOf(instruction: Instruction): Promise<string | undefined> {
  const { message } = await WebAssembly.compile(moduleOf(instruction, [])).then(
    () => new Error('it is valid'),
    (error: Error) => error,
  );
  return /on the stack for (\S+)/.exec(message)?.[1];
}

/** As messages write it: older engines name some as their proposals did. */
const spelled = (name: string): string =>
  name
    .replace('qfma', 'madd')
    .replace('qfms', 'nmadd')
    .replaceAll(/relaxed|[._]/g, '');

describe('instructions', () => {
  it('are all there, once', () => {
    expect(new Set(instructions.map(({ name }) => name)).size).toBe(instructions.length);
    expect(new Set(instructions.map(({ prefix, opcode }) => `${prefix}/${opcode}`)).size).toBe(instructions.length);
    expect(instructions.filter(({ prefix, opcode }) => prefix === 0xfd && opcode < 256)).toHaveLength(236 - 2);
    expect(instructions.filter(({ prefix, opcode }) => prefix === 0xfd && opcode >= 256)).toHaveLength(20);
  });

  it('are valid', () => {
    const invalid = instructions.filter((each) => !WebAssembly.validate(moduleOf(each))).map(({ name }) => name);
    expect(invalid).toEqual([]);
  });

  it('have the names that the engine has for them', async () => {
    const wrong: string[] = [];
    for (const each of instructions) {
      const found = await nameOf(each);
      if (found === undefined || spelled(found) !== spelled(each.name)) wrong.push(`${each.name} is ${found}`);
    }
    expect(wrong).toEqual([]);
  });
});
