// A Program compiled to tile operations on numbered registers. A register is either a slot of one
// tile in the interpreter's workspace, or "moving": it points straight into an argument array and
// advances with the tiles, so contiguous operands are neither copied in nor out.
#pragma once

#include <cstdint>
#include <vector>

#include "trivium/engine/backends/cpu/bytecode.h"
#include "trivium/engine/backends/cpu/bytecode_transfer.h"
#include "trivium/engine/backends/cpu/vector_patterns.h"

namespace trivium::cpu::detail {

/// Elements in a tile: 1 KiB of either type.
template <typename T>
inline constexpr int64_t kTile = 1024 / sizeof(T);
/// Tiles of workspace, on the stack of the thread that runs a chunk.
inline constexpr int kMaxSlots = 120;

template <typename T>
using Function = void (*)(T* dst, const T* a, const T* b, const T* c, size_t n);

/// One tile operation: `run` on the first three registers, or `pattern` on all.
template <typename T>
struct Step {
  Function<T> run;
  PatternFunction pattern;
  uint8_t dst, x[kPatternOperands];  // registers
};

template <typename T>
struct Tape {
  using Register = uint8_t;
  struct Moving {
    Register reg;
    int array;
  };  // straight into an argument
  struct Fill {
    Register reg;
    double number;
  };  // a constant, once a chunk
  struct Spread {
    Register reg;
    int array;
    LoadFunction<T> load;
  };  // a scalar argument, once a chunk
  struct Expand {
    Register reg;
    int array;
    LoadFunction<T> load;
    Walk walk;
  };
  struct Store {
    Register reg;
    int array;
    StoreFunction<T> store;
    Walk walk;  // rank 0: row-major
  };
  struct Pair {
    int output, input;
  };

  std::vector<Moving> moving_in, moving_out;
  std::vector<Fill> fills;
  std::vector<Spread> spreads;
  std::vector<Step<T>> uniform;  // operations on scalars, once a chunk
  std::vector<Expand> expands;
  std::vector<Step<T>> steps;
  std::vector<Store> stores;
  int slots = 0;  // registers 0 … slots-1 are workspace, the moving ones follow
  int registers = 0;
  int reduced = -1;  // register to sum, or -1
  /// (output, input) that must not be the same memory with this tape: the input is read after the
  /// output has been written.
  std::vector<Pair> conflicts;
};

/// `direct`: results are computed in the output arrays where possible. Otherwise every input is
/// read before anything of the tile is written, so any output may share memory with any input.
template <typename T>
Tape<T> compile(const Program& program, bool direct);

}  // namespace trivium::cpu::detail
