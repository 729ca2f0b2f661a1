export declare function quickBuild(name: string): Promise<string[]>;
