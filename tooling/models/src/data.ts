/** Readers for the data sets among the fixtures. */

import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { decode } from 'fast-png';
import { extract } from 'tar-stream';

/** MNIST's idx format, gzipped: images as bytes, one after the other. Source: LeCun's description of the MNIST files. */
export function readIdx(file: string): { readonly dims: readonly number[]; readonly data: Uint8Array } {
  const bytes = gunzipSync(readFileSync(file));
  const rank = bytes[3]!;
  const dims = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  return { dims, data: bytes.subarray(4 + 4 * rank) };
}

/** CIFAR-10's binary format: a label and 3 x 32 x 32 bytes a record. */
export function readCifar(file: string): { readonly label: number; readonly pixels: Uint8Array }[] {
  const bytes = readFileSync(file);
  const record = 1 + 3 * 32 * 32;
  return Array.from({ length: bytes.length / record }, (_, i) => ({
    label: bytes[i * record]!,
    pixels: bytes.subarray(i * record + 1, (i + 1) * record),
  }));
}

/** A picture as planes R, G, B of its pixels. */
export function readPicture(file: string): {
  readonly height: number;
  readonly width: number;
  readonly planes: readonly [Uint8Array, Uint8Array, Uint8Array];
} {
  const { width, height, channels, data } = decode(readFileSync(file));
  const plane = (c: number): Uint8Array =>
    Uint8Array.from({ length: width * height }, (_, i) => data[i * channels + c]!);
  return { height, width, planes: [plane(0), plane(1), plane(2)] };
}

/** 16-bit mono PCM as numbers in [-1, 1). */
export function readWav(file: string): Float32Array {
  const bytes = readFileSync(file);
  const start = bytes.indexOf('data', 12, 'latin1') + 8;
  const length = bytes.readUInt32LE(start - 4);
  return Float32Array.from({ length: length / 2 }, (_, i) => bytes.readInt16LE(start + 2 * i) / 32768);
}

/** The files of a .tar.gz. */
export async function readTarGz(file: string): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  const files: { name: string; bytes: Uint8Array }[] = [];
  const reader = extract();
  reader.on('entry', (header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk) => void chunks.push(chunk as Buffer));
    stream.on('end', () => {
      if (header.type === 'file') files.push({ name: header.name, bytes: Buffer.concat(chunks) });
      next();
    });
  });
  await new Promise((resolve, reject) => {
    reader.on('finish', () => resolve(undefined)).on('error', reject);
    Readable.from([gunzipSync(readFileSync(file))]).pipe(reader);
  });
  return files;
}

/** Rows of a CSV file with quoted fields (RFC 4180). */
export function readCsv(file: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of readFileSync(file, 'utf8').matchAll(/(?:"((?:[^"]|"")*)"|([^,\n]*))(,|\n|$)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === '\n') rows.push([]);
    if (end === '') break;
  }
  return rows.filter((row) => row.length > 1);
}
