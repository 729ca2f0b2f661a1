/** Results are the reference's: with sizes known, with symbols, with epilogues. */

import { hasCode, type Tensor } from '@espalier/core';
import { BINDINGS, type TypeBinding } from '../cases/define.ts';
import { decode, encode, floatFormats, isHalf } from '../elements.ts';
import type { Tensors } from '../execute.ts';
import type { Expected } from '../expect.ts';
import { type Instance, nodeAt } from '../instance.ts';
import { Mismatch } from '../mismatch.ts';
import { type PropertyOptions, property } from '../property.ts';
import { attempt, calls, check, expected, type KernelUnderTest, tensorsOf, type Variation } from '../subject.ts';
import { widen } from '../tolerance.ts';

/** Prepared once and run with several sizes and contents, where it has symbols; every run gives what the reference gives. */
export async function results(under: KernelUnderTest, variation: Variation, options: PropertyOptions): Promise<void> {
  const some = calls(under, variation);
  if (!some) return;
  const checked = await property(some, options, (generated) =>
    attempt(under, generated, async (instance, subject) => {
      const runs = variation.symbols ? BINDINGS : 1;
      for (let run = 0; run < runs; run++) {
        const wanted = await expected(under, instance, run);
        check(await subject.run(run, tensorsOf(wanted)), wanted, instance, run);
      }
      return 'checked';
    }),
  );
  if (checked > 0 || options.replay) return;
  if (variation.epilogue) throw new Mismatch(`says that it fuses ${under.kernel.fuses}, and rejects every epilogue`);
  // What a row cannot say, such as which dtypes go together, may be rejected.
  if (variation.types && Object.keys(under.schema.types).length === 1)
    throw new Mismatch('rejects every call with this dtype, which its row names: narrow its `types`');
}

/** Calls in float16 and bfloat16 give what the same call gives in float32, but for rounding. */
export async function halves(
  under: KernelUnderTest,
  types: readonly TypeBinding[],
  options: PropertyOptions,
): Promise<void> {
  const some = calls(under, { types });
  if (!some) return;
  await property(some, options, (generated) =>
    attempt(under, generated, async (instance, subject) => {
      const wanted = await inFloat32(under, instance);
      if (!wanted) return 'skipped';
      const own = await expected(under, instance, 0);
      check(await subject.run(0, tensorsOf(own)), wanted, instance, 0);
      return 'checked';
    }),
  );
}

async function inFloat32(under: KernelUnderTest, instance: Instance): Promise<(Expected | undefined)[] | undefined> {
  const inputs = instance
    .inputs(0)
    .map((tensor) => (tensor && isHalf(tensor.type) ? encode('float32', tensor.dims, decode(tensor)) : tensor));
  const node = nodeAt(instance, under.schema, 0);
  let wide: Tensors;
  try {
    wide = await under.evaluate(node, inputs);
  } catch (error) {
    // Not every op takes float32 beside its other operands' dtypes.
    if (hasCode(error, 'UNSUPPORTED')) return undefined;
    throw error;
  }
  const outputs = wide.map((tensor, i): Tensor | undefined => {
    const dtype = instance.call.outputs[i]?.dtype;
    return tensor && dtype && isHalf(dtype) ? encode(dtype, tensor.dims, decode(tensor)) : tensor;
  });
  const evaluated = { node, inputs: instance.inputs(0), outputs, evaluate: under.evaluate };
  const slacks = await under.cases.tolerance(evaluated);
  return outputs.map((tensor, i) => {
    const format = tensor && floatFormats[tensor.type];
    if (!tensor || !format) return tensor && { tensor, slack: slacks[i] };
    const rounding = Float64Array.from(decode(tensor) as ArrayLike<number>, (x) => Math.abs(x) * format.epsilon || 0);
    return { tensor, slack: widen(slacks[i], rounding) };
  });
}
