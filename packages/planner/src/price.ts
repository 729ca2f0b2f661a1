/** Every way to compute a node, with its predicted time, and every way that was refused, with the reason. */

import {
  type AnyBackend,
  askKernel,
  type Binding,
  type Call,
  type Constants,
  isRejection,
  type Kernel,
  type OpTable,
  opKey,
  roofline,
  type Work,
} from '@espalier/core';
import type { DeviceProfile } from './profile.ts';

export interface Candidate {
  /** Index into the list of backends. */
  readonly backend: number;
  readonly kernel: Kernel;
  readonly work: Work;
  readonly seconds: number;
}

export interface Refusal {
  readonly backend: string;
  readonly kernel: string;
  readonly reason: string;
}

export interface Offer {
  /** Cheapest first. */
  readonly candidates: readonly Candidate[];
  readonly refusals: readonly Refusal[];
}

/** Kernels by op, backend by backend. */
export class Catalogue {
  readonly backends: readonly AnyBackend[];
  private readonly profile: DeviceProfile;
  private readonly ops: OpTable;
  private readonly byOp = new Map<string, { backend: number; kernel: Kernel }[]>();

  constructor(backends: readonly AnyBackend[], profile: DeviceProfile, ops: OpTable) {
    this.backends = backends;
    this.profile = profile;
    this.ops = ops;
    backends.forEach((backend, index) => {
      for (const kernel of backend.kernels) {
        const key = opKey(kernel.domain ?? '', kernel.op);
        const list = this.byOp.get(key) ?? [];
        list.push({ backend: index, kernel });
        this.byOp.set(key, list);
      }
    });
  }

  /** Asks every kernel of the op; sizes are priced at `at`. */
  offer(call: Call, at: Binding, constants: Constants): Offer {
    const candidates: Candidate[] = [];
    const refusals: Refusal[] = [];
    for (const { backend, kernel } of this.byOp.get(opKey(call.domain, call.op)) ?? []) {
      const host = this.backends[backend]!;
      const answer = askKernel(host, kernel, call, at, constants, this.ops);
      if (isRejection(answer)) refusals.push({ backend: host.id, kernel: kernel.name, reason: answer.reason });
      else
        candidates.push({
          backend,
          kernel,
          work: answer,
          seconds: (kernel.law ?? roofline)(answer, this.rates(backend)),
        });
    }
    candidates.sort((a, b) => a.seconds - b.seconds);
    return { candidates, refusals };
  }

  rates(backend: number): DeviceProfile['rates'][string] {
    return this.profile.rates[this.backends[backend]!.id]!;
  }

  /** Seconds to make `bytes` that lie with backend `from` readable by `to`; -1 is host memory. */
  crossing(from: number, to: number, bytes: number): number {
    if (from === to) return 0;
    const shared = (from < 0 || this.backends[from]!.view !== undefined) && this.backends[to]!.adopt !== undefined;
    const [source, target] = [from < 0 ? undefined : this.rates(from), this.rates(to)];
    const latency = target.crossing ?? 20e-6;
    if (shared) return from < 0 ? 0 : latency;
    return (
      latency +
      bytes / Math.min(source?.copy ?? source?.bytes ?? Number.POSITIVE_INFINITY, target.copy ?? target.bytes!)
    );
  }
}
