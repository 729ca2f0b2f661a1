// Tiles for processors that have none: emulates the instructions of AMX-TILE, AMX-INT8 and AMX-BF16 where they raise SIGILL, for
// the thread that ran them. For tests alone. Source: Intel SDM, volume 1 chapter 18 and the operations in volume 2.
#include <node_api.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace {

// Palette 1.
constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

struct Tiles {
  bool configured = false;
  uint8_t config[64] = {};
  uint8_t data[kTiles][kRows][kRowBytes] = {};

  int rows(int tile) const { return config[48 + tile]; }
  int columnBytes(int tile) const { return config[16 + 2 * tile] | config[17 + 2 * tile] << 8; }
  bool valid(int tile) const { return configured && rows(tile) > 0; }
  void clear(int tile) { memset(data[tile], 0, sizeof data[tile]); }
  void release() { *this = Tiles(); }
};
thread_local Tiles tiles;

std::atomic<uint64_t> emulated{0};
struct sigaction previous;

// Why the processor would fault; null when it would not.
using Fault = const char*;

Fault configure(const uint8_t* from) {
  const auto isZero = [&](int begin, int end) {
    for (int i = begin; i < end; i++)
      if (from[i] != 0) return false;
    return true;
  };
  if (from[0] > 1) return "#GP: no such palette";
  tiles.release();
  if (from[0] == 0) return nullptr;
  Tiles next;
  memcpy(next.config, from, sizeof next.config);
  if (!isZero(2, 16) || !isZero(32, 48) || !isZero(56, 64)) return "#GP: reserved bytes of the configuration are not zero";
  for (int t = 0; t < kTiles; t++) {
    if (next.columnBytes(t) > kRowBytes) return "#GP: a row of a tile has more than 64 bytes";
    if (next.rows(t) > kRows) return "#GP: a tile has more than 16 rows";
    if ((next.rows(t) == 0) != (next.columnBytes(t) == 0)) return "#GP: a tile has rows or columns without the other";
  }
  next.configured = true;
  tiles = next;
  return nullptr;
}

Fault load(int tile, const uint8_t* at, int64_t stride) {
  if (!tiles.valid(tile)) return "#UD: loads a tile that is not configured";
  if (tiles.config[1] >= tiles.rows(tile)) return "#GP: starts behind the last row";
  if (tiles.config[1] == 0) tiles.clear(tile);
  for (int r = tiles.config[1]; r < tiles.rows(tile); r++) {
    memset(tiles.data[tile][r], 0, kRowBytes);
    memcpy(tiles.data[tile][r], at + r * stride, tiles.columnBytes(tile));
  }
  tiles.config[1] = 0;
  return nullptr;
}

Fault store(int tile, uint8_t* at, int64_t stride) {
  if (!tiles.valid(tile)) return "#UD: stores a tile that is not configured";
  if (tiles.config[1] >= tiles.rows(tile)) return "#GP: starts behind the last row";
  for (int r = tiles.config[1]; r < tiles.rows(tile); r++)
    memcpy(at + r * stride, tiles.data[tile][r], tiles.columnBytes(tile));
  tiles.config[1] = 0;
  return nullptr;
}

// Whole rows, whatever the columns: what is beyond them is zero on both sides.
__attribute__((target("avx2"), optimize("O3"))) void bytes(int c, int a, int b, bool aSigned, bool bSigned) {
  for (int k = 0; k < tiles.columnBytes(a) / 4; k++) {
    int32_t right[4][kRowBytes / 4];
    for (int i = 0; i < 4; i++)
      for (int n = 0; n < kRowBytes / 4; n++) {
        const uint8_t byte = tiles.data[b][k][4 * n + i];
        right[i][n] = bSigned ? static_cast<int8_t>(byte) : byte;
      }
    for (int m = 0; m < tiles.rows(c); m++) {
      uint32_t sums[kRowBytes / 4];
      memcpy(sums, tiles.data[c][m], sizeof sums);
      for (int i = 0; i < 4; i++) {
        const uint8_t byte = tiles.data[a][m][4 * k + i];
        const int32_t left = aSigned ? static_cast<int8_t>(byte) : byte;
        for (int n = 0; n < kRowBytes / 4; n++) sums[n] += static_cast<uint32_t>(left * right[i][n]);
      }
      memcpy(tiles.data[c][m], sums, sizeof sums);
    }
  }
}

