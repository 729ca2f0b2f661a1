/** The scalar backend: slow, short, complete. It is the definition of every op, and the last candidate for each. */

import { createHostBackend, type HostBackend } from '@espalier/core';
import { calibrate } from './calibrate.ts';
import { activations } from './kernels/activations.ts';
import { binaryOps } from './kernels/binary.ts';
import { cast } from './kernels/cast.ts';
import { conv } from './kernels/conv.ts';
import { contraction } from './kernels/einsum.ts';
import { fused } from './kernels/fused.ts';
import { gathers } from './kernels/gather.ts';
import { generators } from './kernels/generate.ts';
import { lines } from './kernels/lines.ts';
import { math } from './kernels/math.ts';
import { matmul } from './kernels/matmul.ts';
import { normalization } from './kernels/normalization.ts';
import { pooling } from './kernels/pool.ts';
import { quantization } from './kernels/quantize.ts';
import { random } from './kernels/random.ts';
import { rearrange } from './kernels/rearrange.ts';
import { recurrent } from './kernels/recurrent.ts';
import { reducing } from './kernels/reduce.ts';
import { resampling } from './kernels/resample.ts';
import { regions } from './kernels/roi.ts';
import { selections } from './kernels/select.ts';
import { shapes } from './kernels/shapes.ts';
import { signals } from './kernels/signal.ts';
import { softmaxes } from './kernels/softmax.ts';
import { strings } from './kernels/strings.ts';
import { vectorizers } from './kernels/tfidf.ts';

export { define, each, type JsDynamicOp, type JsOp, type Operand, type Operands, once } from './define.ts';

export function createJsBackend(): HostBackend {
  return createHostBackend({
    id: 'js',
    kernels: [
      ...activations,
      ...math,
      ...binaryOps,
      ...cast,
      ...quantization,
      ...random,
      ...strings,
      ...shapes,
      ...rearrange,
      ...gathers,
      ...generators,
      ...selections,
      ...lines,
      ...vectorizers,
      ...matmul,
      ...conv,
      ...normalization,
      ...softmaxes,
      ...contraction,
      ...resampling,
      ...signals,
      ...recurrent,
      ...fused,
      ...pooling,
      ...regions,
      ...reducing,
    ],
    calibrate,
  });
}
