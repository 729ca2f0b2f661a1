// Says which command a thread was running when emitted code faults, before the process dies as it would anyway.
#pragma once

namespace espalier {

// Installs the handlers, once per process. Whoever handled these signals before (V8, for WebAssembly) still does, after.
void reportCrashes();

}  // namespace espalier
