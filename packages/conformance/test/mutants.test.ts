/** The suite passes kernels that are right, and says what is wrong with those that are not. */

import { createJsBackend, define, each } from '@espalier/backend-js';
import { type AnyBackend, type HostBackend, type HostKernel, type OpSchema, onnxOps } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import {
  type ConformanceOptions,
  type ConformanceTest,
  conformanceTests,
  extents,
  type OpCases,
  testBackend,
  tolerance,
  values,
} from '../src/index.ts';
import { add, backendOf, cumSum, kernel, matmul, negTwice, relu } from './kernels.ts';

/** Messages of the tests that fail, by name. */
async function failures(tests: readonly ConformanceTest[]): Promise<Record<string, string>> {
  const failed: Record<string, string> = {};
  for (const { name, run } of tests) {
    await run().catch((error: Error) => {
      failed[name] = error.message;
    });
  }
  return failed;
}

const suiteOf = (backend: AnyBackend, options: ConformanceOptions = {}) =>
  failures(conformanceTests(backend, { runs: 40, ...options }));

describe('what is right', () => {
  it.each([relu(), negTwice(), cumSum(), add(), matmul()])('$name passes', async (right) => {
    expect(await suiteOf(backendOf(right))).toEqual({});
  });
});

/** The faulty kernel, the test that must fail, and what it must say. */
const mutants: readonly (readonly [string, HostKernel, string, RegExp])[] = [
  [
    'wrong at the edge of a tile',
    matmul('wrong at the edge of a tile'),
    'results, T=float32',
    /output 0 at \[0,(8|16)\] is 0 instead of .*\n {2}call: MatMul\(float32\[1,/,
  ],
  ['leaves out the last of K', matmul('leaves out the last of K'), 'results, T=float32', /output 0 at \[/],
  ['packs too little', matmul('packs too little of sparse weights'), 'results, T=float32', /constant/],
  [
    'symbols of 0',
    matmul('nothing for a symbol of 0'),
    'results with symbols',
    /output 0 at \[0,0\] is -2.6.*e\+36 instead of 0[\s\S]*K=0/,
  ],
  [
    'order of the epilogue',
    matmul('does the epilogue in another order'),
    'results with epilogues',
    /then (Add.* then Relu|Relu.* then Add)/,
  ],
  ['work that falls', matmul('work falls'), 'work', /macs falls from .* when [MKN] grows from/],
  ['work that is not a number', matmul('work is not a number'), 'work', /work's lines is NaN/],
  ['no reason', matmul('rejects without a reason'), 'calls', /rejects the call without saying why/],
  ['rejects all', matmul('rejects everything'), 'calls', /accepts none of the calls of MatMul, because:\n {2}is tired/],
  [
    'rejects every epilogue',
    matmul('rejects every epilogue'),
    'results with epilogues',
    /says that it fuses Add,Relu, and rejects every epilogue/,
  ],
  ['throws', matmul('throws'), 'results, T=float32', /matmul_f32__test failed: index out of bounds\n {2}call: MatMul/],
  ['strides of broadcasting', add('ignores strides of broadcasting'), 'results, T=float32', /output 0 at \[/],
  ['NaN', add('drops NaN'), 'results, T=float32', /is 0 instead of NaN/],
  ['high ranks', add('wrong for rank 5'), 'results, T=float32', /float32\[\d+,\d+,\d+,\d+,\d+\]/],
  [
    'writes past its output',
    relu('writes past its output'),
    'results, T=float32',
    /wrote outside its outputs: the byte 1 past output 0/,
  ],
  [
    'writes its input',
    relu('writes its input'),
    'results, T=float32',
    /wrote outside its outputs: byte \d+ of input 0/,
  ],
  ['state across units', relu('keeps state across units'), 'units in any order', /output 0 at \[/],
  ['overlapping units', relu('overlapping units'), 'units in any order', /output 0 at \[/],
  ['its first size', relu('remembers its first size'), 'results with symbols', /output 0 at \[/],
  ['not said to be sequential', cumSum('does not say that it is sequential'), 'units in any order', /output 0 at \[/],
  ['shared scratch memory', negTwice('shares its scratch memory'), 'concurrent runs', /output 0 at \[/],
];

describe('what is wrong', () => {
  it.each(mutants)('%s', async (_, wrong, test, message) => {
    const name = `${wrong.name}: ${test}`;
    const { [name]: said } = await failures(conformanceTests(backendOf(wrong)).filter((each) => each.name === name));
    expect(said).toMatch(message);
  });

  it('rounds halves the wrong way, even where the reference does the same', async () => {
    const truncated = kernel(
      'Relu',
      (call) => {
        const [x, y] = [call.inputs[0]!.data as Uint16Array, call.outputs[0]!.data as Uint16Array];
        return [
          each(x.length, (from, to) => {
            for (let i = from; i < to; i++) y[i] = x[i]! & 0x8000 ? 0 : x[i]! & 0xff00;
          }),
        ];
      },
      { types: { T: ['float16'] } },
    );
    const js = createJsBackend();
    const both = { ...js, kernels: [truncated, ...js.kernels.filter(({ op }) => op !== 'Relu'), kernel32()] };
    const failed = await failures(
      conformanceTests(both, { runs: 20, reference: both }).filter(({ name }) => name.startsWith(truncated.name)),
    );
    expect(Object.keys(failed)).toEqual([`${truncated.name}: agrees with float32`]);
  });

  it('computes 64-bit integers as doubles', async () => {
    const rounded = define({
      op: 'Add',
      variant: 's64',
      types: { T: ['int64'] },
      reject: ({ inputs: [a, b] }) => (`${a!.shape}` === `${b!.shape}` ? undefined : 'no broadcasting'),
      compute: ({ inputs: [a, b], outputs: [y] }) =>
        each(y!.size, (from, to) => {
          for (let i = from; i < to; i++)
            y!.data[i] = BigInt.asIntN(64, BigInt(Number(a!.data[i]) + Number(b!.data[i])));
        }),
    });
    expect(await suiteOf(backendOf(rounded))).toHaveProperty([`${rounded.name}: results, T=int64`]);
  });
});

const kernel32 = (): HostKernel => ({ ...relu(), name: 'relu_f32__other' });

describe('lists', () => {
  /** The right kernel on a backend that has another way to run lists. */
  const withRecord = (record: (right: HostBackend) => HostBackend['record']): HostBackend => {
    const right = backendOf(relu());
    return { ...right, record: record(right) };
  };
  const abortOf = async (backend: AnyBackend): Promise<string | undefined> =>
    Object.values(await failures(conformanceTests(backend).filter(({ name }) => name.endsWith('abort'))))[0];

  it('that do not look at their signal', async () => {
    const deaf = withRecord((right) => (steps) => {
      const list = right.record(steps);
      return { ...list, run: (slots, at) => list.run(slots, at) };
    });
    expect(await abortOf(deaf)).toMatch(/although its signal has fired before/);
  });

  it('that look at their signal only at the start', async () => {
    const late = withRecord((right) => (steps) => {
      const list = right.record(steps);
      return {
        ...list,
        run: (slots, at, options) => (options?.signal?.aborted ? list.run(slots, at, options) : list.run(slots, at)),
      };
    });
    expect(await abortOf(late)).toMatch(/runs to its end, \d+ ms after its signal fired/);
  });

  it('that throw another error', async () => {
    const other = withRecord((right) => (steps) => ({
      ...right.record(steps),
      run: async (slots, at, options) => {
        options?.signal?.throwIfAborted();
        return right.record(steps).run(slots, at, options);
      },
    }));
    expect(await abortOf(other)).toMatch(/threw AbortError.* instead of an EspalierError with the code ABORTED/);
  });

  it('that hold the thread', async () => {
    const greedy = withRecord((right) => (steps) => ({
      ...right.record(steps),
      run: async (slots, at, options) => {
        if (options?.signal?.aborted) return right.record(steps).run(slots, at, options);
        const until = performance.now() + 80;
        while (performance.now() < until);
        return right.record(steps.slice(0, 1)).run(slots, at);
      },
    }));
    expect(await abortOf(greedy)).toMatch(/holds the thread for \d+ ms/);
  });

  it('in a backend whose buffers ignore offsets', async () => {
    const right = backendOf(relu());
    const wrong: HostBackend = { ...right, read: async (buffer, _, bytes) => buffer.slice(0, bytes) };
    expect((await suiteOf(wrong, { runs: 1 }))['test: buffers']).toMatch(/read from an offset does not give/);
  });
});

describe('the suite', () => {
  it('fails by name for an op without calls', async () => {
    const unknown: HostKernel = { ...relu(), name: 'loop_f32__test', op: 'Loop' };
    const failed = await suiteOf(backendOf({ ...unknown, types: {} }));
    expect(failed['loop_f32__test: calls']).toMatch(/no calls are known for Loop/);
  });

  it('checks what rows say', async () => {
    const wrong: HostKernel = { ...relu(), name: 'Relu', types: { U: ['float32'] } };
    expect((await suiteOf(backendOf(wrong), { runs: 1 }))['Relu: row']).toMatch(/its name is not <op>_/);
    const other: HostKernel = { ...relu(), types: { U: ['float32'] } };
    expect((await suiteOf(backendOf(other), { runs: 1 }))['relu_f32__test: row']).toMatch(/no type variable U/);
    expect((await suiteOf(backendOf(relu(), relu()), { runs: 1 }))['test: declaration']).toMatch(
      /two kernels are named/,
    );
  });

  it('fails for a dtype that the row names and work rejects', async () => {
    const right = relu();
    const boastful: HostKernel = {
      ...right,
      types: { T: ['float32', 'float16'] },
      work: (call, at, constants) =>
        call.inputs[0]!.dtype === 'float16' ? { reason: 'not yet' } : right.work(call, at, constants),
    };
    const failed = await suiteOf(backendOf(boastful));
    expect(failed).toEqual({ 'relu_f32__test: results, T=float16': expect.stringMatching(/narrow its `types`/) });
  });

  it('takes ops, calls and a reference of others', async () => {
    const domain = 'example';
    const square: OpSchema = { ...onnxOps.get('Relu')!, name: 'Square', domain, versions: [1] };
    const cases: OpCases = {
      op: 'Square',
      domain,
      tolerance: tolerance.ulps(1),
      cases: () => extents().map(({ shape, sizes }) => ({ inputs: [{ shape, values: values.ordinary }], sizes })),
    };
    const squared = (name: string, f: (x: number) => number): HostKernel => ({
      ...kernel('Square', (call) => {
        const [x, y] = [call.inputs[0]!.data as Float32Array, call.outputs[0]!.data];
        return [
          each(x.length, (from, to) => {
            for (let i = from; i < to; i++) y[i] = f(x[i]!);
          }),
        ];
      }),
      name,
      domain,
    });
    const options = {
      ops: new Map([...onnxOps, ['example::Square', square]]),
      cases: [cases],
      reference: backendOf(squared('square_any__reference', (x) => x ** 2)),
    };
    expect(await suiteOf(backendOf(squared('square_f32__right', (x) => x * x)), options)).toEqual({});
    const failed = await suiteOf(backendOf(squared('square_f32__wrong', (x) => x * Math.abs(x))), options);
    expect(failed['square_f32__wrong: results, T=float32']).toMatch(/call: Square\(float32\[/);
    const unknown = await suiteOf(backendOf(squared('square_f32__right', (x) => x * x)));
    expect(unknown['square_f32__right: row']).toMatch(/there is no op example::Square/);
  });

  it('takes known failures, and fails when one passes or is gone', async () => {
    const backend = backendOf(relu('writes its input'));
    const all = Object.keys(await suiteOf(backend));
    const knownFailures = all.map((test) => ({ test, reason: 'being mended' }));
    expect(all.length).toBeGreaterThan(2);
    const tests = conformanceTests(backend, { runs: 40, knownFailures });
    expect(await failures(tests)).toEqual({});
    expect(tests.map(({ name }) => name)).toContain(`${all[0]} (known to fail: being mended)`);
    const wrong = await suiteOf(backendOf(relu()), {
      knownFailures: [
        { test: 'relu*: results,*', reason: 'r' },
        { test: 'gone', reason: 'r' },
      ],
    });
    expect(Object.values(wrong)).toEqual([
      expect.stringMatching(/"relu_f32__test: results, T=float32" passes: remove it from the known failures/),
      expect.stringMatching(/no test has the name "gone"/),
    ]);
    expect(() => conformanceTests(backend, { knownFailures: [{ test: '*', reason: ' ' }] })).toThrow(/has no reason/);
  });

  it('replays one failure from what its message says', async () => {
    const backend = backendOf(matmul('wrong at the edge of a tile'));
    const test = 'matmul_f32__test: results, T=float32';
    const { [test]: message } = await suiteOf(backend);
    const { replay } = new Function(`return ${/\{ replay: .* \}$/m.exec(message!)![0]}`)();
    expect(replay.test).toBe(test);
    const again = await failures(conformanceTests(backend, { replay }));
    expect(again[test]!.split('\n').slice(0, 2)).toEqual(message!.split('\n').slice(0, 2));
    expect(() => conformanceTests(backend, { replay: { ...replay, test: 'other' } })).toThrow(TypeError);
  });

  it('skips kernels whose features the backend does not have, and says so', () => {
    const tests = conformanceTests(backendOf({ ...relu(), requires: ['avx9'] }));
    expect(tests.find(({ skip }) => skip)).toMatchObject({
      name: 'relu_f32__test: calls',
      skip: 'test has no avx9 here',
    });
  });

  it('gives the same calls for the same seed', async () => {
    const seen = async (seed: number): Promise<string> => {
      const shapes: string[] = [];
      const spy = relu();
      const work: HostKernel['work'] = (call, at, constants) => {
        shapes.push(`${call.inputs[0]!.shape}`);
        return spy.work(call, at, constants);
      };
      const [test] = conformanceTests(backendOf({ ...spy, work }), { runs: 20, seed }).filter(({ name }) =>
        name.includes('results,'),
      );
      await test!.run();
      return shapes.join(';');
    };
    expect(await seen(7)).toBe(await seen(7));
    expect(await seen(7)).not.toBe(await seen(8));
  });

  it('registers with a test runner', async () => {
    const names: string[] = [];
    const it = Object.assign((name: string) => names.push(name), {
      skip: (name: string) => names.push(`skipped ${name}`),
    });
    const describe = (name: string, body: () => void): void => {
      names.push(name);
      body();
    };
    testBackend(backendOf(relu(), { ...add(), requires: ['avx9'] }), { it, describe });
    expect(names.slice(0, 4)).toEqual(['backend test', 'test: declaration', 'test: buffers', 'test: rates']);
    expect(names).toContain('relu_f32__test: results, T=float32');
    expect(names).toContain('skipped add_f32__test: calls (test has no avx9 here)');
  });
});
