/** The cases of ONNX's backend tests, out of a .tar.xz of `onnx/backend/test/data`. */

import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { extract } from 'tar-stream';

// CommonJS whose exports Node cannot name in advance.
const { XzReadableStream } = createRequire(import.meta.url)('xz-decompress') as typeof import('xz-decompress');

/** What a model is fed, and what it must answer: files of `TensorProto` (or `SequenceProto`, `OptionalProto`), in order. */
export interface DataSet {
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

export interface Case {
  /** `node`, `simple`, `light`, `pytorch-converted`, ... */
  readonly group: string;
  readonly name: string;
  readonly model: Uint8Array;
  readonly sets: readonly DataSet[];
}

/** @throws Error when the archive holds no cases */
export async function readCases(archive: string): Promise<Case[]> {
  const folders = new Map<string, Map<string, Uint8Array>>();
  const compressed = Readable.toWeb(createReadStream(archive)) as ReadableStream;
  const tar = extract();
  Readable.fromWeb(new XzReadableStream(compressed as never) as ReadableStream).pipe(tar);
  for await (const entry of tar) {
    const [, group, name, file] = /([^/]+)\/(test_[^/]+)\/(.+)$/.exec(entry.header.name) ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (!file || entry.header.type !== 'file') continue;
    const key = `${group}/${name}`;
    if (!folders.has(key)) folders.set(key, new Map());
    folders.get(key)!.set(file, Buffer.concat(chunks));
  }
  const cases = [...folders].flatMap(([key, files]) => {
    const model = files.get('model.onnx');
    const [group, name] = key.split('/') as [string, string];
    return model ? [{ group, name, model, sets: dataSets(files) }] : [];
  });
  if (cases.length === 0) throw new Error(`${archive} holds no backend tests`);
  return cases.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function dataSets(files: ReadonlyMap<string, Uint8Array>): DataSet[] {
  const folders = new Set([...files.keys()].flatMap((file) => /^test_data_set_\d+/.exec(file) ?? []));
  const inOrder = (folder: string, kind: string): Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (let i = 0; files.has(`${folder}/${kind}_${i}.pb`); i++) found.push(files.get(`${folder}/${kind}_${i}.pb`)!);
    return found;
  };
  return [...folders]
    .sort()
    .map((folder) => ({ inputs: inOrder(folder, 'input'), outputs: inOrder(folder, 'output') }));
}
