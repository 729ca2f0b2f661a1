/** Convolutions by sparse filters of float32: zeros cost nothing. */

import { bindShape, type Call, type Constants, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import { checkPlaneOperands, tooDense, windowsOf } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { type ConvolutionPlan, costBeside, geometryOf, patchArgs, planOf } from '../conv/index.ts';
import { epilogueSteps, plainSteps } from '../epilogue.ts';
import { floatEntries } from '../matmul_sparse/entries.ts';
import { COLUMNS, DEPTH, groupsOf, packTable, TOKENS, tableLayout } from '../matmul_sparse/pack.ts';
import { copySeen, seenBy } from '../window/seen.ts';
import { emitSparseConvolution, type SparseConvolution, sparseWords, threadBytes } from './emit.ts';

/** Share of the calibrated multiply-adds that nonzeros reach; what a filter's sums take in a block of K for each pixel, and at the end. */
const EFFICIENCY = { relaxed: 0.8, simd: 0.8 } as const;
const SUMS = 4;
const FINISH = 12;

function sparsePlan(call: Call, constants: Constants): ConvolutionPlan | Rejection {
  const plan = planOf(call, constants);
  if (isRejection(plan)) return plan;
  if (plan.conv.groups > 1) return { reason: `it has ${plan.conv.groups} groups` };
  const reason = tooDense(constants[1]!);
  return reason === undefined ? plan : { reason };
}

function row(isa: Isa): WasmKernel {
  const name = `conv_f32_csr_${TOKENS}x${COLUMNS}__${isa.name}`;
  return {
    name,
    op: 'Conv',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    format: { name: 'csr', levels: [{ kind: 'dense' }, { kind: 'compressed' }] },
    work(call, at, constants): Work | Rejection {
      const plan = sparsePlan(call, constants);
      if (isRejection(plan)) return plan;
      const { conv, epilogue } = plan;
      const { nonzeros } = constants[1]!.structure;
      const depth = conv.channels * conv.taps;
      const [x, y] = [call.inputs[0]!, call.outputs[0]!].map(({ shape }) => bindShape(shape, at)) as [
        number[],
        number[],
      ];
      const [images, pixels] = [y[0]!, sizeOf(y.slice(2))];
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const { bytes } = tableLayout(depth, conv.filters, nonzeros);
      // What the vectors of the last panel hold: 4, 8, 16 or 32 pixels; fewer than 12 wait for each other as long.
      const rest = pixels % TOKENS;
      const padded = images * (pixels - rest + (rest > 0 ? Math.max(12, 2 ** Math.ceil(Math.log2(rest))) : 0));
      return {
        macs: images * pixels * nonzeros,
        bytes: bytes + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: bytes,
        added: padded * nonzeros,
        beside:
          padded * conv.filters * (FINISH + SUMS * Math.ceil(depth / DEPTH)) +
          costBeside(conv, x, y, (TOKENS / 4) * Math.ceil(pixels / TOKENS)),
      };
    },
    law: ({ added, beside, bytes }, rates) =>
      2 * rates['call']! +
      Math.max((added! / EFFICIENCY[isa.name] + beside!) / rates['fma']!, bytes / rates['bytes']!) / rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, call, constants, engine),
  };
}

async function prepare(name: string, isa: Isa, call: Call, constants: Constants, engine: Engine): Promise<WasmProgram> {
  const { conv, epilogue } = sparsePlan(call, constants) as ConvolutionPlan;
  const { channels, filters, taps } = conv;
  const depth = channels * taps;
  const recipe: SparseConvolution = {
    isRelaxed: isa.isRelaxed,
    steps: plainSteps(epilogue.steps),
    operands: epilogue.operands.map(({ input, per }) => ({ input, perColumn: per === 'element' })),
    patches: { channels, taps, vectors: TOKENS / 4 },
  };
  const code = await engine.code.load(name, recipe, emitSparseConvolution);
  const { tensor, structure } = constants[1]!;
  const table = tableLayout(depth, filters, structure.nonzeros);
  const turned = transposed(tensor.data as Float32Array, filters, depth);
  const weights = await engine.memory.pack(table.bytes, (to) =>
    packTable(floatEntries(turned, [depth, filters], structure.nonzeros), to),
  );
  const layout = bySizes(({ inputs, outputs }) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    checkPlaneOperands(epilogue, inputs, y);
    const seen = seenBy(conv, windowsOf(conv, x, y), x[1]!);
    const geometry = geometryOf(conv, epilogue, seen);
    const pixels = geometry.n;
    const [, xImage, yImage, ...images] = geometry.offsets(1).map((offset) => 4 * offset) as [number, number, number];
    const words = {
      ...{ pixels, panels: Math.ceil(pixels / TOKENS), filters, groups: groupsOf(filters), k: depth },
      ...{ table: weights.address, counts: table.counts, xImage, yImage, yRow: 4 * pixels },
    };
    return { seen, words, units: geometry.batch * words.panels, geometry, images, more: patchArgs(conv, seen) };
  });
  const copy = await copySeen(engine, 0, (bound) => layout(bound).seen);
  return {
    resident: code.bytes + weights.bytes + copy.resident,
    packed: [1],
    scratch: (bound) => layout(bound).seen.bytes + bound.threads * threadBytes(recipe),
    phases: [
      ...copy.phases,
      {
        code,
        units: (bound) => layout(bound).units,
        args(bound) {
          const { seen, words, geometry, images, more } = layout(bound);
          const { inputs, outputs, scratch } = bound;
          const x = seen.bytes > 0 ? scratch : inputs[0]!.address;
          const values = { ...words, x, y: outputs[0]!.address, scratch: scratch + seen.bytes };
          const others = epilogue.operands.flatMap(({ input }, i) => [
            ...[inputs[input]!.address, 4 * geometry.rowSteps[i]!, images[i]!],
          ]);
          return [...sparseWords.map((word) => values[word]), ...others, ...more];
        },
      },
    ],
    dispose() {
      code.release();
      copy.dispose!();
      engine.memory.free(weights);
    },
  };
}

/** Filters as columns. */
function transposed(data: Float32Array, filters: number, depth: number): Float32Array {
  const turned = new Float32Array(data.length);
  for (let filter = 0; filter < filters; filter++)
    for (let k = 0; k < depth; k++) turned[k * filters + filter] = data[filter * depth + k]!;
  return turned;
}

export const convolutionSparse: readonly WasmKernel[] = /* @__PURE__ */ isas.map(row);
