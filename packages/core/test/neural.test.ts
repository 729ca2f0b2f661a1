import { describe, expect, it } from 'vitest';
import {
  constantFacts,
  type Dim,
  dim,
  slidingWindow,
  Tensor,
  transposedWindow,
  type ValueFacts,
} from '../src/index.ts';
import { infer, ints, sizes, value } from './infer.ts';

const shape = (...args: Parameters<typeof infer>): readonly Dim[] => infer(...args)[0].shape;
const floats = (...data: number[]): ValueFacts => constantFacts(new Tensor('float32', Float32Array.from(data)));

describe('windows over symbolic sizes', () => {
  it('give expressions that hold for every size', () => {
    const rules = [slidingWindow, transposedWindow] as const;
    for (const rule of rules) {
      for (const auto_pad of ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER']) {
        for (const strides of [[1], [2], [3]]) {
          for (const ceil_mode of [0, 1]) {
            const attrs = { auto_pad, strides, ceil_mode, pads: [1, 0], dilations: [2] };
            const symbolic = rule<Dim>(attrs, ['h'], [3]);
            for (let h = 5; h < 12; h++) {
              const exact = rule(attrs, [h], [3]);
              for (const part of ['output', 'begin', 'end'] as const)
                expect(dim.evaluate(symbolic[part][0], { h }), `${part} for ${h}`).toBe(exact[part][0]);
            }
          }
        }
      }
    }
  });

  it('give nothing of nothing where a window is of one element', () => {
    expect(shape('Conv', [value([1, 3, 0]), value([8, 3, 1])], { strides: [2] })).toEqual([1, 8, 0]);
    expect(() => shape('Conv', [value([1, 3, 0]), value([8, 3, 3])])).toThrow(/over 3 elements does not fit into 0/);
    expect(() => shape('Conv', [value([1, 3, 2]), value([8, 3, 3])])).toThrow(/over 3 elements does not fit into 2/);
  });

  it('keep a size that padding keeps', () => {
    const same = { pads: [1, 1, 1, 1] };
    expect(shape('Conv', [value(['n', 3, 'h', 'w']), value([8, 3, 3, 3])], same)).toEqual(['n', 8, 'h', 'w']);
    const half = { pads: [1, 1, 1, 1], strides: [2, 2] };
    expect(shape('Conv', [value(['n', 3, 'h', 'w']), value([8, 3, 3, 3])], half)[2]).toBe('floor(h-1,2)+1');
    const up = { strides: [2, 2] };
    expect(shape('ConvTranspose', [value([1, 4, 'h', 'w']), value([4, 2, 2, 2])], { ...up, group: 2 })).toEqual([
      1,
      4,
      '2*h',
      '2*w',
    ]);
  });
});

describe('products', () => {
  it('multiply what may fit, and refuse what cannot', () => {
    expect(shape('MatMul', [value(['b', 's', 'k']), value(['k', 4])])).toEqual(['b', 's', 4]);
    expect(shape('MatMul', [value(['b', 'h', 's', 8]), value(['b', 'h', 8, 't'])])).toEqual(['b', 'h', 's', 't']);
    expect(() => shape('MatMul', [value(['s']), value(['s+1', 4])])).toThrow(/s is not/);
    expect(() => shape('MatMul', [value([]), value([2])])).toThrow(/scalar/);
    expect(() => shape('Gemm', [value([2, 3]), value([3, 4]), value([3])])).toThrow(/3.*4/);
    expect(shape('Einsum', [value(['b', 'q', 8]), value(['b', 'k', 8])], { equation: 'bqd,bkd->bqk' })).toEqual([
      'b',
      'q',
      'k',
    ]);
  });
});

describe('reductions', () => {
  it('fold shapes, where that is no overflow', () => {
    const y = infer('ReduceProd', [sizes(['n', 3, 'h'])], { keepdims: 0 })[0];
    expect([y.shape, y.contents]).toEqual([[], ['3*h*n']]);
    expect(infer('ReduceSum', [sizes([2, 'n', 5]), ints([0])])[0].contents).toEqual(['n+7']);
    expect(infer('ReduceMax', [sizes([2, 7])])[0].contents).toEqual([7]);
    expect(infer('ReduceMin', [sizes([2, 7])], { noop_with_empty_axes: 1 })[0].contents).toBeUndefined();
    expect(infer('ReduceProd', [ints([2 ** 30, 2 ** 30])])[0].contents).toBeUndefined();
    expect(infer('ReduceMean', [ints([1, 3])])[0].contents).toBeUndefined();
  });

  it('wait for axes', () => {
    const y = infer('ReduceSum', [value(['n', 4]), value([1], 'int64')])[0];
    expect(y.shape).toEqual(['_y0.0.0', '_y0.0.1']);
    expect(y.fresh).toEqual(y.shape);
    expect(shape('ReduceSum', [value(['n', 4]), value([1], 'int64')], { keepdims: 0 })).toHaveLength(1);
    expect(shape('ReduceSum', [value(['n', 4]), value([0], 'int64')], { keepdims: 0 })).toEqual([]);
    expect(() => shape('ReduceSum', [value(['n', 4]), value(['k'], 'int64')], { keepdims: 0 })).toThrow(/run time/);
    expect(() => shape('ReduceSum', [value(['n']), value([2], 'int64')], { keepdims: 0 })).toThrow(/2 axes of 1/);
  });
});

