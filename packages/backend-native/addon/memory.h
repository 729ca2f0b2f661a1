// Memory that JavaScript's collector does not know: arenas, code pages, mapped files. Addresses cross as numbers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace espalier {

// Zeroed, aligned to 64 bytes (to a page, or to 2 MiB where large), huge pages where offered. With `guard`, the byte after
// the last and the page before the first may not be touched, and alignment gives way to that. Null where there is no memory.
void* allocate(size_t bytes, bool guard);
void release(void* address, size_t bytes, bool guard);

// Copies code to pages that may be executed and not written. Null where the host forbids that; `error` says why.
void* mapCode(const void* code, size_t bytes, std::string* error);
void unmapCode(void* address, size_t bytes);

// Maps a whole file for reading, and waits until it is there. Null on failure; `error` says why.
void* mapFile(const std::string& path, size_t* bytes, std::string* error);
void unmapFile(void* address, size_t bytes);

}  // namespace espalier
