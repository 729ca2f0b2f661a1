/** The nodes that a match has gone through. */

import type { Node, Shape } from '@espalier/core';
import { type Editor, sameShape } from './editor.ts';

/** Ops that only give their operand another shape. */
export const views = ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'] as const;

export class Trail {
  readonly nodes = new Set<Node>();
  private readonly editor: Editor;

  constructor(editor: Editor) {
    this.editor = editor;
  }

  add(...nodes: readonly Node[]): void {
    for (const node of nodes) this.nodes.add(node);
  }

  /** The node that makes a value, if it is one of these ops; then it is part of the match. */
  take(name: string | undefined, ...ops: readonly string[]): Node | undefined {
    const node = this.editor.madeBy(name, ...ops);
    if (node) this.nodes.add(node);
    return node;
  }

  /** What a value was before it got another shape. */
  beforeViews(name: string): string {
    for (let node = this.take(name, ...views); node; node = this.take(name, ...views)) name = node.inputs[0]!;
    return name;
  }

  /** The value, or what it was before it was expanded, if that has this shape. */
  withShape(name: string, shape: Shape): string | undefined {
    for (;;) {
      if (sameShape(this.editor.shape(name), shape)) return name;
      const expand = this.take(name, 'Expand');
      if (!expand) return undefined;
      name = expand.inputs[0]!;
    }
  }
}
