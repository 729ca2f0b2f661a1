import { expect, it } from 'vitest';
import { benchBackend, supportMatrix } from '../src/index.ts';
import { add, backendOf, kernel, matmul, relu } from './kernels.ts';

const quick = { seconds: 0.001 };

it('times kernels and compares with what their laws predict', async () => {
  const lines: string[] = [];
  const rows = await benchBackend(backendOf(relu(), matmul()), {
    ...quick,
    shapes: {
      Relu: [{ rows: 8, columns: 16 }],
      MatMul: [
        { M: 4, K: 8, N: 16 },
        { M: 8, K: 8, N: 16 },
      ],
    },
    zeros: [0, 0.9],
    log: (line) => lines.push(line),
  });
  expect(rows.map(({ kernel }) => kernel)).toEqual(['relu_f32__test', ...new Array(4).fill('matmul_f32__test')]);
  for (const { seconds, gmacs, gbytes } of rows)
    for (const figure of [seconds, gmacs, gbytes]) expect(figure).toBeGreaterThan(0);
  // One call, 256 elements of work and 1 kB, at 1e9 of each a second and 1 us a call.
  expect(rows[0]!.predicted).toBeCloseTo(1e-6 + 1024e-9, 12);
  expect(lines[0]).toMatch(/kernel +GMAC\/s +GB\/s +measured +predicted +ratio +call/);
  expect(lines).toHaveLength(rows.length + 1);
  expect(lines.find((line) => line.includes('90 % zeros'))).toMatch(
    /MatMul\(float32\[4,8\], float32\[8,16\] constant with \d\d % zeros\)/,
  );
});

it('times only what is asked for, and only sizes that there are', async () => {
  const log = (): void => {};
  const rows = await benchBackend(backendOf(relu(), matmul()), {
    ...quick,
    only: ['Relu'],
    shapes: { Relu: [{ rows: 1 }] },
    log,
  });
  expect(rows.map(({ call }) => call)).toEqual(['Relu(float32[1,1024]) -> float32[1,1024]']);
  await expect(benchBackend(backendOf(relu()), { ...quick, shapes: { Relu: [{ height: 1 }] }, log })).rejects.toThrow(
    'a call of Relu has no size height: it has rows,columns',
  );
});

it('tells which dtypes kernels accept, not only what their rows say', () => {
  const boastful = kernel('Relu', () => [], {
    types: { T: ['float32', 'float16'] },
    work: (call) => (call.inputs[0]!.dtype === 'float16' ? { reason: 'not yet' } : { macs: 1, bytes: 1, resident: 0 }),
  });
  const matrix = supportMatrix(backendOf(boastful, add()));
  expect([...matrix]).toEqual([
    { op: 'Relu', types: { T: 'float32' }, kernels: ['relu_f32__test'] },
    { op: 'Add', types: { T: 'float32' }, kernels: ['add_f32__test'] },
  ]);
  expect(JSON.parse(JSON.stringify(matrix))).toEqual([...matrix]);
  expect(String(matrix).split('\n').slice(2)).toEqual([
    '| Relu | relu_f32__test | float32 |',
    '| Add | add_f32__test | float32 |',
  ]);
});
