/** A module being written: functions over one imported memory. */

import { Bytes, typeCodes, type ValueType } from './bytes.ts';
import { type Func, FunctionBuilder, type Local } from './function.ts';

export interface MemoryType {
  /** In pages of 64 KiB. */
  readonly initial: number;
  /** Needed where it is shared. */
  readonly maximum?: number;
  readonly shared?: boolean;
}

type Locals<P extends readonly ValueType[]> = { readonly [I in keyof P]: Local<P[I]> };

const FUNC = 0x60;
const EXTERNAL_MEMORY = 2;
const EXTERNAL_FUNC = 0;

export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly functions: { readonly type: number; body: Uint8Array | undefined }[] = [];
  private readonly exports: { readonly name: string; readonly index: number }[] = [];
  private imported: { readonly module: string; readonly name: string; readonly type: MemoryType } | undefined;

  /** @throws TypeError where a shared memory has no maximum */
  importMemory(module: string, name: string, type: MemoryType): void {
    if (type.shared && type.maximum === undefined) throw new TypeError('a shared memory needs a maximum');
    this.imported = { module, name, type };
  }

  /** A function, written at once. */
  func<const P extends readonly ValueType[], R extends ValueType | undefined = undefined>(
    params: P,
    result: R,
    write: (f: FunctionBuilder, ...params: Locals<P>) => void,
  ): Func<P, R> {
    const func = this.declare(params, result);
    this.define(func, write);
    return func;
  }

  /** A function that is written later, so that others can call it before. */
  declare<const P extends readonly ValueType[], R extends ValueType | undefined = undefined>(
    params: P,
    result: R,
  ): Func<P, R> {
    const key = `${params.join(' ')}>${result ?? ''}`;
    let type = this.types.indexOf(key);
    if (type < 0) type = this.types.push(key) - 1;
    return { index: this.functions.push({ type, body: undefined }) - 1, params, result };
  }

  define<P extends readonly ValueType[], R extends ValueType | undefined>(
    { index, params }: Func<P, R>,
    write: (f: FunctionBuilder, ...params: Locals<P>) => void,
  ): void {
    const f = new FunctionBuilder(params);
    write(f, ...(params.map((_, i) => f.param(i)) as unknown as Locals<P>));
    this.functions[index]!.body = f.finish();
  }

  export(name: string, { index }: Pick<Func, 'index'>): void {
    this.exports.push({ name, index });
  }

  /** The module's bytes. @throws TypeError where a function was declared and not defined */
  finish(): Uint8Array<ArrayBuffer> {
    const module = new Bytes();
    module.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = <T>(id: number, items: readonly T[], write: (bytes: Bytes, item: T) => void): void => {
      if (items.length === 0) return;
      const bytes = new Bytes();
      bytes.u32(items.length);
      for (const item of items) write(bytes, item);
      module.byte(id);
      module.sized(bytes.view());
    };
    section(1, this.types, (bytes, key) => {
      bytes.byte(FUNC);
      for (const part of key.split('>')) {
        const types = part.split(' ').filter(Boolean) as ValueType[];
        bytes.sized(types.map((type) => typeCodes[type]));
      }
    });
    section(2, this.imported ? [this.imported] : [], (bytes, { module, name, type }) => {
      bytes.name(module);
      bytes.name(name);
      bytes.byte(EXTERNAL_MEMORY);
      bytes.byte((type.maximum === undefined ? 0 : 1) + (type.shared ? 2 : 0));
      bytes.u32(type.initial);
      if (type.maximum !== undefined) bytes.u32(type.maximum);
    });
    section(3, this.functions, (bytes, { type }) => bytes.u32(type));
    section(7, this.exports, (bytes, { name, index }) => {
      bytes.name(name);
      bytes.byte(EXTERNAL_FUNC);
      bytes.u32(index);
    });
    section(10, this.functions, (bytes, { body }) => {
      if (!body)
        throw new TypeError(`function ${this.functions.findIndex((f) => !f.body)} was declared and not defined`);
      bytes.sized(body);
    });
    return module.view().slice();
  }
}
