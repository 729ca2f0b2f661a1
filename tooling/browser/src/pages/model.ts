// A page that runs an ONNX model by WebAssembly: `?model=` says where it is.
import { createWasmBackend } from '@espalier/backend-wasm';
import { Tensor } from '@espalier/core';
import { importOnnx } from '@espalier/onnx';
import { createRuntime } from '@espalier/runtime';

const backend = await createWasmBackend({ workerUrl: new URL('worker.js', location.href) });
if ('reason' in backend) throw new Error(backend.reason);
const response = await fetch(new URLSearchParams(location.search).get('model')!);
const { graph } = await importOnnx(new Uint8Array(await response.arrayBuffer()));
const session = await createRuntime({ backends: [backend] }).createSession(graph);
Object.assign(globalThis, { session, Tensor });
