// Runs a tape over the iteration space: tiles of 1 KiB, grouped into chunks whose bounds depend on the shape
// only, shared among the threads. Sums keep one double per chunk and add those in order, so the result has
// the same bits for any number of threads.
#include <algorithm>
#include <cstring>

#include "trivium/engine/backends/cpu/bytecode_tape.h"
#include "trivium/engine/backends/cpu/vector_math.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu {
namespace detail {
namespace {

constexpr int64_t kStep = static_cast<int64_t>(kTileStep);
constexpr int64_t kChunkTiles = 64;
/// Partial sums kept on the stack of run().
constexpr int64_t kMaxPartials = 4096;

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }

double sum_of(const float* x, int64_t n) {
  const int64_t whole = n - n % kStep;
  double sum = whole > 0 ? vector_kernels().sum(x, static_cast<size_t>(whole)) : 0;
  for (int64_t i = whole; i < n; ++i) sum += x[i];
  return sum;
}

double sum_of(const double* x, int64_t n) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; ++k) sums[k] += x[i + k];
  for (; i < n; ++i) sums[0] += x[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// One thread's view of a run: the workspace and where every register is at the moment.
template <typename T>
class Frame {
 public:
  Frame(const Tape<T>& tape, const void* const* in, void* const* out, int64_t count)
      : tape_(tape), in_(in), out_(out) {
    for (int r = 0; r < tape.registers; ++r) at_[r] = work_ + r * kTile<T>;
    const int64_t n = std::min(kTile<T>, round_up(count, kStep));
    for (const auto& f : tape.fills) std::fill_n(at_[f.reg], n, static_cast<T>(f.number));
    for (const auto& s : tape.spreads) s.load(Walk{}, in[s.array], 0, n, at_[s.reg]);
    execute(tape.uniform, n);
  }

  /// Elements [start, start + n) of the space, n <= kTile.
  void tile(int64_t start, int64_t n) {
    const bool whole = n % kStep == 0;
    for (const auto& m : tape_.moving_in) {
      T* memory = static_cast<T*>(const_cast<void*>(in_[m.array])) + start;
      if (whole) at_[m.reg] = memory;
      else copy_in(m.reg, memory, n);
    }
    for (const auto& m : tape_.moving_out)
      at_[m.reg] = whole ? static_cast<T*>(out_[m.array]) + start : slot(m.reg);
    for (const auto& e : tape_.expands) {
      e.load(e.walk, in_[e.array], start, n, at_[e.reg]);
      if (!whole) pad(at_[e.reg], n);
    }
    execute(tape_.steps, round_up(n, kStep));
    if (!whole)
      for (const auto& m : tape_.moving_out)
        std::memcpy(static_cast<T*>(out_[m.array]) + start, at_[m.reg], n * sizeof(T));
    for (const auto& s : tape_.stores) s.store(at_[s.reg], out_[s.array], start, n);
  }

  /// The tile of the value to sum, after tile().
  const T* reduced() const { return at_[tape_.reduced]; }

 private:
  T* slot(int reg) { return work_ + reg * kTile<T>; }

  void copy_in(int reg, const T* memory, int64_t n) {
    at_[reg] = slot(reg);
    std::memcpy(at_[reg], memory, n * sizeof(T));
    pad(at_[reg], n);
  }

  static void pad(T* tile, int64_t n) { std::fill(tile + n, tile + round_up(n, kStep), T(0)); }

  void execute(const std::vector<Step<T>>& steps, int64_t n) {
    for (const Step<T>& s : steps) {
      if constexpr (std::is_same_v<T, float>) {
        if (s.pattern) {
          const T* x[kPatternOperands];
          for (int k = 0; k < kPatternOperands; ++k) x[k] = at_[s.x[k]];
          s.pattern(at_[s.dst], x, static_cast<size_t>(n));
          continue;
        }
      }
      s.run(at_[s.dst], at_[s.x[0]], at_[s.x[1]], at_[s.x[2]], static_cast<size_t>(n));
    }
  }

  const Tape<T>& tape_;
  const void* const* in_;
  void* const* out_;
  T* at_[kMaxSlots];
  alignas(64) T work_[kMaxSlots * kTile<T>];
};

/// Costly functions get shorter chunks, so that small arrays still occupy all threads.
int64_t chunk_tiles(const Program& program) {
  int64_t cost = 0;
  for (const auto& i : program.instructions()) {
    using enum ScalarOp;
    switch (i.op) {
      case exp: case expm1: case log: case log1p: case tanh: case sigmoid: case erf: case softplus: cost += 4; break;
      case sin: case cos: case tan: case pow: case atan2: case mod: cost += 16; break;
      default: cost += 1;
    }
  }
  if (program.arithmetic() == DType::f64) cost *= 8;
  return std::clamp<int64_t>(kChunkTiles * 16 / std::max<int64_t>(cost, 1), 4, kChunkTiles);
}

}  // namespace

