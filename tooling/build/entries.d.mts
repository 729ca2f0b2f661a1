import type { Manifest } from './workspace.mjs';

export declare const SOURCE_CONDITION: 'espalier-source';
export declare function readManifest(directory: string): Manifest;
export declare function entries(directory: string): Record<string, string>;
