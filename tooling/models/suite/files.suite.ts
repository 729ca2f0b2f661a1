/** File types: Magika over a folder of files whose types are known. */

import { readFileSync } from 'node:fs';
import { fixtureTest } from '@espalier/fixtures';
import { importOnnx } from '@espalier/onnx';
import { distance, peerSession } from '@espalier/peers';
import { createJsBackend, createRuntime, type Session, Tensor } from 'espalier';
import { expect } from 'vitest';
import { readTarGz } from '../src/data.ts';
import { openModel } from '../src/open.ts';

const HALF = 1024;
const BLOCK = 4096;
const PADDING = 256;
const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

/** The first and last 1,024 bytes with white space stripped from the ends of the file, padded. */
function features(bytes: Uint8Array): Int32Array {
  const [head, tail] = [bytes.subarray(0, BLOCK), bytes.subarray(Math.max(0, bytes.length - BLOCK))];
  let start = 0;
  while (start < head.length && isSpace(head[start]!)) start++;
  let end = tail.length;
  while (end > 0 && isSpace(tail[end - 1]!)) end--;
  const result = new Int32Array(2 * HALF).fill(PADDING);
  result.set(head.subarray(start, start + HALF), 0);
  const last = tail.subarray(Math.max(0, end - HALF), end);
  result.set(last, 2 * HALF - last.length);
  return result;
}

/** The same model with every number in float64: the truth that float32 runs are approximations of. */
async function inDoubles(model: string): Promise<Session> {
  const { graph } = await importOnnx(readFileSync(model));
  const widen = (t: Tensor): Tensor =>
    t.type === 'float32' ? new Tensor('float64', Float64Array.from(t.data as Float32Array), t.dims) : t;
  const nodes = graph.nodes.map((node) =>
    node.op === 'Cast' && node.attrs.to === 1 ? { ...node, attrs: { ...node.attrs, to: 11 } } : node,
  );
  const constants = new Map([...graph.constants].map(([name, tensor]) => [name, widen(tensor)]));
  return createRuntime({ backends: [createJsBackend()] }).createSession({ ...graph, constants, nodes });
}

const narrow = (t: Tensor): Tensor => new Tensor('float32', Float32Array.from(t.data as Float64Array), t.dims);

fixtureTest(
  'Magika: the type of every one of 76 files, alone and in batches, as onnxruntime has them',
  ['models/magika_v3_3.onnx', 'models/magika_v3_3.config.min.json', 'data/magika_tests_basic.tar.gz'],
  async (model, config, archive) => {
    const [session, peer, exact] = [await openModel(model!), await peerSession(model!), await inDoubles(model!)];
    const labels: string[] = JSON.parse(readFileSync(config!, 'utf8')).target_labels_space;
    // An empty file has no content to judge by: it is the one that no model is asked about.
    const files = (await readTarGz(archive!)).filter(({ bytes }) => bytes.length > 0);
    let right = 0;
    let worst = 0;
    let peerWorst = 0;
    for (let from = 0, batch = 1; from < files.length; from += batch, batch = (batch % 5) + 1) {
      const part = files.slice(from, from + batch);
      const data = new Int32Array(part.length * 2 * HALF);
      part.forEach(({ bytes }, i) => void data.set(features(bytes), i * 2 * HALF));
      const feeds = { bytes: new Tensor('int32', data, [part.length, 2 * HALF]) };
      const { target_label: scores } = await session.run(feeds);
      const expected = (await peer.run(feeds)).target_label!;
      const off = distance(scores!, expected);
      if (off < 1e-4) worst = Math.max(worst, off);
      else {
        // Which of the two is off? One of its normalisations is the difference of two large numbers in float32.
        const truth = narrow((await exact.run(feeds)).target_label!);
        expect(distance(scores!, truth)).toBeLessThan(1e-5);
        peerWorst = Math.max(peerWorst, distance(expected, truth));
      }
      part.forEach(({ name }, i) => {
        const row = (scores!.data as Float32Array).subarray(i * labels.length, (i + 1) * labels.length);
        const label = labels[row.indexOf(Math.max(...row))];
        if (label === name.split('/').at(-2)) right++;
        else console.log(`magika: ${name} seen as ${label}`);
      });
    }
    console.log(
      `magika: ${right} of ${files.length} right, at most ${worst.toExponential(1)} from onnxruntime, except where it is up to ${peerWorst.toExponential(1)} from the truth`,
    );
    expect(worst).toBeLessThan(1e-4);
    expect([right, files.length]).toEqual([76, 76]);
  },
);
