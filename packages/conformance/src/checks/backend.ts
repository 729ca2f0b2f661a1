/** What holds for a backend as a whole, and for the rows of its table. */

import { type AnyBackend, epilogueOps, type Kernel, type OpTable, opKey, type Rates } from '@espalier/core';
import { Mismatch } from '../mismatch.ts';
import { Random } from '../random.ts';

const nameGrammar = /^[a-z0-9]+(_[a-z0-9.]+)*__[a-z0-9_]+$/;

/** Names are by the grammar and unique; limits are usable. */
export function declaration({ id, apiVersion, kernels, limits }: AnyBackend): void {
  if (!/^[a-z][a-z0-9-]*$/.test(id)) throw new Mismatch(`its id "${id}" is not a lower-case word`);
  if (apiVersion !== 1) throw new Mismatch(`its apiVersion is ${apiVersion}; this suite knows 1`);
  const names = new Set<string>();
  for (const { name } of kernels) {
    if (names.has(name)) throw new Mismatch(`two kernels are named ${name}: names tell kernels apart in plans`);
    names.add(name);
  }
  const { alignment, maxBufferBytes, threads } = limits;
  if (!(Number.isInteger(Math.log2(alignment)) && alignment >= 1))
    throw new Mismatch(`its limits.alignment is ${alignment}: use a power of two`);
  if (!(maxBufferBytes > 0)) throw new Mismatch(`its limits.maxBufferBytes is ${maxBufferBytes}`);
  if (!(Number.isInteger(threads) && threads >= 1)) throw new Mismatch(`its limits.threads is ${threads}`);
}

/** The row speaks of an op, type variables, dtypes and epilogue steps that exist. */
export function row({ name, op, domain = '', types = {}, fuses = [], prepare, evaluate }: Kernel, ops: OpTable): void {
  if (!nameGrammar.test(name)) throw new Mismatch(`its name is not <op>_<dtypes>_<format>_<tile>__<isa>`);
  const schema = ops.get(opKey(domain, op));
  if (!schema) throw new Mismatch(`there is no op ${opKey(domain, op)}: pass its schema in the options' \`ops\``);
  if ((prepare === undefined) === (evaluate === undefined)) throw new Mismatch('it needs one of prepare and evaluate');
  for (const [variable, dtypes] of Object.entries(types)) {
    const allowed = schema.types[variable];
    if (!allowed) throw new Mismatch(`${op} has no type variable ${variable}: it has ${Object.keys(schema.types)}`);
    const wrong = dtypes.filter((dtype) => !allowed.includes(dtype));
    if (wrong.length > 0) throw new Mismatch(`${op} does not take ${wrong} for ${variable}`);
  }
  const unknown = fuses.filter((step) => !epilogueOps.includes(step));
  if (unknown.length > 0) throw new Mismatch(`${unknown} cannot be fused: steps are ${epilogueOps.join(', ')}`);
}

/** Buffers keep what is written to them, at any offset. */
export async function buffers(backend: AnyBackend): Promise<void> {
  const random = new Random(1);
  const sizes = [1, 3, 64, 1000, 65_537];
  const contents = sizes.map((size) => Uint8Array.from({ length: size }, () => random.below(256)));
  const held = contents.map((bytes) => {
    const buffer = backend.alloc(bytes.byteLength);
    backend.write(buffer, 0, bytes);
    return buffer;
  });
  for (const [i, bytes] of contents.entries()) {
    const from = Math.floor((bytes.byteLength - 1) / backend.limits.alignment) * backend.limits.alignment;
    backend.write(
      held[i],
      from,
      bytes.subarray(from).map((byte) => byte ^ 255),
    );
    bytes.set(
      bytes.subarray(from).map((byte) => byte ^ 255),
      from,
    );
    equal(await backend.read(held[i], 0, bytes.byteLength), bytes, 'read');
    equal(await backend.read(held[i], from, bytes.byteLength - from), bytes.subarray(from), 'read from an offset');
    if (backend.view) equal(backend.view(held[i]), bytes, 'view');
    if (backend.adopt) equal(await backend.read(backend.adopt(bytes), 0, bytes.byteLength), bytes, 'adopt and read');
  }
  for (const buffer of held) backend.free(buffer);
}

function equal(actual: Uint8Array, wanted: Uint8Array, what: string): void {
  const same = actual.byteLength >= wanted.byteLength && wanted.every((byte, i) => byte === actual[i]);
  if (!same) throw new Mismatch(`${what} does not give ${wanted.byteLength} bytes that were written`);
}

/** Rates are positive, and at least those that every law may use are there. */
export function rates(measured: Rates): void {
  for (const name of ['macs', 'bytes', 'call'])
    if (measured[name] === undefined) throw new Mismatch(`calibrate gives no rate "${name}"`);
  for (const [name, rate] of Object.entries(measured))
    if (!(Number.isFinite(rate) && rate > 0)) throw new Mismatch(`calibrate gives ${rate} for the rate "${name}"`);
}
