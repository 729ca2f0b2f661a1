#include "memory.h"

#include <cstring>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace espalier {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHuge = size_t{2} << 20;

size_t roundUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

#ifdef _WIN32

void* allocate(size_t bytes, bool) { return VirtualAlloc(nullptr, roundUp(bytes + 1, kPage), MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE); }

void release(void* address, size_t, bool) { VirtualFree(address, 0, MEM_RELEASE); }

void* mapCode(const void* code, size_t bytes, std::string* error) {
  void* pages = VirtualAlloc(nullptr, roundUp(bytes + 1, kPage), MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  DWORD before;
  if (pages) memcpy(pages, code, bytes);
  if (!pages || !VirtualProtect(pages, bytes, PAGE_EXECUTE_READ, &before)) {
    *error = "error " + std::to_string(GetLastError());
    if (pages) VirtualFree(pages, 0, MEM_RELEASE);
    return nullptr;
  }
  FlushInstructionCache(GetCurrentProcess(), pages, bytes);
  return pages;
}

void unmapCode(void* address, size_t) { VirtualFree(address, 0, MEM_RELEASE); }

void* mapFile(const std::string&, size_t*, std::string* error) {
  *error = "not available on Windows";
  return nullptr;
}

void unmapFile(void*, size_t) {}

#else

namespace {

void* map(size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

char* at(void* address, size_t offset) { return static_cast<char*>(address) + offset; }

// A whole number of pages that hold `bytes`, one page that may not be touched on each side, the end flush with the second.
void* allocateGuarded(size_t bytes) {
  const size_t body = roundUp(bytes, kPage);
  void* pages = map(body + 2 * kPage);
  if (!pages) return nullptr;
  mprotect(pages, kPage, PROT_NONE);
  mprotect(at(pages, kPage + body), kPage, PROT_NONE);
  return at(pages, kPage + body - bytes);
}

}  // namespace

void* allocate(size_t bytes, bool guard) {
  if (guard) return allocateGuarded(bytes);
  if (bytes < 2 * kHuge) return map(roundUp(bytes + 1, kPage));
  const size_t body = roundUp(bytes, kHuge);
  void* pages = map(body + kHuge);
  if (!pages) return nullptr;
  // What sticks out on both sides goes back, so that `release` needs the size alone.
  const auto start = reinterpret_cast<uintptr_t>(pages);
  const size_t before = roundUp(start, kHuge) - start;
  if (before > 0) munmap(pages, before);
  void* aligned = at(pages, before);
  if (before < kHuge) munmap(at(aligned, body), kHuge - before);
#ifdef MADV_HUGEPAGE
  // The rest that fills no huge page takes small ones.
  madvise(aligned, bytes / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  return aligned;
}

void release(void* address, size_t bytes, bool guard) {
  if (guard) {
    const size_t body = roundUp(bytes, kPage);
    munmap(static_cast<char*>(address) + bytes - body - kPage, body + 2 * kPage);
  } else {
    munmap(address, bytes < 2 * kHuge ? roundUp(bytes + 1, kPage) : roundUp(bytes, kHuge));
  }
}

void* mapCode(const void* code, size_t bytes, std::string* error) {
  const size_t body = roundUp(bytes + 1, kPage);
  void* pages = map(body);
  if (pages) memcpy(pages, code, bytes);
  if (!pages || mprotect(pages, body, PROT_READ | PROT_EXEC) != 0) {
    *error = strerror(errno);
    if (pages) munmap(pages, body);
    return nullptr;
  }
  __builtin___clear_cache(at(pages, 0), at(pages, bytes));
  return pages;
}

void unmapCode(void* address, size_t bytes) { munmap(address, roundUp(bytes + 1, kPage)); }

void* mapFile(const std::string& path, size_t* bytes, std::string* error) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  void* pages = MAP_FAILED;
  if (file >= 0 && fstat(file, &status) == 0) {
    *bytes = static_cast<size_t>(status.st_size);
    pages = mmap(nullptr, *bytes > 0 ? *bytes : 1, PROT_READ, MAP_PRIVATE, file, 0);
  }
  if (pages == MAP_FAILED) *error = strerror(errno);
  if (file >= 0) close(file);
#ifdef MADV_POPULATE_READ
  // Older systems read pages when they are first touched.
  if (pages != MAP_FAILED && *bytes > 0) madvise(pages, *bytes, MADV_POPULATE_READ);
#endif
  return pages == MAP_FAILED ? nullptr : pages;
}

void unmapFile(void* address, size_t bytes) { munmap(address, bytes > 0 ? bytes : 1); }

#endif

}  // namespace espalier