class Machine {
 public:
  virtual ~Machine() = default;
  virtual void run(const void* const* in, void* const* out) const = 0;
  virtual int tape_length() const = 0;
};

namespace {

template <typename T>
class TileMachine : public Machine {
 public:
  explicit TileMachine(const Program& p)
      : direct_(compile<T>(p, true)),
        buffered_(compile<T>(p, false)),
        count_(p.space().count()),
        sum_at_(static_cast<int>(p.outputs().size())),
        reduction_(p.reduction()),
        scale_(p.reduction_scale()),
        chunk_(chunk_tiles(p) * kTile<T>) {
    if (reduction_ == Reduction::none) return;
    store_sum_ = store_function<double>(p.reduced().dtype);
    kept_ = p.reduced_shape().count();
    const int kept_axes = p.space().rank() - p.reduced_axes();
    summed_ = reduction_ == Reduction::trailing_axes ? p.space().count(kept_axes)
                                                     : p.space().count(0, p.reduced_axes());
  }

  int tape_length() const override { return static_cast<int>(direct_.steps.size()); }

  void run(const void* const* in, void* const* out) const override {
    const Tape<T>& tape = pick(in, out);
    if (reduction_ == Reduction::none) return run_plain(tape, in, out);
    if (count_ == 0) return store_zeros(out);
    if (reduction_ == Reduction::leading_axes) return sum_columns(tape, in, out);
    if (summed_ <= kTile<T> / 2) return sum_short_rows(tape, in, out);
    sum_long_rows(tape, in, out);
  }

 private:
  const Tape<T>& pick(const void* const* in, void* const* out) const {
    for (const auto& c : direct_.conflicts)
      if (out[c.output] == in[c.input]) return buffered_;
    return direct_;
  }

  void store_sums(const double* sums, void* const* out, int64_t start, int64_t n) const {
    store_sum_(sums, out[sum_at_], start, n);
  }

  void store_zeros(void* const* out) const {
    const double zero = 0;
    for (int64_t i = 0; i < kept_; ++i) store_sums(&zero, out, i, 1);
  }

  void run_plain(const Tape<T>& tape, const void* const* in, void* const* out) const {
    parallel_for(count_, chunk_, [&](int64_t begin, int64_t end) {
      Frame<T> frame(tape, in, out, end - begin);
      for (int64_t at = begin; at < end; at += kTile<T>) frame.tile(at, std::min(kTile<T>, end - at));
    });
  }

  /// Rows of more than half a tile: tile sums are added in double. Few rows are cut into blocks of several
  /// chunks, whose sums are added in order at the end.
  void sum_long_rows(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t most = std::max<int64_t>(1, kMaxPartials / kept_);
    const int64_t blocks = kept_ >= 64 ? 1 : std::clamp<int64_t>(divide_up(summed_, chunk_), 1, std::min<int64_t>(64, most));
    const int64_t block = round_up(divide_up(summed_, blocks), kTile<T>);
    const int64_t rows_per_chunk = blocks > 1 ? 1 : std::max<int64_t>(1, chunk_ / summed_);
    double partial[kMaxPartials];
    parallel_chunks(divide_up(kept_, rows_per_chunk) * blocks, [&](int64_t chunk) {
      const int64_t first = chunk / blocks * rows_per_chunk, part = chunk % blocks;
      Frame<T> frame(tape, in, out, kTile<T>);
      for (int64_t row = first; row < std::min(kept_, first + rows_per_chunk); ++row) {
        const int64_t end = std::min(summed_, (part + 1) * block);
        double sum = 0;
        for (int64_t k = part * block; k < end; k += kTile<T>) {
          const int64_t n = std::min(kTile<T>, end - k);
          frame.tile(row * summed_ + k, n);
          sum += sum_of(frame.reduced(), n);
        }
        if (blocks > 1) partial[chunk] = sum;
        else store_scaled(&sum, 1, out, row);
      }
    });
    if (blocks == 1) return;
    for (int64_t row = 0; row < kept_; ++row) {
      double sum = 0;
      for (int64_t part = 0; part < blocks; ++part) sum += partial[row * blocks + part];
      store_scaled(&sum, 1, out, row);
    }
  }

  /// Several whole rows in a tile.
  void sum_short_rows(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t rows_per_tile = kTile<T> / std::max<int64_t>(summed_, 1);
    const int64_t grain = rows_per_tile * (chunk_ / kTile<T>);
    parallel_for(kept_, grain, [&](int64_t begin, int64_t end) {
      Frame<T> frame(tape, in, out, kTile<T>);
      double sums[kTile<T>];
      for (int64_t row = begin; row < end; row += rows_per_tile) {
        const int64_t rows = std::min(rows_per_tile, end - row);
        frame.tile(row * summed_, rows * summed_);
        for (int64_t r = 0; r < rows; ++r) {
          const T* x = frame.reduced() + r * summed_;
          double pair[2] = {};
          for (int64_t i = 0; i < summed_; ++i) pair[i & 1] += x[i];
          sums[r] = pair[0] + pair[1];
        }
        store_scaled(sums, rows, out, row);
      }
    });
  }

