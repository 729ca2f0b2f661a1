/** Emitted modules, compiled once for all programs that are made of the same recipe. */

import { type FunctionBuilder, type Local, ModuleBuilder } from '@espalier/wasm';
import { MOST_PAGES } from './memory.ts';

/** A compiled module; its function `run` takes the address of arguments, a unit, a thread. */
export interface Code {
  readonly module: WebAssembly.Module;
  /** Of the module. */
  readonly bytes: number;
  /** Lets it go. */
  release(): void;
}

/** Writes functions before the one that is run: the module is theirs to use. */
export type Emit<R> = (module: ModuleBuilder, recipe: R) => Body;
export type Body = (f: FunctionBuilder, args: Local<'i32'>, unit: Local<'i32'>, thread: Local<'i32'>) => void;

interface Entry {
  users: number;
  readonly compiled: Promise<{ readonly module: WebAssembly.Module; readonly bytes: number }>;
}

/** Modules without users that are kept, for the next of the same. */
const KEPT = 64;

export class CodeCache {
  /** Those that lost their last user latest come last. */
  private readonly entries = new Map<string, Entry>();
  private readonly isShared: boolean;

  /** @param isShared whether the memory is shared, which is part of a module's type */
  constructor(isShared: boolean) {
    this.isShared = isShared;
  }

  /** How many modules are alive. */
  get size(): number {
    return this.entries.size;
  }

  /** The module that `emit` writes, which must depend on the kernel's name and on the recipe, plain data, alone. */
  async load<R>(name: string, recipe: R, emit: Emit<R>): Promise<Code> {
    const key = `${name} ${JSON.stringify(recipe)}`;
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { users: 0, compiled: this.compile(recipe, emit) };
      this.entries.set(key, entry);
    }
    const own = entry;
    own.users++;
    const release = (): void => {
      if (--own.users > 0) return;
      this.entries.delete(key);
      this.entries.set(key, own);
      const idle = [...this.entries].filter(([, { users }]) => users === 0);
      for (const [old] of idle.slice(0, Math.max(0, idle.length - KEPT))) this.entries.delete(old);
    };
    try {
      return { ...(await own.compiled), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  private async compile<R>(recipe: R, emit: Emit<R>): Promise<{ module: WebAssembly.Module; bytes: number }> {
    const module = new ModuleBuilder();
    module.importMemory('host', 'memory', { initial: 0, maximum: MOST_PAGES, shared: this.isShared });
    const body = emit(module, recipe);
    module.export('run', module.func(['i32', 'i32', 'i32'], undefined, body));
    const bytes = module.finish();
    return { module: await WebAssembly.compile(bytes), bytes: bytes.byteLength };
  }
}
