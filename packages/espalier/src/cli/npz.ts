/** NumPy's .npz: a zip of .npy files (format versions 1 to 3, little-endian, C order). Source: numpy.lib.format. */

import { type DType, EspalierError, Tensor } from '@espalier/core';
import { unzipSync } from 'fflate';

const dtypesByDescr: Readonly<Record<string, DType>> = {
  '<f8': 'float64',
  '<f4': 'float32',
  '<f2': 'float16',
  '<i8': 'int64',
  '<i4': 'int32',
  '<i2': 'int16',
  '|i1': 'int8',
  '<u8': 'uint64',
  '<u4': 'uint32',
  '<u2': 'uint16',
  '|u1': 'uint8',
  '|b1': 'bool',
};

/** The arrays of an archive by name. @throws EspalierError `BAD_FILE` */
export function readNpz(bytes: Uint8Array, file: string): Record<string, Tensor> {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (error) {
    throw new EspalierError('BAD_FILE', `${file} is not a readable zip archive: ${(error as Error).message}`, {
      file,
      cause: error,
    });
  }
  return Object.fromEntries(
    Object.entries(entries).map(([name, npy]) => [name.replace(/\.npy$/, ''), readNpy(npy, `${file}: ${name}`)]),
  );
}

function readNpy(bytes: Uint8Array, file: string): Tensor {
  const bad = (why: string): never => {
    throw new EspalierError('BAD_FILE', `${file} ${why}`, { file });
  };
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 6)) !== '\x93NUMPY' || bytes.length < 12)
    bad('is not a .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? '';
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  const dtype = dtypesByDescr[descr];
  if (!dtype || shape === undefined)
    return bad(`holds ${descr || 'an unknown type'}; it takes ${Object.keys(dtypesByDescr).join(' ')}`);
  if (/'fortran_order':\s*True/.test(header)) bad('is in Fortran order: save it with numpy.ascontiguousarray');
  const dims = shape
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  return Tensor.fromBytes(dtype, bytes.subarray(start + length), dims);
}
