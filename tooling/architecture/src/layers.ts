// The agreed order of packages. A package imports only from layers above its own in this list, never from its own layer,
// so importers, compressors and backends never know each other.
export const layers: readonly (readonly RegExp[])[] = [
  [/^@espalier\/core$/, /^@espalier\/x64$/, /^@espalier\/wasm$/],
  [/^@espalier\/formats$/, /^@espalier\/lowering$/],
  [/^@espalier\/planner$/],
  [/^@espalier\/runtime$/],
  [/^@espalier\/backend-[a-z]+$/],
  [/^@espalier\/conformance$/],
  [/^@espalier\/(onnx|tfjs|safetensors|gguf)$/],
  [/^@espalier\/compress$/, /^@espalier\/autograd$/],
  [/^@espalier\/generate$/],
  [/^espalier$/],
  [/^@espalier\/(onnxruntime|server|cli)$/],
];

/** Packages that may import nothing of ours, whatever their layer. */
export const alone: readonly string[] = ['@espalier/core', '@espalier/x64', '@espalier/wasm'];

/** Packages that do not run in a browser: all others import no Node module statically. */
export const nodeOnly: readonly string[] = ['@espalier/backend-native', '@espalier/server', '@espalier/cli'];

/** The layer of a package, counted from 0, or -1 where it has none. */
export function layerOf(name: string): number {
  return layers.findIndex((layer) => layer.some((pattern) => pattern.test(name)));
}