describe('Resize', () => {
  const x = value(['n', 3, 'h', 5]);

  it('multiplies by what is an exact fraction, and else waits', () => {
    expect(shape('Resize', [x, undefined, floats(1, 1, 2, 1.5)])).toEqual(['n', 3, '2*h', 7]);
    expect(shape('Resize', [x, undefined, floats(0.5)], { axes: [2] })).toEqual(['n', 3, 'floor(h,2)', 5]);
    const y = infer('Resize', [x, undefined, floats(0.3, 0.3)], { axes: [2, 3] })[0];
    expect(y.shape).toEqual(['n', 3, '_y0.0.2', '_y0.0.3']);
    expect(y.fresh).toEqual(['_y0.0.2', '_y0.0.3']);
    expect(shape('Resize', [value([1, 10]), undefined, floats(1, 0.7)])).toEqual([1, 7]);
  });

  it('takes sizes from shape arithmetic', () => {
    expect(shape('Resize', [x, undefined, undefined, sizes(['n', 3, '2*h', 9])])).toEqual(['n', 3, '2*h', 9]);
    expect(infer('Resize', [x, undefined, undefined, value([4], 'int64')])[0].fresh).toHaveLength(4);
    expect(infer('Resize', [x, undefined, value([0]), sizes(['n', 3, 4, 9])])[0].shape).toEqual(['n', 3, 4, 9]);
    const policy = { keep_aspect_ratio_policy: 'not_larger' };
    expect(infer('Resize', [x, undefined, undefined, ints([1, 3, 4, 4])], policy)[0].fresh).toHaveLength(4);
  });
});

describe('signals', () => {
  it('have as many frames as fit', () => {
    const step = ints([160], []);
    expect(shape('STFT', [value(['b', 'n', 1]), step, value([400])])).toEqual(['b', 'floor(n-400,160)+1', 201, 2]);
    expect(shape('DFT', [value(['b', 'n', 1])], { onesided: 1 })).toEqual(['b', 'floor(n,2)+1', 2]);
    expect(shape('DFT', [value(['b', 'n', 2])], { onesided: 1, inverse: 1 })).toEqual(['b', '2*n-2', 1]);
    expect(infer('DFT', [value(['b', 8, 1]), undefined, value([], 'int64')])[0].fresh).toHaveLength(2);
    expect(infer('HannWindow', [value([], 'int64')], { output_datatype: 10 })[0].dtype).toBe('float16');
    expect(shape('HannWindow', [sizes(['n'], [])])).toEqual(['n']);
  });
});

describe('layers', () => {
  it('carry their sequence', () => {
    const [x, w, r] = [value(['s', 'b', 10]), value([2, 80, 10]), value([2, 80, 20])];
    const [y, h, c] = infer('LSTM', [x, w, r], { direction: 'bidirectional', hidden_size: 20 }, { outputs: 3 });
    expect([y.shape, h.shape, c.shape]).toEqual([
      ['s', 2, 'b', 20],
      [2, 'b', 20],
      [2, 'b', 20],
    ]);
    expect(() => infer('LSTM', [x, w, r], { hidden_size: 20 })).toThrow(/2 is not 1/);
    expect(() => infer('GRU', [x, w, r], { direction: 'bidirectional' })).toThrow(/80 is not 60/);
    expect(() => infer('RNN', [x, w, r], { direction: 'back' })).toThrow(/"direction" is "back"/);
  });

  it('attend', () => {
    const call = (inputs: ValueFacts[], attrs = {}) =>
      infer('Attention', inputs, attrs, { domain: 'espalier' })[0].shape;
    expect(call([value(['b', 9, 's', 64]), value(['b', 3, 't', 64]), value(['b', 3, 't', 32])])).toEqual([
      'b',
      9,
      's',
      32,
    ]);
    const mask = value(['b', 1, 1, 't']);
    const behind = [value(['b', 's', 9, 64]), value(['b', 't', 9, 64]), value(['b', 't', 9, 64]), mask];
    expect(call(behind, { layout: 'BSHD' })).toEqual(['b', 's', 9, 64]);
    expect(() => call([value([1, 2, 4, 8]), value([1, 0, 4, 8]), value([1, 0, 4, 8])])).toThrow(/no heads/);
  });
});