float bfloat16(const uint8_t* at) {
  uint16_t half;
  memcpy(&half, at, sizeof half);
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

__attribute__((target("avx2,fma"), optimize("O3"))) void bfloat16s(int c, int a, int b) {
  // Subnormals are zeros, whatever the thread's own MXCSR says, which it gets back when the handler returns.
  _mm_setcsr(0x9fc0);
  for (int m = 0; m < tiles.rows(c); m++) {
    float pairs[kRowBytes / 2] = {};
    for (int k = 0; k < tiles.columnBytes(a) / 4; k++)
      for (int n = 0; n < tiles.columnBytes(c) / 4; n++)
        for (int i = 0; i < 2; i++)
          pairs[2 * n + i] = __builtin_fmaf(bfloat16(&tiles.data[a][m][4 * k + 2 * i]), bfloat16(&tiles.data[b][k][4 * n + 2 * i]), pairs[2 * n + i]);
    float sums[kRowBytes / 4];
    memcpy(sums, tiles.data[c][m], sizeof sums);
    for (int n = 0; n < tiles.columnBytes(c) / 4; n++) sums[n] += pairs[2 * n] + pairs[2 * n + 1];
    memcpy(tiles.data[c][m], sums, sizeof sums);
  }
}

// `c`, `a` and `b` as the exception classes want them.
Fault product(uint8_t opcode, int prefix, int c, int a, int b) {
  if (!tiles.valid(c) || !tiles.valid(a) || !tiles.valid(b)) return "#UD: multiplies tiles that are not configured";
  if (c == a || c == b || a == b) return "#UD: multiplies a tile by itself";
  if (tiles.columnBytes(c) % 4 || tiles.columnBytes(a) % 4 || tiles.columnBytes(b) % 4) return "#UD: rows of tiles are no multiple of 4 bytes";
  if (tiles.rows(c) != tiles.rows(a) || tiles.columnBytes(c) != tiles.columnBytes(b) || tiles.columnBytes(a) / 4 != tiles.rows(b))
    return "#UD: the shapes of the tiles do not fit";
  if (tiles.config[1] != 0) return "#UD: starts in the middle of a product";
  if (opcode == 0x5e) bytes(c, a, b, prefix >= 2, prefix & 1);
  else bfloat16s(c, a, b);
  return nullptr;
}

// An instruction behind a three-byte VEX prefix.
struct Instruction {
  const uint8_t* at;
  const greg_t* registers;
  int prefix = 0;   // pp: none, 66, F3, F2
  int other = 0;    // vvvv
  uint8_t opcode = 0;
  bool isMemory = false;
  int reg = 0, rm = 0;
  int64_t base = 0, index = 0;  // of tiles the index is what lies between rows
  bool hasSib = false;
  int length = 0;

  int64_t general(int index) const {
    static constexpr int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return registers[order[index]];
  }

  // False for what is no instruction of map 0F38 with W and L zero.
  bool decode() {
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || (at[2] & 0x84) != 0) return false;
    const int r = at[1] & 0x80 ? 0 : 8, x = at[1] & 0x40 ? 0 : 8, b = at[1] & 0x20 ? 0 : 8;
    prefix = at[2] & 3;
    other = ~(at[2] >> 3) & 15;
    opcode = at[3];
    const int mod = at[4] >> 6;
    reg = (at[4] >> 3 & 7) | r;
    rm = at[4] & 7;
    length = 5;
    isMemory = mod != 3;
    if (!isMemory) {
      rm |= b;
      return true;
    }
    const auto displacement = [&](int size) {
      int32_t value = 0;
      if (size == 1) value = static_cast<int8_t>(at[length]);
      else memcpy(&value, at + length, 4);
      length += size;
      return static_cast<int64_t>(value);
    };
    if (mod == 0 && rm == 5) {
      const int64_t offset = displacement(4);
      base = registers[REG_RIP] + length + offset;
      return true;
    }
    bool hasBase = true;
    if (rm == 4) {
      hasSib = true;
      const uint8_t sib = at[length++];
      const int register_ = (sib >> 3 & 7) | x;
      if (register_ != 4) index = general(register_) << (sib >> 6);
      hasBase = !(mod == 0 && (sib & 7) == 5);
      if (hasBase) base = general((sib & 7) | b);
    } else {
      base = general(rm | b);
    }
    if (mod == 1) base += displacement(1);
    if (mod == 2 || !hasBase) base += displacement(4);
    return true;
  }
};

