export declare const SOURCE_CONDITION: string;
export declare function readManifest(directory: string): Record<string, unknown>;
export declare function entries(directory: string): Record<string, string>;
