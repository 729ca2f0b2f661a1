// Threads that run command lists: started once per process, shared by every session and every JavaScript thread in it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace espalier {

// Written by JavaScript, so its layout is part of the interface: three 64-bit words.
struct Command {
  uint64_t code;   // an emitted kernel
  uint64_t args;   // its argument block
  uint64_t units;  // how many independent units it has
};

// Emitted code that saves registers and calls `code(args, unit, thread)`.
using Trampoline = void (*)(uint64_t code, uint64_t args, uint64_t unit, uint64_t thread);

// One run of a command list. Between two commands all threads meet.
class Job {
 public:
  struct Options {
    const Command* commands;
    uint32_t count;
    Trampoline trampoline;
    const std::atomic<uint32_t>* cancel;  // may be null; nonzero stops this job between two units
    const std::atomic<uint32_t>* stop;    // the same for all jobs of one owner
    double* times;                        // may be null; count + 1 of them: seconds at the start and after each command
    uint32_t team;                        // at most so many threads
  };
  // `finished` is told whether the job ran to its end, rather than being cancelled.
  Job(const Options& options, std::function<void(bool completed)> finished);

  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  friend class Pool;
  struct alignas(64) Counter : std::atomic<uint64_t> {
    Counter() : std::atomic<uint64_t>(0) {}
  };

  void work(uint32_t thread);
  bool take(uint32_t command, uint32_t own, uint32_t& tried, uint64_t* unit);
  bool meet(uint32_t command);
  void release(uint32_t epoch);

  bool shouldStop() const;

  const Options options_;
  std::function<void(bool)> finished_;
  // Each thread has a share of every command's units, the same of each: what it wrote there it finds in its own caches at the next. When
  // that is done, it takes from the others'.
  const uint32_t shares_;
  const std::unique_ptr<Counter[]> taken_;  // by command, then by share
  const std::unique_ptr<Counter[]> done_;   // by command
  alignas(64) std::atomic<uint32_t> epoch_{0};  // commands that are wholly done
  std::atomic<uint32_t> parked_{0};
  std::atomic<bool> cancelled_{false};
  // Under the pool's mutex.
  uint32_t free_;  // threads that may still join
  uint32_t working_ = 0;
};

class Pool {
 public:
  explicit Pool(uint32_t threads);
  ~Pool();
  uint32_t size() const { return static_cast<uint32_t>(threads_.size()); }
  // When the last thread has left the job, it is deleted and its `finished` called from that thread.
  void submit(std::unique_ptr<Job> job);

 private:
  void loop(uint32_t thread);
  Job* choose();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Job>> jobs_;  // submitted and not finished, oldest first
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// What the current thread is doing, for the crash report.
struct Position {
  const Command* command = nullptr;
  uint32_t index = 0;
  uint64_t unit = 0;
};
Position& position();

}  // namespace espalier
