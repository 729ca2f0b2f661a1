/** Voice activity: Silero VAD frame by frame over a minute of speech, its state carried along. */

import { fixtureTest } from '@espalier/fixtures';
import { distance, peerSession } from '@espalier/peers';
import { Tensor } from 'espalier';
import { expect } from 'vitest';
import { readWav } from '../src/data.ts';
import { openModel } from '../src/open.ts';

const FRAME = 512;
const CONTEXT = 64;

fixtureTest(
  'Silero VAD: 1,452 of 1,875 frames are speech, each as onnxruntime has it',
  ['models/silero_vad_16k_op15.onnx', 'data/speech_60s_16k.wav'],
  async (model, wav) => {
    const [session, peer] = [await openModel(model!), await peerSession(model!)];
    const samples = readWav(wav!);
    const sr = new Tensor('int64', BigInt64Array.of(16000n), []);
    let state = new Tensor('float32', new Float32Array(2 * 128), [2, 1, 128]);
    const scores: number[] = [];
    let worst = 0;
    for (let from = 0; from + FRAME <= samples.length; from += FRAME) {
      const window = new Float32Array(CONTEXT + FRAME);
      window.set(samples.subarray(Math.max(0, from - CONTEXT), from + FRAME), from === 0 ? CONTEXT : 0);
      const feeds = { input: new Tensor('float32', window, [1, window.length]), state, sr };
      const result = await session.run(feeds);
      const expected = await peer.run(feeds);
      worst = Math.max(worst, distance(result.output!, expected.output!), distance(result.stateN!, expected.stateN!));
      scores.push((result.output!.data as Float32Array)[0]!);
      state = result.stateN!;
    }
    const speech = scores.filter((score) => score > 0.5).length;
    console.log(`silero: ${speech} of ${scores.length} frames, at most ${worst.toExponential(1)} from onnxruntime`);
    expect(worst).toBeLessThan(1e-4);
    expect([speech, scores.length]).toEqual([1452, 1875]);
    for (const [i, score] of [0.20834, 0.81794, 0.8912].entries()) expect(scores[i]!).toBeCloseTo(score, 4);
  },
);
