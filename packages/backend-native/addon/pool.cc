#include "pool.h"

#include <algorithm>
#include <chrono>

namespace espalier {
namespace {

// Commands take 20 us to milliseconds: shorter waits are cheaper spun through than slept through.
constexpr auto kSpin = std::chrono::microseconds(50);

// More threads than this have shares in common.
constexpr uint32_t kShares = 16;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Position& position() {
  static thread_local Position here;
  return here;
}

Job::Job(const Options& options, std::function<void(bool)> finished)
    : options_(options),
      finished_(std::move(finished)),
      shares_(std::clamp(options.team, 1u, kShares)),
      taken_(new Counter[std::max(1u, options.count) * shares_]),
      done_(new Counter[std::max(1u, options.count)]),
      free_(std::max(1u, options.team)) {
  if (options_.times) options_.times[0] = seconds();
}

bool Job::shouldStop() const {
  return options_.stop->load(std::memory_order_relaxed) != 0 ||
         (options_.cancel && options_.cancel->load(std::memory_order_relaxed) != 0);
}

void Job::release(uint32_t epoch) {
  // Never backwards: a cancelled job has jumped to the end.
  uint32_t now = epoch_.load();
  while (now < epoch && !epoch_.compare_exchange_weak(now, epoch)) {
  }
  if (parked_.load() > 0) epoch_.notify_all();
}

// Waits until command `command` is wholly done; false when the job was cancelled.
bool Job::meet(uint32_t command) {
  auto passed = [&] { return epoch_.load(std::memory_order_acquire) > command; };
  if (!passed()) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 16 && !passed(); i++) relax();
    } while (!passed() && std::chrono::steady_clock::now() < end);
    if (!passed()) {
      parked_.fetch_add(1);
      for (uint32_t now = epoch_.load(); now <= command; now = epoch_.load()) epoch_.wait(now);
      parked_.fetch_sub(1);
    }
  }
  return !cancelled();
}

// The next unit for a thread whose share is `own`; false when none is left. `tried` counts the shares that are used up.
bool Job::take(uint32_t command, uint32_t own, uint32_t& tried, uint64_t* unit) {
  const uint64_t units = options_.commands[command].units;
  for (; tried < shares_; tried++) {
    const uint32_t share = (own + tried) % shares_;
    *unit = units * share / shares_ + taken_[command * shares_ + share].fetch_add(1, std::memory_order_relaxed);
    if (*unit < units * (share + 1) / shares_) return true;
  }
  return false;
}

void Job::work(uint32_t thread) {
  Position& here = position();
  for (uint32_t c = epoch_.load(std::memory_order_acquire); c < options_.count; c++) {
    const Command& command = options_.commands[c];
    here = {&command, c, 0};
    uint64_t ran = 0;
    uint64_t unit = 0;
    uint32_t tried = 0;
    for (;;) {
      if (shouldStop()) {
        cancelled_.store(true);
        release(UINT32_MAX);
        here = {};
        return;
      }
      if (!take(c, thread % shares_, tried, &unit)) break;
      here.unit = unit;
      options_.trampoline(command.code, command.args, unit, thread);
      ran++;
    }
    // Whoever ends the last unit opens the gate; of a command without units, whoever comes first.
    const bool last = command.units == 0 ? done_[c].fetch_add(1, std::memory_order_relaxed) == 0
                                         : ran > 0 && done_[c].fetch_add(ran, std::memory_order_acq_rel) + ran == command.units;
    if (last) {
      if (options_.times) options_.times[c + 1] = seconds();
      release(c + 1);
    } else if (!meet(c)) {
      break;
    }
  }
  here = {};
}

Pool::Pool(uint32_t threads) {
  for (uint32_t i = 0; i < std::max(1u, threads); i++) threads_.emplace_back([this, i] { loop(i); });
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Pool::submit(std::unique_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_all();
}

// A job that nobody works on comes first, so that sessions that run at once get a thread each instead of sharing every
// barrier; else the oldest that another thread may join. A cancelled or ended job takes nobody in.
Job* Pool::choose() {
  Job* open = nullptr;
  for (const auto& entry : jobs_) {
    Job* job = entry.get();
    if (job->free_ == 0 || job->epoch_.load(std::memory_order_relaxed) >= std::max(1u, job->options_.count)) continue;
    if (job->working_ == 0) return job;
    if (!open) open = job;
  }
  return open;
}

void Pool::loop(uint32_t thread) {
  std::unique_lock lock(mutex_);
  for (;;) {
    Job* job = nullptr;
    wake_.wait(lock, [&] { return stopping_ || (job = choose()) != nullptr; });
    if (!job) return;
    job->free_--;
    job->working_++;
    lock.unlock();
    job->work(thread);
    lock.lock();
    if (--job->working_ > 0) continue;
    // The last to leave takes it off the list: nobody can join any more.
    const auto place = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& entry) { return entry.get() == job; });
    auto ended = std::move(*place);
    jobs_.erase(place);
    lock.unlock();
    // The listener may free what the job reads, so the job goes first.
    const auto finished = std::move(ended->finished_);
    const bool completed = !ended->cancelled();
    ended.reset();
    finished(completed);
    lock.lock();
  }
}

}  // namespace espalier
