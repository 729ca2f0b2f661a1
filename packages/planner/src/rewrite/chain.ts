/** Nodes written one after another, each reading what came before. */

import type { Attributes, Node, Tensor } from '@espalier/core';
import { type Editor, makeNode } from './editor.ts';

export class Chain {
  readonly nodes: Node[] = [];
  private readonly editor: Editor;
  private readonly prefix: string;

  /** @param prefix what new names begin with */
  constructor(editor: Editor, prefix: string) {
    this.editor = editor;
    this.prefix = prefix;
  }

  /** Adds a node and gives the name of its result: `output`, or a new one. */
  add(op: string, inputs: readonly string[], attrs: Attributes = {}, output?: string): string {
    const result = output ?? this.editor.fresh(`${this.prefix}/${op}:0`);
    this.nodes.push(
      makeNode({ name: this.editor.fresh(`${this.prefix}/${op}`), op, inputs, outputs: [result], attrs }),
    );
    return result;
  }

  constant(tensor: Tensor): string {
    return this.editor.addConstant(`${this.prefix}/constant`, tensor);
  }

  /** Puts the nodes in place of one whose only result the last of them makes. */
  replace(node: Node): boolean {
    const { name, outputs } = node;
    return this.editor.replace(
      [node],
      [...this.nodes.slice(0, -1), { ...this.nodes.at(-1)!, name, outputs: outputs.slice(0, 1) }],
    );
  }
}