  /// Sums over rows: columns in blocks of a tile (or several rows in a tile when they are short), rows in
  /// blocks that are added in order at the end.
  void sum_columns(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t width = std::min(kept_, kTile<T>), column_blocks = divide_up(kept_, kTile<T>);
    const int64_t rows_per_tile = kTile<T> / width;
    constexpr int64_t kBlocks = 16;
    const int64_t wanted = std::min(kBlocks / column_blocks, divide_up(count_, 4 * chunk_));
    const int64_t row_blocks = std::clamp<int64_t>(wanted, 1, kBlocks);
    const int64_t rows = round_up(divide_up(summed_, row_blocks), rows_per_tile);
    double partial[kBlocks * kTile<T>];
    parallel_chunks(column_blocks * row_blocks, [&](int64_t chunk) {
      const int64_t column = chunk / row_blocks * width, part = chunk % row_blocks;
      const int64_t columns = std::min(width, kept_ - column);
      double sums[kTile<T>];
      Frame<T> frame(tape, in, out, kTile<T>);
      sum_block(frame, column, columns, rows_per_tile, part * rows, std::min(summed_, (part + 1) * rows), sums);
      if (row_blocks == 1) store_scaled(sums, columns, out, column);
      else std::copy_n(sums, columns, partial + chunk * kTile<T>);
    });
    if (row_blocks == 1) return;
    for (int64_t block = 0; block < column_blocks; ++block) {
      double* sums = partial + block * row_blocks * kTile<T>;
      const int64_t columns = std::min(width, kept_ - block * width);
      for (int64_t part = 1; part < row_blocks; ++part)
        for (int64_t c = 0; c < columns; ++c) sums[c] += sums[part * kTile<T> + c];
      store_scaled(sums, columns, out, block * width);
    }
  }

  /// sums[c] = sum over rows [begin, end) of `columns` columns: up to 32 tiles in T, then double.
  void sum_block(Frame<T>& frame, int64_t column, int64_t columns, int64_t rows_per_tile, int64_t begin,
                 int64_t end, double* sums) const {
    constexpr int kFlush = 32;
    const int64_t length = rows_per_tile * columns;  // rows_per_tile > 1 only when a tile holds whole rows
    T near[kTile<T>] = {};
    double far[kTile<T>] = {};
    const auto flush = [&] {
      for (int64_t i = 0; i < length; ++i) far[i] += near[i], near[i] = 0;
    };
    int pending = 0;
    for (int64_t row = begin; row < end; row += rows_per_tile) {
      const int64_t n = std::min(rows_per_tile, end - row) * columns;
      frame.tile(row * kept_ + column, n);
      const T* x = frame.reduced();
      for (int64_t i = 0; i < n; ++i) near[i] += x[i];
      if (++pending == kFlush) flush(), pending = 0;
    }
    flush();
    for (int64_t c = 0; c < columns; ++c) {
      sums[c] = 0;
      for (int64_t r = 0; r < rows_per_tile; ++r) sums[c] += far[r * columns + c];
    }
  }

  void store_scaled(double* sums, int64_t n, void* const* out, int64_t start) const {
    for (int64_t i = 0; i < n; ++i) sums[i] *= scale_;
    store_sums(sums, out, start, n);
  }

  Tape<T> direct_, buffered_;
  int64_t count_;
  int sum_at_;
  Reduction reduction_;
  double scale_;
  int64_t chunk_;  // elements
  StoreFunction<double> store_sum_ = nullptr;
  int64_t kept_ = 1, summed_ = 1;  // sizes of the result and of what is summed into each element
};

std::unique_ptr<const Machine> make_machine(const Program& program) {
  if (program.outputs().empty() && program.reduction() == Reduction::none)
    user_error("elementwise program: an output or a sum expected, none received");
  if (program.arithmetic() == DType::f64) return std::make_unique<TileMachine<double>>(program);
  return std::make_unique<TileMachine<float>>(program);
}

}  // namespace
}  // namespace detail

ElementwiseKernel::ElementwiseKernel(const Program& program) : machine_(detail::make_machine(program)) {}
ElementwiseKernel::ElementwiseKernel(ElementwiseKernel&&) noexcept = default;
ElementwiseKernel& ElementwiseKernel::operator=(ElementwiseKernel&&) noexcept = default;
ElementwiseKernel::~ElementwiseKernel() = default;

void ElementwiseKernel::run(const void* const* in, void* const* out) const { machine_->run(in, out); }
int ElementwiseKernel::tape_length() const { return machine_->tape_length(); }

}  // namespace trivium::cpu
