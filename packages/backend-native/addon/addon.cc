// What emitted kernels need from outside JavaScript: memory, executable pages, threads, and facts about the processor.
// Everything else is in TypeScript. Addresses cross as numbers, which hold 53 bits.
#include <napi.h>

#include <cstring>
#include <memory>
#include <mutex>

#include "crash.h"
#include "memory.h"
#include "pool.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#define ESPALIER_X64 1
#endif
#ifdef __linux__
#include <cerrno>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace espalier {
namespace {

template <typename T>
T* pointer(const Napi::Value& value) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(value.As<Napi::Number>().Int64Value()));
}

Napi::Value address(Napi::Env env, const void* at) {
  return Napi::Number::New(env, static_cast<double>(reinterpret_cast<uintptr_t>(at)));
}

size_t size(const Napi::Value& value) { return static_cast<size_t>(value.As<Napi::Number>().Int64Value()); }

Napi::Value fail(Napi::Env env, const std::string& message) {
  Napi::Error::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

// The pool of the process: made for the first run, gone with the last environment.
std::shared_ptr<Pool> sharedPool(uint32_t threads) {
  static std::mutex mutex;
  static std::weak_ptr<Pool> shared;
  std::lock_guard lock(mutex);
  auto pool = shared.lock();
  if (!pool) shared = pool = std::make_shared<Pool>(threads);
  return pool;
}

// What one JavaScript environment (the main thread, or a worker) has under way.
class Environment {
 public:
  explicit Environment(Napi::Env env)
      : settle_(Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "espalier", 0, 1)) {
    settle_.Unref(env);
  }

  // Jobs hold addresses that JavaScript is about to forget: stop them and wait.
  ~Environment() {
    stop_.store(1);
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return running_ == 0; });
    lock.unlock();
    settle_.Abort();
  }

  Napi::Value run(Napi::Env env, Job::Options options, uint32_t threads) {
    if (!pool_) pool_ = sharedPool(threads);
    options.stop = &stop_;
    auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    if (pending_++ == 0) settle_.Ref(env);
    {
      std::lock_guard lock(mutex_);
      running_++;
    }
    pool_->submit(std::make_unique<Job>(options, [this, deferred](bool completed) {
      settle_.NonBlockingCall([this, deferred, completed](Napi::Env env, Napi::Function) {
        if (--pending_ == 0) settle_.Unref(env);
        deferred->Resolve(Napi::Boolean::New(env, completed));
      });
      std::lock_guard lock(mutex_);
      running_--;
      idle_.notify_all();
    }));
    return deferred->Promise();
  }

 private:
  Napi::ThreadSafeFunction settle_;
  std::shared_ptr<Pool> pool_;
  uint32_t pending_ = 0;  // promises that are not settled; touched by JavaScript's thread alone
  std::mutex mutex_;
  std::condition_variable idle_;
  uint32_t running_ = 0;
  std::atomic<uint32_t> stop_{0};
};

// allocate(bytes, guard) -> address
Napi::Value Allocate(const Napi::CallbackInfo& info) {
  void* at = allocate(size(info[0]), info[1].ToBoolean());
  return at ? address(info.Env(), at) : fail(info.Env(), "out of memory");
}

// release(address, bytes, guard)
void Release(const Napi::CallbackInfo& info) { release(pointer<void>(info[0]), size(info[1]), info[2].ToBoolean()); }

// view(address, bytes) -> ArrayBuffer over that memory, which must be detached before the memory goes
Napi::Value View(const Napi::CallbackInfo& info) {
  napi_value result;
  const napi_status status = napi_create_external_arraybuffer(info.Env(), pointer<void>(info[0]), size(info[1]), nullptr, nullptr, &result);
  if (status == napi_no_external_buffers_allowed) return fail(info.Env(), "this host forbids external buffers");
  return status == napi_ok ? Napi::Value(info.Env(), result) : fail(info.Env(), "cannot make an external buffer");
}

// detach(ArrayBuffer)
void Detach(const Napi::CallbackInfo& info) { napi_detach_arraybuffer(info.Env(), info[0]); }

// mapCode(Uint8Array) -> address
Napi::Value MapCode(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  std::string error;
  void* at = mapCode(bytes.Data(), bytes.ByteLength(), &error);
  return at ? address(info.Env(), at) : fail(info.Env(), error);
}

// unmapCode(address, bytes)
void UnmapCode(const Napi::CallbackInfo& info) { unmapCode(pointer<void>(info[0]), size(info[1])); }

// Reading a file may wait for a disk: not on JavaScript's thread.
class FileMapping : public Napi::AsyncWorker {
 public:
  FileMapping(Napi::Env env, std::string path)
      : Napi::AsyncWorker(env, "espalier"), path_(std::move(path)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    std::string error;
    at_ = mapFile(path_, &bytes_, &error);
    if (!at_) SetError("cannot map the file: " + error);
  }

