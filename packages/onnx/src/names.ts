/** Names that nothing else in the model has. */

export class Names {
  private readonly taken = new Set<string>();
  private readonly next = new Map<string, number>();

  add(name: string): void {
    this.taken.add(name);
  }

  /** `wanted` itself where it is free, else with a number after it; taken from now on. */
  unique(wanted: string): string {
    let name = wanted;
    while (this.taken.has(name)) {
      const number = (this.next.get(wanted) ?? 0) + 1;
      this.next.set(wanted, number);
      name = `${wanted}_${number}`;
    }
    this.taken.add(name);
    return name;
  }
}
