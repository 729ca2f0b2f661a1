#include "crash.h"

#ifdef _WIN32

namespace espalier {
void reportCrashes() {}
}  // namespace espalier

#else

#include <csignal>
#include <cstdint>
#include <unistd.h>

#include "pool.h"

namespace espalier {
namespace {

struct Fault {
  int signal;
  const char* name;
  struct sigaction before;
};
Fault faults[] = {{SIGSEGV, "SIGSEGV", {}}, {SIGBUS, "SIGBUS", {}}, {SIGILL, "SIGILL", {}}, {SIGFPE, "SIGFPE", {}}};

// A line put together without memory from the heap: nothing else is safe in a handler.
class Line {
 public:
  Line& text(const char* from) {
    while (*from != 0 && length_ < sizeof(buffer_)) buffer_[length_++] = *from++;
    return *this;
  }
  Line& number(uint64_t value, unsigned base = 10) {
    char digits[24];
    char* at = digits + sizeof(digits) - 1;
    *at = 0;
    do *--at = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    return text(at);
  }
  void write() const {
    // There is nowhere to tell a failure.
    if (::write(STDERR_FILENO, buffer_, length_) < 0) return;
  }

 private:
  char buffer_[256];
  size_t length_ = 0;
};

void report(const char* signal, const void* address) {
  const Position here = position();
  if (!here.command) return;
  Line()
      .text("espalier: ")
      .text(signal)
      .text(" at address 0x")
      .number(reinterpret_cast<uintptr_t>(address), 16)
      .text(" in command ")
      .number(here.index)
      .text(", unit ")
      .number(here.unit)
      .text(" of a native command list (code at 0x")
      .number(here.command->code, 16)
      .text("). ESPALIER_DEBUG=1 names its node.\n")
      .write();
}

void handle(int signal, siginfo_t* info, void* context) {
  for (Fault& fault : faults) {
    if (fault.signal != signal) continue;
    report(fault.name, info->si_addr);
    if (fault.before.sa_flags & SA_SIGINFO) return fault.before.sa_sigaction(signal, info, context);
    if (fault.before.sa_handler != SIG_DFL && fault.before.sa_handler != SIG_IGN) return fault.before.sa_handler(signal);
    // Returning runs the faulting instruction again, now to the default end.
    sigaction(signal, &fault.before, nullptr);
    return;
  }
}

}  // namespace

void reportCrashes() {
  static const bool installed = [] {
    for (Fault& fault : faults) {
      struct sigaction action {};
      action.sa_sigaction = handle;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      sigaction(fault.signal, &action, &fault.before);
    }
    return true;
  }();
  (void)installed;
}

}  // namespace espalier

#endif