  void OnOK() override {
    auto result = Napi::Object::New(Env());
    result.Set("address", address(Env(), at_));
    result.Set("bytes", static_cast<double>(bytes_));
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const std::string path_;
  const Napi::Promise::Deferred deferred_;
  void* at_ = nullptr;
  size_t bytes_ = 0;
};

// mapFile(path) -> promise of { address, bytes }
Napi::Value MapFile(const Napi::CallbackInfo& info) {
  auto* mapping = new FileMapping(info.Env(), info[0].As<Napi::String>());
  const auto promise = mapping->promise();
  mapping->Queue();
  return promise;
}

// unmapFile(address, bytes)
void UnmapFile(const Napi::CallbackInfo& info) { unmapFile(pointer<void>(info[0]), size(info[1])); }

// addressOf(ArrayBufferView) -> where its bytes are for as long as it lives
Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  return address(info.Env(), info[0].As<Napi::Uint8Array>().Data());
}

// copy(address, Uint8Array): into native memory
void CopyIn(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  memcpy(pointer<void>(info[0]), bytes.Data(), bytes.ByteLength());
}

// run(commands, count, trampoline, cancel, times, threads, team) -> promise of true, or false when it was cancelled
Napi::Value Run(const Napi::CallbackInfo& info) {
  Job::Options options{};
  options.commands = pointer<const Command>(info[0]);
  options.count = info[1].As<Napi::Number>().Uint32Value();
  options.trampoline = reinterpret_cast<Trampoline>(pointer<void>(info[2]));
  options.cancel = pointer<const std::atomic<uint32_t>>(info[3]);
  options.times = pointer<double>(info[4]);
  options.team = info[6].As<Napi::Number>().Uint32Value();
  return info.Env().GetInstanceData<Environment>()->run(info.Env(), options, info[5].As<Napi::Number>().Uint32Value());
}

// runHere(commands, count, trampoline): a list that is over before another thread would be awake, on this one
void RunHere(const Napi::CallbackInfo& info) {
  const auto commands = pointer<const Command>(info[0]);
  const uint32_t count = info[1].As<Napi::Number>().Uint32Value();
  const auto trampoline = reinterpret_cast<Trampoline>(pointer<void>(info[2]));
  Position& here = position();
  for (uint32_t c = 0; c < count; c++) {
    const Command& command = commands[c];
    for (uint64_t unit = 0; unit < command.units; unit++) {
      here = {&command, c, unit};
      trampoline(command.code, command.args, unit, 0);
    }
  }
  here = {};
}

// call(code, args, trampoline, unit = 0): one unit, here and now; for probes, and what is too short for other threads
void Call(const Napi::CallbackInfo& info) {
  const auto trampoline = reinterpret_cast<Trampoline>(pointer<void>(info[2]));
  const uint64_t unit = info.Length() > 3 ? size(info[3]) : 0;
  trampoline(reinterpret_cast<uint64_t>(pointer<void>(info[0])), reinterpret_cast<uint64_t>(pointer<void>(info[1])), unit, 0);
}

// cpuid(leaf, subleaf) -> [eax, ebx, ecx, edx], undefined on other processors
Napi::Value CpuId(const Napi::CallbackInfo& info) {
#ifdef ESPALIER_X64
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid_count(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value(), &a, &b, &c, &d);
  auto result = Napi::Uint32Array::New(info.Env(), 4);
  const unsigned words[] = {a, b, c, d};
  for (size_t i = 0; i < 4; i++) result[i] = words[i];
  return result;
#else
  return info.Env().Undefined();
#endif
}

// allowTiles() -> 0, or the error number with which the system refuses AMX tiles. To be asked before threads start.
Napi::Value AllowTiles(const Napi::CallbackInfo& info) {
#if defined(__linux__) && defined(ESPALIER_X64)
  constexpr long kArchPrctl = 158, kRequestPermission = 0x1023, kTileData = 18;
  return Napi::Number::New(info.Env(), syscall(kArchPrctl, kRequestPermission, kTileData) == 0 ? 0 : errno);
#else
  return Napi::Number::New(info.Env(), -1);
#endif
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // A thread's position comes to be when it is first asked for: not in a handler.
  position();
  reportCrashes();
  env.SetInstanceData(new Environment(env));
  const auto set = [&](const char* name, auto function) { exports.Set(name, Napi::Function::New(env, function, name)); };
  set("allocate", Allocate);
  set("release", Release);
  set("view", View);
  set("detach", Detach);
  set("mapCode", MapCode);
  set("unmapCode", UnmapCode);
  set("mapFile", MapFile);
  set("unmapFile", UnmapFile);
  set("addressOf", AddressOf);
  set("copyIn", CopyIn);
  set("run", Run);
  set("runHere", RunHere);
  set("call", Call);
  set("cpuid", CpuId);
  set("allowTiles", AllowTiles);
  return exports;
}

}  // namespace
}  // namespace espalier

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return espalier::Init(env, exports); }
NODE_API_MODULE(espalier, InitModule)
