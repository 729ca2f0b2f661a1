/** Graph models in folders of the file system, for Node. */

import { EspalierError, throwIfAborted } from '@espalier/core';
import { type ImportOptions, importTfjs, type TfjsModel } from './import.ts';

type Fs = typeof import('node:fs/promises');
type Path = typeof import('node:path');

/**
 * Imports the model whose `model.json` is at `path`. Its weights are read from the same folder and nowhere else, whatever
 * links lie there.
 * @throws EspalierError `NOT_FOUND` for a missing file, `UNSAFE_PATH` for weights outside the folder; else as {@link importTfjs}
 */
export async function readTfjsModel(path: string, options: Omit<ImportOptions, 'file'> = {}): Promise<TfjsModel> {
  const [fs, paths] = [builtin<Fs>('node:fs/promises'), builtin<Path>('node:path')];
  const { signal } = options;
  const read = async (file: string): Promise<Uint8Array> => {
    try {
      return await fs.readFile(file, signal ? { signal } : {});
    } catch (error) {
      throwIfAborted(signal);
      throw unreadable(error, file);
    }
  };
  const bytes = await read(path);
  const folder = await fs.realpath(paths.dirname(path));
  const loadShard = async (shard: string): Promise<Uint8Array> => {
    const isOutside = (target: string): boolean => {
      const way = paths.relative(folder, target);
      return way.split(paths.sep)[0] === '..' || paths.isAbsolute(way);
    };
    const target = paths.resolve(folder, shard);
    // The name is checked before the file system is asked, so that no answer tells what exists elsewhere.
    if (!isOutside(target)) {
      const real = await fs.realpath(target).catch((error) => Promise.reject(unreadable(error, target)));
      if (!isOutside(real)) return read(real);
    }
    throw new EspalierError('UNSAFE_PATH', `${path} names the weights "${shard}", which lie outside its folder`, {
      file: path,
    });
  };
  return importTfjs(parse(bytes, path), loadShard, { ...options, file: path });
}

function builtin<T>(name: string): T {
  const module = globalThis.process?.getBuiltinModule?.(name) as T | undefined;
  if (module) return module;
  throw new EspalierError('UNSUPPORTED', 'readTfjsModel needs Node 20.16 or later: elsewhere, use importTfjs');
}

function unreadable(cause: unknown, file: string): EspalierError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new EspalierError('NOT_FOUND', `the file ${file} does not exist`, { file, cause });
  return new EspalierError('BAD_FILE', `the file ${file} cannot be read: ${message}`, { file, cause });
}

function parse(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EspalierError('BAD_FILE', `${file} is not JSON: ${(cause as Error).message}`, { file, cause });
  }
}
