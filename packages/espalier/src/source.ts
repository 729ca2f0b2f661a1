/** Models come from a path, a URL, bytes or a Blob; their other files (external data, shards) from beside them. */

import { EspalierError, throwIfAborted } from '@espalier/core';

/** What `load` accepts: a path (in Node), a URL, the bytes of a file, or a Blob. */
export type ModelSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/** A model's main file and the way to those beside it. */
export interface OpenSource {
  /** For messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Reads a file beside the main one; absent where there is no beside. */
  readonly sibling?: (relativePath: string) => Promise<Uint8Array>;
  /** Files whose bytes lie in memory that is not JavaScript's, those beside the main one included once they were read. */
  readonly mapped?: readonly MappedFile[];
}

/** A file's bytes in memory that is not JavaScript's. */
export interface MappedFile {
  /** Empty once the file is closed. */
  readonly bytes: Uint8Array;
  close(): void;
}

type Fs = typeof import('node:fs');
type Path = typeof import('node:path');
type Url = typeof import('node:url');

function builtin<T>(id: string): T | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): T } };
  return process?.getBuiltinModule?.(id);
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of the bytes of all files that were begun; the total is undefined where the length of one is not known. */
  onBytes?(done: number, total: number | undefined): void;
  /** Instead of reading files; undefined where it cannot. */
  map?: ((path: string) => Promise<MappedFile | undefined>) | undefined;
}

/** @throws EspalierError `NOT_FOUND`, `BAD_FILE`, `ABORTED`; TypeError for something else than a source */
export async function openSource(source: ModelSource, options: OpenOptions = {}): Promise<OpenSource> {
  throwIfAborted(options.signal);
  if (source instanceof Uint8Array) return { name: 'model', bytes: source };
  if (source instanceof ArrayBuffer) return { name: 'model', bytes: new Uint8Array(source) };
  if (typeof Blob !== 'undefined' && source instanceof Blob) {
    return { name: (source as { name?: string }).name ?? 'model', bytes: new Uint8Array(await source.arrayBuffer()) };
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new TypeError('a model is loaded from a path, a URL, a Uint8Array, an ArrayBuffer or a Blob');
  }
  const fs = builtin<Fs>('node:fs');
  const text = String(source);
  if (/^https?:|^blob:|^data:/.test(text) || !fs) return openUrl(text, options);
  const path = text.startsWith('file:') ? builtin<Url>('node:url')!.fileURLToPath(text) : text;
  return openPath(path, fs, builtin<Path>('node:path')!, options);
}

/** Bytes of several files; a length that is not known makes the total NaN. */
interface Tally {
  done: number;
  total: number;
}

async function openUrl(url: string, options: OpenOptions): Promise<OpenSource> {
  const tally: Tally = { done: 0, total: 0 };
  const base = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
  const sibling = async (relative: string): Promise<Uint8Array> => {
    const target = new URL(relative, base);
    // Only what lies under the model's own folder: a file must not make its reader fetch elsewhere.
    const folder = new URL('.', base).href;
    if (!target.href.startsWith(folder))
      throw new EspalierError('UNSAFE_PATH', `"${relative}" lies outside the folder of ${url}`, { file: url });
    return fetchBytes(target.href, tally, options);
  };
  return { name: url, bytes: await fetchBytes(base.href, tally, options), sibling };
}

async function fetchBytes(url: string, tally: Tally, { signal, onBytes }: OpenOptions): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    throwIfAborted(signal);
    throw new EspalierError(
      'NOT_FOUND',
      `${url} cannot be fetched: ${error instanceof Error ? error.message : error}`,
      { file: url, cause: error },
    );
  }
  if (!response.ok || !response.body)
    throw new EspalierError('NOT_FOUND', `${url} answers with status ${response.status}`, { file: url });
  tally.total += Number(response.headers.get('content-length')) || Number.NaN;
  const chunks: Uint8Array[] = [];
  let done = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    done += part.value.byteLength;
    tally.done += part.value.byteLength;
    onBytes?.(tally.done, tally.total || undefined);
    throwIfAborted(signal);
  }
  const bytes = new Uint8Array(done);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

async function openPath(
  path: string,
  fs: Fs,
  { dirname, resolve, sep, isAbsolute }: Path,
  { signal, map }: OpenOptions,
): Promise<OpenSource> {
  const mapped: MappedFile[] = [];
  const read = async (file: string): Promise<Uint8Array> => {
    const known = await map?.(file);
    if (known) {
      mapped.push(known);
      return known.bytes;
    }
    try {
      return await fs.promises.readFile(file, signal ? { signal } : {});
    } catch (error) {
      throwIfAborted(signal);
      const { code, message } = error as NodeJS.ErrnoException;
      const why =
        code === 'ENOENT'
          ? 'does not exist'
          : code === 'EISDIR'
            ? 'is a folder: give the model file itself'
            : `cannot be read: ${message}`;
      throw new EspalierError('NOT_FOUND', `${file} ${why}`, { file, cause: error });
    }
  };
  const sibling = async (relative: string): Promise<Uint8Array> => {
    const unsafe = (): never => {
      throw new EspalierError(
        'UNSAFE_PATH',
        `${path} names the file "${relative}", which lies outside its own folder`,
        { file: path },
      );
    };
    if (isAbsolute(relative)) unsafe();
    const folder = await fs.promises.realpath(dirname(resolve(path)));
    const wanted = resolve(folder, relative);
    const target = await fs.promises.realpath(wanted).catch(() => wanted);
    if (!target.startsWith(folder.endsWith(sep) ? folder : folder + sep) || !wanted.startsWith(folder)) unsafe();
    return read(target);
  };
  return { name: path, bytes: await read(path), sibling, mapped };
}
