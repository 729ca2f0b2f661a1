export interface Manifest {
  name: string;
  private?: boolean;
  bin?: string | Record<string, string>;
  exports?: Record<string, Record<string, string>>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
export interface WorkspacePackage {
  name: string;
  directory: string;
  path: string;
  manifest: Manifest;
}
export declare const root: string;
export declare function workspacePackages(): WorkspacePackage[];
export declare function closure(name: string): WorkspacePackage[];
