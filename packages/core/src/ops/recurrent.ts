/** Recurrent layers. */

import { dim } from '../dim.ts';
import { floats } from '../dtype.ts';
import type { AttributeSchema, Inference } from '../schema.ts';
import { agree, oneOf, ranked, shaped } from './check.ts';
import { attr, op, params, schemas } from './define.ts';

const attributes: Record<string, AttributeSchema> = {
  activation_alpha: { type: 'floats' },
  activation_beta: { type: 'floats' },
  activations: { type: 'strings' },
  clip: attr.float(),
  direction: attr.string('forward'),
  hidden_size: attr.int(),
  layout: attr.int(0),
};

/** X `[sequence, batch, inputs]`, W `[directions, gates*hidden, inputs]`, R `[directions, gates*hidden, hidden]`. */
function recurrent(c: Inference, gates: number): void {
  const isBatchFirst = c.int('layout') !== 0;
  const directions = oneOf(c, 'direction', ['forward', 'reverse', 'bidirectional']) === 'bidirectional' ? 2 : 1;
  const [first, second, size] = ranked(c, 0, 3);
  const [sequence, batch] = isBatchFirst ? [second, first] : [first, second];
  const hidden = ranked(c, 2, 3)[2];
  const rows = dim.mul(hidden, gates);
  if (c.attrs['hidden_size'] !== undefined) agree(c, c.int('hidden_size'), hidden, 'hidden_size and its weights');
  shaped(c, 1, [directions, rows, size]);
  shaped(c, 2, [directions, rows, hidden]);
  shaped(c, 3, [directions, dim.mul(2, rows)]);
  shaped(c, 4, [batch]);
  const state = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  shaped(c, 5, state);
  shaped(c, 6, state);
  shaped(c, 7, [directions, dim.mul(3, hidden)]);
  c.output(0, isBatchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden]);
  c.output(1, state);
  if (gates === 4) c.output(2, state);
}

const types = { T: floats, T1: ['int32'] } as const;
const inputs = ['X:T', 'W:T', 'R:T', 'B?:T', 'sequence_lens?:T1', 'initial_h?:T'];
const outputs = ['Y?:T', 'Y_h?:T'];

export const recurrents = schemas(() => [
  op('RNN', [1, 7, 14, 22], {
    widened: [14, 22],
    types,
    inputs: params(...inputs),
    outputs: params(...outputs),
    attributes,
    infer: (c) => recurrent(c, 1),
  }),
  op('GRU', [1, 3, 7, 14, 22], {
    widened: [14, 22],
    types,
    inputs: params(...inputs),
    outputs: params(...outputs),
    attributes: { ...attributes, linear_before_reset: attr.int(0) },
    infer: (c) => recurrent(c, 3),
  }),
  op('LSTM', [1, 7, 14, 22], {
    widened: [14, 22],
    types,
    inputs: params(...inputs, 'initial_c?:T', 'P?:T'),
    outputs: params(...outputs, 'Y_c?:T'),
    attributes: { ...attributes, input_forget: attr.int(0) },
    infer: (c) => recurrent(c, 4),
  }),
]);
