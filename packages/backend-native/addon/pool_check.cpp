// The pool on its own, for the sanitizers: many jobs at once, of every shape, some of them cancelled.
#include <atomic>
#include <cstdio>
#include <future>
#include <vector>

#include "pool.h"

using namespace espalier;

namespace {

std::atomic<uint64_t> ran{0};

// Stands for the trampoline: `code` is the number of the command, `args` counts the units of its list that ran so far.
void count(uint64_t code, uint64_t args, uint64_t, uint64_t) {
  auto& done = *reinterpret_cast<std::atomic<uint64_t>*>(args);
  // All units of the commands before this one must be done: 5 units each.
  if (done.load() < code * 5) std::printf("command %llu began early\n", static_cast<unsigned long long>(code)), std::exit(1);
  done.fetch_add(1);
  ran.fetch_add(1);
}

bool runOne(Pool& pool, uint32_t commands, uint32_t team, std::atomic<uint32_t>* cancel, const std::atomic<uint32_t>& stop) {
  std::atomic<uint64_t> done{0};
  std::vector<Command> list;
  for (uint32_t c = 0; c < commands; c++) list.push_back({c, reinterpret_cast<uint64_t>(&done), 5});
  list.push_back({commands, reinterpret_cast<uint64_t>(&done), 0});
  std::vector<double> times(list.size() + 1);
  std::promise<bool> ended;
  Job::Options options{list.data(), static_cast<uint32_t>(list.size()), count, cancel, &stop, times.data(), team};
  pool.submit(std::make_unique<Job>(options, [&](bool completed) { ended.set_value(completed); }));
  const bool completed = ended.get_future().get();
  if (completed && done != 5ull * commands) std::printf("%llu of %u units\n", static_cast<unsigned long long>(done.load()), 5 * commands), std::exit(1);
  return completed;
}

}  // namespace

int main() {
  std::atomic<uint32_t> stop{0};
  uint32_t cancelled = 0;
  for (uint32_t threads : {1u, 2u, 4u}) {
    Pool pool(threads);
    std::vector<std::thread> callers;
    std::atomic<uint32_t> count{0};
    for (uint32_t caller = 0; caller < 4; caller++) {
      callers.emplace_back([&, caller] {
        for (uint32_t i = 0; i < 200; i++) {
          std::atomic<uint32_t> cancel{0};
          std::thread late([&] { if (i % 7 == caller) cancel.store(1); });
          if (!runOne(pool, i % 20, 1 + i % 4, &cancel, stop)) count.fetch_add(1);
          late.join();
        }
      });
    }
    for (auto& caller : callers) caller.join();
    cancelled += count;
  }
  std::printf("%llu units ran, %u jobs were cancelled\n", static_cast<unsigned long long>(ran.load()), cancelled);
  return 0;
}
