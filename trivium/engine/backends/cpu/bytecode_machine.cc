// Runs a tape over the iteration space: tiles of 1 KiB, grouped into chunks whose bounds depend on
// the shape only, shared among the threads. Sums keep one double per chunk and add those in order,
// so the result has the same bits for any number of threads.
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
/// Blocks that sums over rows are cut into at most, all groups of columns together.
constexpr int64_t kBlocks = 16;

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

double sum_of(const int64_t* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  return sum;
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
      if (whole)
        at_[m.reg] = memory;
      else
        copy_in(m.reg, memory, n);
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
    for (const auto& s : tape_.stores)
      if (s.walk.rank == 0)
        s.store(at_[s.reg], out_[s.array], start, n);
      else
        store_walk(s.walk, s.store, at_[s.reg], out_[s.array], start, n);
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

  /// What lies past the end is computed too: ones, by which integers may be divided.
  static void pad(T* tile, int64_t n) {
    std::fill(tile + n, tile + round_up(n, kStep), T(std::is_integral_v<T>));
  }

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

/// What a tile costs, in units of a simple instruction.
int64_t cost_of(const Program& program) {
  int64_t cost = 0;
  for (const auto& i : program.instructions()) {
    using enum ScalarOp;
    switch (i.op) {
      case exp:
      case expm1:
      case log:
      case log1p:
      case tanh:
      case sigmoid:
      case erf:
      case softplus:
        cost += 4;
        break;
      case sin:
      case cos:
      case tan:
      case pow:
      case atan2:
      case mod:
      case fmod:
      case floor_div:
      case asin:
      case acos:
      case atan:
      case sinh:
      case cosh:
      case asinh:
      case acosh:
      case atanh:
      case log2:
      case log10:
      case exp2:
      case erfc:
      case erfinv:
      case lgamma:
      case digamma:
      case trigamma:
        cost += 16;
        break;
      default:
        cost += 1;
    }
  }
  return program.arithmetic() == DType::f32 ? cost : cost * 8;
}

/// Costly functions get shorter chunks, so that small arrays still occupy all threads. Sums depend
/// on it.
int64_t chunk_tiles(const Program& program) {
  return std::clamp<int64_t>(kChunkTiles * 16 / std::max<int64_t>(cost_of(program), 1), 4,
                             kChunkTiles);
}

/// The same without a sum: about ten microseconds, memory counted too, and chunks of equal length.
int64_t even_chunk_tiles(const Program& program, int64_t tiles) {
  const auto arrays = static_cast<int64_t>(program.inputs().size() + program.outputs().size());
  const int64_t most =
      std::clamp<int64_t>(kChunkTiles * 8 / (cost_of(program) + arrays + 1), 4, kChunkTiles);
  return divide_up(tiles, std::max<int64_t>(1, divide_up(tiles, most)));
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
    if (reduction_ == Reduction::none)
      chunk_ = even_chunk_tiles(p, divide_up(std::max<int64_t>(1, count_), kTile<T>)) * kTile<T>;
    if (reduction_ == Reduction::none) return;
    store_sum_ = store_function<double>(p.reduced().dtype);
    kept_ = p.reduced_shape().count();
    const int rank = p.space().rank(), axes = p.reduced_axes();
    switch (reduction_) {
      case Reduction::trailing_axes:
        inner_ = p.space().count(rank - axes);
        break;
      case Reduction::leading_axes:
        outer_ = p.space().count(0, axes);
        break;
      default:
        outer_ = p.space().count(0, axes), inner_ = p.space().count(axes + 1);
    }
  }

  int tape_length() const override { return static_cast<int>(direct_.steps.size()); }

  void run(const void* const* in, void* const* out) const override {
    const Tape<T>& tape = pick(in, out);
    if (reduction_ == Reduction::none) return run_plain(tape, in, out);
    if (count_ == 0) return store_zeros(out);
    if (inner_ == 1) return sum_columns(tape, in, out);
    if (outer_ == 1 && inner_ > kTile<T> / 2) return sum_long_rows(tape, in, out);
    sum_around(tape, in, out);
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
      for (int64_t at = begin; at < end; at += kTile<T>)
        frame.tile(at, std::min(kTile<T>, end - at));
    });
  }

  /// Rows of more than half a tile: tile sums are added in double. Few rows are cut into blocks of
  /// several chunks, whose sums are added in order at the end.
  void sum_long_rows(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t most = std::max<int64_t>(1, kMaxPartials / kept_);
    const int64_t wanted =
        std::clamp<int64_t>(divide_up(inner_, chunk_), 1, std::min<int64_t>(64, most));
    const int64_t blocks = kept_ >= 64 ? 1 : wanted;
    const int64_t block = round_up(divide_up(inner_, blocks), kTile<T>);
    const int64_t rows_per_chunk = blocks > 1 ? 1 : std::max<int64_t>(1, chunk_ / inner_);
    double partial[kMaxPartials];
    parallel_chunks(divide_up(kept_, rows_per_chunk) * blocks, [&](int64_t chunk) {
      const int64_t first = chunk / blocks * rows_per_chunk, part = chunk % blocks;
      Frame<T> frame(tape, in, out, kTile<T>);
      for (int64_t row = first; row < std::min(kept_, first + rows_per_chunk); ++row) {
        const int64_t end = std::min(inner_, (part + 1) * block);
        double sum = 0;
        for (int64_t k = part * block; k < end; k += kTile<T>) {
          const int64_t n = std::min(kTile<T>, end - k);
          frame.tile(row * inner_ + k, n);
          sum += sum_of(frame.reduced(), n);
        }
        if (blocks > 1)
          partial[chunk] = sum;
        else
          store_scaled(&sum, 1, out, row);
      }
    });
    if (blocks == 1) return;
    for (int64_t row = 0; row < kept_; ++row) {
      double sum = 0;
      for (int64_t part = 0; part < blocks; ++part) sum += partial[row * blocks + part];
      store_scaled(&sum, 1, out, row);
    }
  }

  /// [outer, kept, inner] to [kept]: groups of kept elements whose rows fill a tile (or one element
  /// whose row takes several), and blocks of the outer axes that are added in order at the end.
  void sum_around(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t group = std::clamp<int64_t>(kTile<T> / inner_, 1, kept_);
    const int64_t groups = divide_up(kept_, group), blocks = row_blocks(groups, outer_);
    const int64_t block = divide_up(outer_, blocks);
    double partial[kBlocks * kTile<T>];
    // Without blocks, a chunk takes several groups: they may be as small as a tile.
    const int64_t share = blocks > 1 ? 1 : std::max<int64_t>(1, chunk_ / (group * inner_ * outer_));
    parallel_chunks(divide_up(groups, share) * blocks, [&](int64_t chunk) {
      Frame<T> frame(tape, in, out, kTile<T>);
      const int64_t begin = chunk % blocks * block, end = std::min(outer_, begin + block);
      const int64_t last = std::min(groups, (chunk / blocks + 1) * share);
      for (int64_t g = chunk / blocks * share; g < last; ++g) {
        const int64_t first = g * group, n = std::min(group, kept_ - first);
        double sums[kTile<T>] = {};
        for (int64_t row = begin; row < end; ++row)
          add_rows(frame, (row * kept_ + first) * inner_, n, sums);
        if (blocks == 1)
          store_scaled(sums, n, out, first);
        else
          std::copy_n(sums, n, partial + chunk * kTile<T>);
      }
    });
    if (blocks > 1) add_partials(partial, groups, blocks, group, out);
  }

  /// sums[k] += sum of row k, for n rows of inner_ elements from `start` on.
  void add_rows(Frame<T>& frame, int64_t start, int64_t n, double* sums) const {
    if (inner_ * n <= kTile<T>) {
      frame.tile(start, inner_ * n);
      for (int64_t k = 0; k < n; ++k) sums[k] += sum_of(frame.reduced() + k * inner_, inner_);
      return;
    }
    for (int64_t at = 0; at < inner_; at += kTile<T>) {  // n is 1
      const int64_t length = std::min(kTile<T>, inner_ - at);
      frame.tile(start + at, length);
      sums[0] += sum_of(frame.reduced(), length);
    }
  }

  /// Into how many blocks the summed axes are cut when `groups` parts of the result are computed
  /// apart.
  int64_t row_blocks(int64_t groups, int64_t rows) const {
    const int64_t wanted = std::min({kBlocks / groups, divide_up(count_, 4 * chunk_), rows});
    return std::clamp<int64_t>(wanted, 1, kBlocks);
  }

  /// partial[group][block][kTile] summed over blocks into the result; `width` elements a group.
  void add_partials(double* partial, int64_t groups, int64_t blocks, int64_t width,
                    void* const* out) const {
    for (int64_t group = 0; group < groups; ++group) {
      double* sums = partial + group * blocks * kTile<T>;
      const int64_t n = std::min(width, kept_ - group * width);
      for (int64_t part = 1; part < blocks; ++part)
        for (int64_t k = 0; k < n; ++k) sums[k] += sums[part * kTile<T> + k];
      store_scaled(sums, n, out, group * width);
    }
  }

  /// Sums over rows: columns in blocks of a tile (or several rows in a tile when they are short),
  /// rows in blocks that are added in order at the end.
  void sum_columns(const Tape<T>& tape, const void* const* in, void* const* out) const {
    const int64_t width = std::min(kept_, kTile<T>), column_blocks = divide_up(kept_, kTile<T>);
    const int64_t rows_per_tile = kTile<T> / width;
    const int64_t blocks = row_blocks(column_blocks, outer_);
    const int64_t rows = round_up(divide_up(outer_, blocks), rows_per_tile);
    double partial[kBlocks * kTile<T>];
    parallel_chunks(column_blocks * blocks, [&](int64_t chunk) {
      const int64_t column = chunk / blocks * width, part = chunk % blocks;
      const int64_t columns = std::min(width, kept_ - column);
      double sums[kTile<T>];
      Frame<T> frame(tape, in, out, kTile<T>);
      sum_block(frame, column, columns, rows_per_tile, part * rows,
                std::min(outer_, (part + 1) * rows), sums);
      if (blocks == 1)
        store_scaled(sums, columns, out, column);
      else
        std::copy_n(sums, columns, partial + chunk * kTile<T>);
    });
    if (blocks > 1) add_partials(partial, column_blocks, blocks, width, out);
  }

  /// sums[c] = sum over rows [begin, end) of `columns` columns: up to 32 tiles in T, then double.
  void sum_block(Frame<T>& frame, int64_t column, int64_t columns, int64_t rows_per_tile,
                 int64_t begin, int64_t end, double* sums) const {
    constexpr int kFlush = 32;
    const int64_t length =
        rows_per_tile * columns;  // rows_per_tile > 1 only when a tile holds whole rows
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
  int64_t outer_ = 1, kept_ = 1, inner_ = 1;  // the space as [summed, kept, summed]
};

std::unique_ptr<const Machine> make_machine(const Program& program) {
  if (program.outputs().empty() && program.reduction() == Reduction::none)
    user_error("elementwise program: an output or a sum expected, none received");
  if (program.arithmetic() == DType::f64) return std::make_unique<TileMachine<double>>(program);
  if (program.arithmetic() == DType::i64) return std::make_unique<TileMachine<int64_t>>(program);
  return std::make_unique<TileMachine<float>>(program);
}

}  // namespace
}  // namespace detail

ElementwiseKernel::ElementwiseKernel(const Program& program)
    : machine_(detail::make_machine(program)) {}
ElementwiseKernel::ElementwiseKernel(ElementwiseKernel&&) noexcept = default;
ElementwiseKernel& ElementwiseKernel::operator=(ElementwiseKernel&&) noexcept = default;
ElementwiseKernel::~ElementwiseKernel() = default;

void ElementwiseKernel::run(const void* const* in, void* const* out) const {
  machine_->run(in, out);
}
int ElementwiseKernel::tape_length() const { return machine_->tape_length(); }

}  // namespace trivium::cpu
