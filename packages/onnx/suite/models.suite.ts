// Real models: what they are, and what becomes of them when they break.

import { readFileSync } from 'node:fs';
import { EspalierError, inferGraph, onnxOps } from '@espalier/core';
import { fixtureTest } from '@espalier/fixtures';
import { expect, test } from 'vitest';
import { exportOnnx, importOnnx } from '../src/index.ts';
import { readOnnxFile } from '../src/node.ts';
import { mutant } from '../test/mutants.ts';

/** Outputs as dtype and shape, in the file's own symbols. */
const models: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'SqueezeNet_fp16.onnx': { softmaxout_1: 'float16 1,1000,1,1' },
  'magika_v3_3.onnx': { target_label: 'float32 unk__214,214' },
  'minilm-l6-v2_int8w.onnx': { last_hidden_state: 'float32 batch,sequence,384' },
  'mnist_cntk_opt.onnx': { Plus214_Output_0: 'float32 1,10' },
  'resnet20_cifar10.onnx': { logits: 'float32 N,10' },
  'silero_vad_16k_op15.onnx': { output: 'float32 batch,1', stateN: 'float32 2,batch,128' },
};

for (const [name, outputs] of Object.entries(models)) {
  const path = `models/${name}`;

  fixtureTest(`${name} loads, its shapes are known, its weights are not copied`, [path], async (file) => {
    const { graph } = await readOnnxFile(file!);
    const { values } = inferGraph(graph, onnxOps);
    const found = graph.outputs.map((output) => {
      const { dtype, shape } = values.get(output)!;
      return [output, `${dtype} ${shape}`];
    });
    expect(Object.fromEntries(found)).toEqual(outputs);
    const large = [...graph.constants.values()].filter(({ bytes }) => bytes.byteLength > 4096);
    expect(new Set(large.map(({ bytes }) => bytes.buffer)).size).toBe(1);
  });

  fixtureTest(`${name} is written and read to the same bytes`, [path], async (file) => {
    const written = exportOnnx((await readOnnxFile(file!)).graph);
    const again = exportOnnx((await importOnnx(written)).graph);
    expect(Buffer.compare(written, again)).toBe(0);
  });

  fixtureTest(`${name} broken in 200 ways loads, or is refused soon`, [path], async (file) => {
    const bytes = readFileSync(file!);
    for (let seed = 1; seed <= 200; seed++) {
      const start = process.cpuUsage();
      try {
        inferGraph((await importOnnx(mutant(bytes, seed))).graph, onnxOps);
      } catch (error) {
        if (!(error instanceof EspalierError)) throw new Error(`mutant ${seed} crashed`, { cause: error });
      }
      expect(process.cpuUsage(start).user / 1e6, `mutant ${seed}`).toBeLessThan(1);
    }
  });
}

// Too large for the folder of fixtures: ESPALIER_MODELS names the one that has it.
const folder = process.env['ESPALIER_MODELS'];
test.skipIf(!folder)('minilm-l6-v2_fp32.onnx, 90 MB (needs ESPALIER_MODELS), loads in no more memory', async () => {
  const bytes = readFileSync(`${folder}/minilm-l6-v2_fp32.onnx`);
  const before = process.memoryUsage();
  const { graph } = await importOnnx(bytes);
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e6);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(20e6);
  expect(inferGraph(graph, onnxOps).values.get('last_hidden_state')!.shape).toEqual(['batch', 'sequence', 384]);
});