// False for what is not AMX.
bool emulate(const Instruction& i, Fault* fault) {
  if (i.opcode == 0x49 && i.isMemory && i.reg == 0 && i.other == 0) {
    auto* memory = reinterpret_cast<uint8_t*>(i.base + i.index);
    if (i.prefix == 0) {
      *fault = configure(memory);
      return true;
    }
    if (i.prefix == 1) {
      memcpy(memory, tiles.config, sizeof tiles.config);
      return true;
    }
  }
  if (i.opcode == 0x49 && !i.isMemory && i.other == 0 && i.rm == 0) {
    if (i.prefix == 0 && i.reg == 0) {
      tiles.release();
      return true;
    }
    if (i.prefix == 3 && i.reg < kTiles) {
      if (!tiles.valid(i.reg)) *fault = "#UD: clears a tile that is not configured";
      else tiles.clear(i.reg);
      return true;
    }
  }
  if (i.opcode == 0x4b && i.hasSib && i.reg < kTiles && i.other == 0 && i.prefix > 0) {
    auto* first = reinterpret_cast<uint8_t*>(i.base);
    *fault = i.prefix == 2 ? store(i.reg, first, i.index) : load(i.reg, first, i.index);
    return true;
  }
  if ((i.opcode == 0x5e || (i.opcode == 0x5c && i.prefix == 2)) && !i.isMemory && i.reg < kTiles && i.rm < kTiles && i.other < kTiles) {
    *fault = product(i.opcode, i.prefix, i.reg, i.rm, i.other);
    return true;
  }
  return false;
}

void handle(int signal, siginfo_t* info, void* raw) {
  auto& context = *static_cast<ucontext_t*>(raw);
  Instruction instruction{reinterpret_cast<const uint8_t*>(context.uc_mcontext.gregs[REG_RIP]), context.uc_mcontext.gregs};
  Fault fault = nullptr;
  if (instruction.decode() && emulate(instruction, &fault)) {
    if (!fault) {
      emulated.fetch_add(1, std::memory_order_relaxed);
      context.uc_mcontext.gregs[REG_RIP] += instruction.length;
      return;
    }
    (void)!write(2, fault, strlen(fault));
    (void)!write(2, "\n", 1);
  }
  if (previous.sa_flags & SA_SIGINFO) previous.sa_sigaction(signal, info, raw);
  // Run again, the instruction ends the process as it would have.
  else sigaction(SIGILL, &previous, nullptr);
}

napi_value count(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_double(env, static_cast<double>(emulated.load()), &result);
  return result;
}

napi_value install(napi_env env, napi_value exports) {
  static bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = handle;
    // An emulated product of the addon's threads may be interrupted by a fault of its own: of a guard page that it touches.
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGILL, &action, &previous) == 0;
  }();
  (void)installed;
  napi_value function;
  napi_create_function(env, "emulated", NAPI_AUTO_LENGTH, count, nullptr, &function);
  napi_set_named_property(env, exports, "emulated", function);
  return exports;
}

}  // namespace

// Called when Node loads this: emulated() is how many instructions ran so far.
NAPI_MODULE(amx_emulator, install)
