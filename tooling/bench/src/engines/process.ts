/** Models in engines, each in a process or page of its own: made, opened, and cleaned up behind. */

import { type ModelOptions, type PreparedModel, prepareModel } from '../prepare.ts';
import { type EngineClient, type Place, startEngine } from './client.ts';
import { type EngineName, type Opened, toSent } from './engine.ts';

export interface PeerOptions extends ModelOptions {
  /** Without onnxruntime. */
  readonly alone: boolean;
  /** Which of onnxruntime's packages. */
  readonly peer: 'node' | 'web';
  /** Where both run. */
  readonly place: Place;
}

export const enginesOf = ({ alone, peer }: PeerOptions): readonly EngineName[] =>
  alone ? ['espalier'] : ['espalier', `onnxruntime-${peer}`];

export async function withModel<T>(
  name: string,
  options: ModelOptions,
  work: (model: PreparedModel) => Promise<T>,
): Promise<T> {
  const model = await prepareModel(name, options);
  try {
    return await work(model);
  } finally {
    model.dispose();
  }
}

export async function withEngine<T>(
  engine: EngineName,
  { place }: PeerOptions,
  work: (client: EngineClient) => Promise<T>,
): Promise<T> {
  const client = await startEngine(engine, place);
  try {
    return await work(client);
  } finally {
    await client.stop();
  }
}

/** Opens a model and feeds it. */
export async function open(client: EngineClient, model: PreparedModel, options: ModelOptions): Promise<Opened> {
  const { file, sizes, feeds } = model;
  const opened = await client.open({ ...options, file, sizes, precision: options.ask });
  await client.feed(toSent(feeds));
  return opened;
}

/** A model opened in each engine, one after the other. */
export function forEachEngine<T>(
  name: string,
  options: PeerOptions,
  work: (client: EngineClient, engine: EngineName) => Promise<T>,
): Promise<T[]> {
  return withModel(name, options, async (model) => {
    const results: T[] = [];
    for (const engine of enginesOf(options))
      results.push(
        await withEngine(engine, options, async (client) => {
          await open(client, model, options);
          return work(client, engine);
        }),
      );
    return results;
  });
}
