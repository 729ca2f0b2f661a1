// Reads ONNX models from files in Node, with the weights that stand in files beside them.

import { EspalierError, throwIfAborted } from '@espalier/core';
import { type ImportOptions, importOnnx, type OnnxModel } from './import.ts';
import { quote } from './within.ts';

type Fs = typeof import('node:fs/promises');
type Path = typeof import('node:path');
type FileHandle = import('node:fs/promises').FileHandle;

/**
 * Imports the model at `path`; see {@link importOnnx}. External data is read from the model's folder and nowhere else:
 * paths that lead out of it, through symbolic links too, are refused.
 * @throws UnsupportedError listing all nodes and inputs that Espalier cannot run
 * @throws EspalierError as `importOnnx`; `NOT_FOUND` where a file is missing, `UNSAFE_PATH` where external data lies elsewhere
 */
export async function readOnnxFile(
  path: string,
  options: Pick<ImportOptions, 'ops' | 'signal'> = {},
): Promise<OnnxModel> {
  const [fs, paths] = [builtin<Fs>('node:fs/promises'), builtin<Path>('node:path')];
  const bytes = await readAll(fs, path, options.signal);
  const beside = new Folder(fs, paths, paths.dirname(path));
  try {
    return await importOnnx(bytes, {
      ...options,
      file: path,
      external: (location, offset, length) => beside.read(location, offset, length),
    });
  } finally {
    await beside.close();
  }
}

function builtin<T>(name: string): T {
  const module = globalThis.process?.getBuiltinModule?.(name) as T | undefined;
  if (module) return module;
  throw new EspalierError('UNSUPPORTED', 'readOnnxFile needs Node 20.16 or later: elsewhere, use importOnnx');
}

async function readAll(fs: Fs, path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return await fs.readFile(path, signal ? { signal } : {});
  } catch (cause) {
    throwIfAborted(signal);
    throw fileError(cause, path, path);
  }
}

function fileError(cause: unknown, name: string, file: string): EspalierError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new EspalierError('NOT_FOUND', `the file ${quote(name)} does not exist`, { file, cause });
  if (code === 'ERR_FS_FILE_TOO_LARGE')
    return new EspalierError('LIMIT', `${quote(name)} is too large to be a model: they hold at most 2 GB`, {
      file,
      cause,
    });
  return new EspalierError('BAD_FILE', `the file ${quote(name)} cannot be read: ${message}`, { file, cause });
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly size: number;
  /** Bytes read so far: tensors share no bytes unless they are the same range, which is asked for once. */
  read: number;
}

/** Files below one folder, opened when first asked for. */
class Folder {
  private readonly fs: Fs;
  private readonly paths: Path;
  private readonly folder: string;
  private readonly open = new Map<string, OpenFile>();

  constructor(fs: Fs, paths: Path, folder: string) {
    this.fs = fs;
    this.paths = paths;
    this.folder = folder;
  }

  async read(location: string, offset: number, length: number): Promise<Uint8Array> {
    const file = await this.file(location);
    if (offset + length > file.size)
      throw new EspalierError(
        'BAD_FILE',
        `${quote(location)} has ${file.size} bytes; those from ${offset} to ${offset + length} are asked for`,
        { file: location },
      );
    file.read += length;
    if (file.read > file.size)
      throw new EspalierError('BAD_FILE', `tensors overlap in ${quote(location)}`, { file: location });
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0)
        throw new EspalierError('BAD_FILE', `${quote(location)} became shorter while it was read`, { file: location });
      done += bytesRead;
    }
    return bytes;
  }

  private async file(location: string): Promise<OpenFile> {
    const before = this.open.get(location);
    if (before) return before;
    const { fs, paths } = this;
    try {
      const folder = await fs.realpath(this.folder);
      const path = await fs.realpath(paths.join(folder, location));
      const way = paths.relative(folder, path);
      if (way.split(paths.sep)[0] === '..' || paths.isAbsolute(way))
        throw new EspalierError(
          'UNSAFE_PATH',
          `external data at ${quote(location)} is a link out of the model's folder: refusing to read it; copy the file there`,
          { file: location },
        );
      const handle = await fs.open(path, 'r');
      const file = { handle, size: 0, read: 0 };
      this.open.set(location, file);
      const stat = await handle.stat();
      if (!stat.isFile()) throw new EspalierError('BAD_FILE', `${quote(location)} is not a file`, { file: location });
      file.size = stat.size;
      return file;
    } catch (error) {
      throw error instanceof EspalierError ? error : fileError(error, location, location);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.open.values()].map(({ handle }) => handle.close()));
  }
}
