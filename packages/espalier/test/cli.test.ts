import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Graph, Tensor } from '@espalier/core';
import { exportOnnx } from '@espalier/onnx';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from './bundle.ts';
import { model, modelFolder } from './model.ts';

let folder: string;
beforeAll(async () => {
  folder = modelFolder();
  await bundle(join(import.meta.dirname, '../src/cli.ts'), join(folder, 'cli.mjs'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function espalier(...args: readonly string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'cli.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
}

const npy = (descr: string, shape: string, data: Uint8Array): Uint8Array => {
  const header = `${`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117)}\n`;
  return new Uint8Array([
    0x93,
    ...new TextEncoder().encode('NUMPY'),
    1,
    0,
    header.length & 255,
    header.length >> 8,
    ...new TextEncoder().encode(header),
    ...data,
  ]);
};

describe('espalier run', () => {
  it('reads feeds from JSON and prints outputs as JSON', () => {
    writeFileSync(
      join(folder, 'feeds.json'),
      JSON.stringify({
        x: {
          dtype: 'float32',
          shape: [2, 3],
          data: [
            [1, 2, 3],
            [-1, -2, -3],
          ],
        },
      }),
    );
    const { status, out } = espalier('run', 'model.onnx', '--inputs', 'feeds.json', '--json');
    expect(JSON.parse(out)).toEqual({ y: { dtype: 'float32', shape: [2, 2], data: [0, 5, 2, 0] } });
    expect(status).toBe(0);
  });

  it('reads feeds from .npz', () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    writeFileSync(join(folder, 'feeds.npz'), zipSync({ 'x.npy': npy('<f4', '(1, 3)', data) }));
    expect(JSON.parse(espalier('run', 'model.onnx', '--inputs', 'feeds.npz', '--json').out).y.data).toEqual([0, 5]);
    writeFileSync(join(folder, 'bad.npz'), zipSync({ 'x.npy': npy('<c8', '(1, 3)', data) }));
    expect(espalier('run', 'model.onnx', '--inputs', 'bad.npz')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/holds <c8/),
    });
  });

  it('makes random feeds of the sizes that --dim says, the same for the same seed', () => {
    const run = (...more: string[]) =>
      JSON.parse(espalier('run', 'model.onnx', '--dim', 'batch=4', '--json', ...more).out).y;
    expect(run().shape).toEqual([4, 2]);
    expect(run()).toEqual(run());
    expect(run('--seed', '2')).not.toEqual(run());
  });

  it('prints for people, and what each node took', () => {
    const { out, err } = espalier('run', 'model.onnx', '--times');
    expect(out).toMatch(/^y {2}float32\[1,2\] {2}\S+ \S+\n$/);
    expect(err).toMatch(/ms {2}\w+\/matmul_\w+ {2}MatMul {2}mm/);
  });

  it('takes and prints sequences and optionals', () => {
    const kinds: Graph = {
      name: 'kinds',
      inputs: [
        { name: 's', dtype: 'float32', shape: [], container: { kind: 'sequence', shape: ['?'] } },
        { name: 'o', dtype: 'float32', shape: [], container: { kind: 'optional', shape: [2] } },
      ],
      outputs: ['t', 'p'],
      nodes: [
        { name: 'erase', op: 'SequenceErase', domain: '', inputs: ['s'], outputs: ['t'], attrs: {} },
        { name: 'keep', op: 'Identity', domain: '', inputs: ['o'], outputs: ['p'], attrs: {} },
      ],
      constants: new Map(),
    };
    writeFileSync(join(folder, 'kinds.onnx'), exportOnnx(kinds));
    const [one, two] = [1, 2].map((n) => ({ dtype: 'float32', shape: [n], data: new Array(n).fill(n) }));
    writeFileSync(join(folder, 'kinds.json'), JSON.stringify({ s: [one, two], o: null }));
    const run = (...more: string[]) => espalier('run', 'kinds.onnx', ...more).out;
    expect(JSON.parse(run('--inputs', 'kinds.json', '--json'))).toEqual({ t: [one], p: null });
    expect(run('--inputs', 'kinds.json')).toBe('t  a sequence of 1\nt[0]  float32[1]  1\np  empty\n');
    const random = JSON.parse(run('--json'));
    expect([random.t.length, random.p.shape]).toEqual([1, [2]]);
    expect(espalier('inspect', 'kinds.onnx').out).toMatch(
      /s {2}sequence\(float32\[\?\]\)\n {2}o {2}optional\(float32\[2\]\)/,
    );
    expect(JSON.parse(espalier('inspect', 'kinds.onnx', '--json').out).inputs).toEqual([
      { name: 's', kind: 'sequence', dtype: 'float32', shape: ['?'] },
      { name: 'o', kind: 'optional', dtype: 'float32', shape: [2] },
    ]);
    writeFileSync(join(folder, 'odd.json'), JSON.stringify({ s: [one, 3] }));
    expect(espalier('run', 'kinds.onnx', '--inputs', 'odd.json').err).toMatch(/"s", element 1 is not an object/);
  });

  it('says what is wrong with feeds', () => {
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ x: { dtype: 'float32', shape: [2, 3], data: [1] } }));
    expect(espalier('run', 'model.onnx', '--inputs', 'wrong.json')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/"x" has 1 elements for the shape \[2,3\]/),
    });
    expect(espalier('run', 'model.onnx', '--inputs', 'none.json')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/none\.json cannot be read/),
    });
  });
});

describe('espalier explain', () => {
  it('prints a table, and with a saved profile the same JSON every time', () => {
    const { out, err } = espalier('explain', 'model.onnx');
    expect(out).toMatch(/MatMul.*\w+\/matmul_\w+/);
    expect(out).toMatch(/^without native: @espalier\/backend-native is not installed$/m);
    expect(err).toBe('');
    const json = () => espalier('explain', 'model.onnx', '--profile', 'profile.json', '--json').out;
    const first = json();
    expect(JSON.parse(first).nodes.map((n: { op: string }) => n.op)).toContain('MatMul');
    expect(json()).toBe(first);
    expect(JSON.parse(readFileSync(join(folder, 'profile.json'), 'utf8')).rates.js.macs).toBeGreaterThan(0);
    writeFileSync(join(folder, 'other.json'), '{}');
    expect(espalier('explain', 'model.onnx', '--profile', 'other.json')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/not a device profile/),
    });
  });
});

describe('espalier inspect, bench, doctor', () => {
  it('shows what is in the file', () => {
    const json = JSON.parse(espalier('inspect', 'model.onnx', '--json').out);
    expect(json).toMatchObject({
      inputs: [{ name: 'x', shape: ['batch', 3] }],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
      ops: { MatMul: 1, Relu: 1 },
      weights: [{ dtype: 'float32', tensors: 1, zeros: 2 / 6 }],
    });
    expect(espalier('inspect', 'model.onnx').out).toMatch(/float32: 1 tensors, 6 elements/);
  });

  it('shows zeros, blocks, patterns and repeated values of each weight, as outputs by inputs', () => {
    // 8 inputs and 16 outputs: the outputs below 8 read the first and the last input, the others none.
    const w = Float32Array.from({ length: 8 * 16 }, (_, i) => Number([0, 7].includes(i >> 4) && i % 16 < 8));
    const nodes = [{ name: 'mm', op: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }];
    const inputs = [{ name: 'x', dtype: 'float32', shape: ['batch', 8] }] as const;
    const constants = new Map([['w', new Tensor('float32', w, [8, 16])]]);
    writeFileSync(
      join(folder, 'sparse.onnx'),
      exportOnnx({ name: 'sparse', inputs, outputs: ['y'], nodes, constants }),
    );
    const [tensor] = JSON.parse(espalier('inspect', 'sparse.onnx', '--json').out).tensors;
    const blocks = { '1x4': { total: 32, nonzero: 16 }, '16x4': { total: 2, nonzero: 2 } };
    const structure = { elements: 128, nonzeros: 16, blocks, patterns: ['2:4', '4:8'], distinct: 2 };
    expect(tensor).toEqual({ name: 'w', dtype: 'float32', shape: [8, 16], elements: 128, structure });
    const lines = espalier('inspect', 'sparse.onnx').out.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^ {2}float32\[8,16\] +87\.5% +50\.0% +100\.0% +2:4 4:8 +2 +w$/);
  });

  it('times a model', () => {
    const json = JSON.parse(espalier('bench', 'model.onnx', '--runs', '3', '--json').out);
    expect(json.runs).toBe(3);
    expect(json.medianMs).toBeGreaterThan(0);
    expect(espalier('bench', 'model.onnx', '--runs', '2').out).toMatch(/median .* of 2 runs/);
  });

  it('shows what the machine can do', () => {
    expect(JSON.parse(espalier('doctor', '--json').out)).toMatchObject({
      supported: true,
      backends: [
        { name: 'native', available: false, reason: '@espalier/backend-native is not installed' },
        { name: 'wasm', available: true },
        { name: 'js', available: true },
      ],
    });
    const { out, err } = espalier('doctor');
    expect(out).toMatch(/backend {4}native: left out, @espalier\/backend-native is not installed\n/);
    expect(out).toMatch(/backend {4}js: works here/);
    expect(err).toBe('');
  });
});

describe('exit codes', () => {
  it('tell usage, failure and what is not supported apart', () => {
    // An op that nobody knows cannot be exported: its name is changed in the file.
    const text = Buffer.from(exportOnnx(model)).toString('latin1').replace('Relu', 'Relx');
    writeFileSync(join(folder, 'unknown.onnx'), text, 'latin1');
    expect(espalier('run', 'unknown.onnx')).toMatchObject({ status: 3, err: expect.stringMatching(/act.*Relx/) });
    expect(espalier('run', 'none.onnx')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^error: none\.onnx does not exist\n$/),
    });
    for (const usage of [
      ['run'],
      ['fly', 'model.onnx'],
      ['run', 'model.onnx', '--dim', 'batch'],
      ['run', 'model.onnx', '--threads', '0'],
      ['run', 'model.onnx', '--backends', 'gpu'],
      ['run', 'model.onnx', '--what'],
    ]) {
      expect(espalier(...usage).status, usage.join(' ')).toBe(2);
    }
    expect(espalier('run', 'model.onnx', '--dim', 'bach=2')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/no dimension "bach"; it has: batch/),
    });
    expect(espalier('--help')).toMatchObject({ status: 0, out: expect.stringMatching(/Examples:/) });
    expect(espalier('run', '--help').status).toBe(0);
  });

  it('end quietly when the reader of the output goes', async () => {
    const child = spawn(process.execPath, [join(folder, 'cli.mjs'), 'inspect', 'model.onnx', '--json'], {
      cwd: folder,
    });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const [status] = await once(child, 'close');
    expect([status, err]).toEqual([0, '']);
  });

  it('are those of a model that fails while it runs', () => {
    const bad: Graph = { ...model, inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'k'] }] };
    writeFileSync(join(folder, 'bad.onnx'), exportOnnx(bad));
    writeFileSync(
      join(folder, 'four.json'),
      JSON.stringify({ x: { dtype: 'float32', shape: [1, 4], data: [1, 2, 3, 4] } }),
    );
    const { status, err } = espalier('run', 'bad.onnx', '--inputs', 'four.json');
    expect(status).toBe(1);
    expect(err).toMatch(/^error: /);
  });
});

it('keeps a tensor of every kind through JSON', async () => {
  const { fromJson, toJson } = await import('../src/cli/feeds.ts');
  for (const json of [
    { dtype: 'float16', shape: [2], data: [0.5, -2] },
    { dtype: 'bfloat16', shape: [1], data: [3] },
    { dtype: 'int64', shape: [2], data: [1, '9007199254740993'] },
    { dtype: 'int4', shape: [3], data: [-8, 7, 0] },
    { dtype: 'bool', shape: [2], data: [1, 0] },
    { dtype: 'string', shape: [1], data: ['a'] },
    { dtype: 'float32', shape: [3], data: ['NaN', 'Infinity', 1] },
  ] as const) {
    expect(toJson(fromJson(json, 'x'))).toEqual(json);
  }
  expect(toJson(new Tensor('float32', [1], []))).toEqual({ dtype: 'float32', shape: [], data: [1] });
});
