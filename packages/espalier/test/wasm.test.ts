/** The WebAssembly backend under sessions: whose memory is whose. */

import { createWasmBackend, type WasmBackend } from '@espalier/backend-wasm';
import { createRuntime } from '@espalier/runtime';
import { expect, it, vi } from 'vitest';
import { Tensor } from '../src/index.ts';
import { model } from './model.ts';

const feeds = { x: new Tensor('float32', [1, 2, 3, -1, -2, -3], [2, 3]) };
const expected = [0, 5, 2, 0];

it.each([
  ['threads', {}],
  ['slices', { mask: ['threads'] }],
] as const)('sessions of a model share a memory that no other model is in, with %s', async (_, options) => {
  const wasm = (await createWasmBackend({ threads: 2, ...options })) as WasmBackend;
  const partition = vi.fn(wasm.partition!);
  const runtime = createRuntime({ backends: [{ ...wasm, partition }] });
  const sessions = await Promise.all([model, model, { ...model }].map((graph) => runtime.createSession(graph)));
  expect(partition).toHaveBeenCalledTimes(2);
  for (const session of sessions) expect([...((await session.run(feeds)).y!.data as Float32Array)]).toEqual(expected);
  await sessions[0]!.dispose();
  expect([...((await sessions[1]!.run(feeds)).y!.data as Float32Array)]).toEqual(expected);
  expect(() => wasm.dispose()).toThrow('still in use');
  for (const session of sessions) await session.dispose();
  // Once the last thread has left.
  await vi.waitFor(() => wasm.dispose());
});

it('a model that needs more memory than WebAssembly addresses is refused, with the reason', async () => {
  const wasm = (await createWasmBackend({ threads: 1 })) as WasmBackend;
  const session = await createRuntime({ backends: [wasm] }).createSession({
    name: 'wide',
    inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
    outputs: ['y'],
    nodes: [{ name: 'widen', op: 'Expand', domain: '', inputs: ['x', 'shape'], outputs: ['y'], attrs: {} }],
    constants: new Map([['shape', new Tensor('int64', [2 ** 31], [1])]]),
  });
  await expect(session.run({ x: new Tensor('float32', [1], [1]) })).rejects.toMatchObject({
    code: 'LIMIT',
    message: expect.stringMatching(/a buffer of 85899\d+ bytes .*wasm.* at most/),
  });
  await session.dispose();
  await vi.waitFor(() => wasm.dispose());
});
