// Program to tape: drops unused values, moves operations on scalars out of the loop, joins pairs of
// arithmetic operations and assigns registers by linear scan.
#include <algorithm>
#include <utility>

#include "trivium/engine/backends/cpu/bytecode_tape.h"
#include "trivium/engine/backends/cpu/vector_math.h"
#include "trivium/engine/core/error.h"

namespace trivium::cpu::detail {
namespace {

template <ScalarOp op>
void double_loop(double* dst, const double* a, const double* b, const double* c, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if constexpr (op == ScalarOp::add) dst[i] = a[i] + b[i];
    else if constexpr (op == ScalarOp::sub) dst[i] = a[i] - b[i];
    else if constexpr (op == ScalarOp::mul) dst[i] = a[i] * b[i];
    else if constexpr (op == ScalarOp::div) dst[i] = a[i] / b[i];
    else dst[i] = trivium::apply(op, a[i], b[i], c[i]);
  }
}

template <size_t... Is>
Function<double> double_function(ScalarOp op, std::index_sequence<Is...>) {
  static constexpr Function<double> kTable[] = {double_loop<static_cast<ScalarOp>(Is)>...};
  return kTable[static_cast<int>(op)];
}

template <typename T>
Function<T> function_of(ScalarOp op) {
  if constexpr (std::is_same_v<T, float>) return vector_kernels().op[static_cast<int>(op)];
  else return double_function(op, std::make_index_sequence<kScalarOpCount>());
}

constexpr int kNever = -1;

/// An operation of the tape before registers: dst = run(operands).
template <typename T>
struct Operation {
  Function<T> run;
  int dst;
  int operands[3];  // values, -1 beyond the arity
  int first_op = -1;  // pair_index when a second operation may still be joined to it
};

template <typename T>
class Compiler {
 public:
  Compiler(const Program& program, bool direct) : p_(program), direct_(direct) {
    const int n = p_.value_count();
    defined_by_.assign(n, -1);
    uses_.assign(n, 0);
    uniform_.assign(n, false);
    expanded_.assign(n, false);
    registers_.assign(n, kNever);
    last_use_.assign(n, kNever);
  }

  Tape<T> compile() {
    count_uses();
    find_uniform();
    build_operations();
    find_last_uses();
    assign_uniform();
    assign_moving_and_expanded();
    assign_results();
    finish();
    return std::move(tape_);
  }

 private:
  static constexpr int kMoving = 1 << 16;  // register numbers of moving operands until slots are known

  const Program& p_;
  const bool direct_;
  Tape<T> tape_;
  std::vector<int> defined_by_;  // instruction of a value, or -1
  std::vector<int> uses_;        // 0: dead
  std::vector<bool> uniform_, expanded_;
  std::vector<Walk> walks_;
  std::vector<Operation<T>> operations_;  // in the loop
  std::vector<Operation<T>> scalar_operations_;
  std::vector<int> registers_, last_use_;
  std::vector<int> direct_output_;  // position in moving_out of a value, by output
  std::vector<int> free_;
  int moving_ = 0;

  bool is_summed(int value) const {
    return p_.reduction() != Reduction::none && p_.reduced().value == value;
  }
  bool is_stored(int value) const {
    return std::any_of(p_.outputs().begin(), p_.outputs().end(),
                       [&](const auto& o) { return o.value == value; });
  }

  /// Counts uses by needed instructions, outputs and the sum; from the back, so dead code counts nothing.
  void count_uses() {
    for (const auto& o : p_.outputs()) ++uses_[o.value];
    if (p_.reduction() != Reduction::none) ++uses_[p_.reduced().value];
    const auto& code = p_.instructions();
    for (size_t i = code.size(); i-- > 0;) {
      defined_by_[code[i].dst] = static_cast<int>(i);
      if (uses_[code[i].dst] == 0) continue;
      for (int v : {code[i].a, code[i].b, code[i].c})
        if (v >= 0) ++uses_[v];
    }
  }

  void find_uniform() {
    for (const auto& c : p_.constants()) uniform_[c.value] = true;
    for (const auto& in : p_.inputs()) {
      walks_.push_back(collapse(p_.space(), in.strides.data()));
      uniform_[in.value] = walks_.back().is_uniform();
    }
    for (const auto& i : p_.instructions()) {
      bool all = true;
      for (int v : {i.a, i.b, i.c}) all = all && (v < 0 || uniform_[v]);
      uniform_[i.dst] = all;
    }
  }

  void build_operations() {
    std::vector<int> operation_of(p_.value_count(), -1);
    for (const auto& i : p_.instructions()) {
      if (uses_[i.dst] == 0) continue;
      Operation<T> operation{function_of<T>(i.op), i.dst, {i.a, i.b, i.c}};
      if (uniform_[i.dst]) {
        scalar_operations_.push_back(operation);
        continue;
      }
      if constexpr (std::is_same_v<T, float>) join(i, operation, operation_of);
      operation_of[i.dst] = static_cast<int>(operations_.size());
      operations_.push_back(operation);
    }
    // A joined first half leaves an empty place.
    std::erase_if(operations_, [](const auto& o) { return o.run == nullptr; });
  }

  /// Makes one operation of `i` and the operation behind one of its operands, when nothing else uses that.
  void join(const Program::Instruction& i, Operation<T>& operation, const std::vector<int>& operation_of) {
    const int second = pair_index(i.op);
    operation.first_op = second;
    if (second < 0) return;
    for (int swap = 0; swap < 2; ++swap) {
      const int between = swap ? i.b : i.a, other = swap ? i.a : i.b;
      const int at = operation_of[between];
      if (at < 0 || uses_[between] != 1 || operations_[at].first_op < 0) continue;
      Operation<T>& first = operations_[at];
      operation = {vector_kernels().pair[first.first_op][second][swap], i.dst,
                   {first.operands[0], first.operands[1], other}};
      first.run = nullptr;
      return;
    }
  }

  /// Position of the write of output k after the loop's operations.
  int store_position(size_t k) const { return static_cast<int>(operations_.size() + k); }

  void find_last_uses() {
    for (size_t i = 0; i < operations_.size(); ++i)
      for (int v : operations_[i].operands)
        if (v >= 0) last_use_[v] = static_cast<int>(i);
    for (size_t k = 0; k < p_.outputs().size(); ++k) last_use_[p_.outputs()[k].value] = store_position(k);
    if (p_.reduction() != Reduction::none)
      last_use_[p_.reduced().value] = store_position(p_.outputs().size());
  }

  int new_slot() {
    if (!free_.empty()) {
      const int slot = free_.back();
      free_.pop_back();
      return slot;
    }
    return tape_.slots++;
  }

  void assign_uniform() {
    for (const auto& c : p_.constants())
      if (uses_[c.value] > 0)
        tape_.fills.push_back({reg(registers_[c.value] = new_slot()), c.number});
    for (size_t i = 0; i < p_.inputs().size(); ++i) {
      const auto& in = p_.inputs()[i];
      if (uses_[in.value] > 0 && uniform_[in.value])
        tape_.spreads.push_back({reg(registers_[in.value] = new_slot()), static_cast<int>(i),
                                 load_function<T>(in.dtype)});
    }
    for (const Operation<T>& o : scalar_operations_) registers_[o.dst] = new_slot();
  }

  void assign_moving_and_expanded() {
    for (size_t i = 0; i < p_.inputs().size(); ++i) {
      const auto& in = p_.inputs()[i];
      if (uses_[in.value] == 0 || uniform_[in.value]) continue;
      const bool moves = walks_[i].is_contiguous() && in.dtype == dtype_of<T> &&
                         (direct_ || !(is_stored(in.value) || is_summed(in.value)));
      if (moves) {
        registers_[in.value] = kMoving + moving_++;
        tape_.moving_in.push_back({0, static_cast<int>(i)});
      } else {
        expanded_[in.value] = true;
        registers_[in.value] = new_slot();
        tape_.expands.push_back({reg(registers_[in.value]), static_cast<int>(i),
                                 load_function<T>(in.dtype), walks_[i]});
      }
    }
  }

  /// The output a result may be computed in: the first one of the right type.
  int direct_output(int value) const {
    if (!direct_) return -1;
    for (size_t k = 0; k < p_.outputs().size(); ++k)
      if (p_.outputs()[k].value == value && p_.outputs()[k].dtype == dtype_of<T>)
        return static_cast<int>(k);
    return -1;
  }

  void assign_results() {
    std::vector<std::pair<int, int>> written;  // output, position
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation<T>& o = operations_[i];
      for (int k = 0; k < 3; ++k) {
        const int v = o.operands[k];
        const bool seen = (k > 0 && v == o.operands[0]) || (k > 1 && v == o.operands[1]);
        if (v < 0 || seen || uniform_[v] || registers_[v] >= kMoving) continue;
        if (last_use_[v] == static_cast<int>(i)) free_.push_back(registers_[v]);
      }
      const int output = direct_output(o.dst);
      if (output >= 0) {
        registers_[o.dst] = kMoving + moving_++;
        direct_output_.push_back(output);
        written.push_back({output, static_cast<int>(i)});
      } else {
        registers_[o.dst] = new_slot();
      }
    }
    for (size_t k = 0; k < p_.outputs().size(); ++k)
      if (std::find(direct_output_.begin(), direct_output_.end(), k) == direct_output_.end())
        written.push_back({static_cast<int>(k), store_position(k)});
    for (const auto& [output, position] : written)
      for (const auto& m : tape_.moving_in)
        if (last_use_[p_.inputs()[m.array].value] > position) tape_.conflicts.push_back({output, m.array});
  }

  typename Tape<T>::Register reg(int number) const {
    return static_cast<uint8_t>(number >= kMoving ? tape_.slots + number - kMoving : number);
  }

  Step<T> step(const Operation<T>& o) const {
    const auto operand = [&](int k) { return reg(registers_[o.operands[k] >= 0 ? o.operands[k] : o.operands[0]]); };
    return {o.run, reg(registers_[o.dst]), operand(0), operand(1), operand(2)};
  }

  /// All slots are known now, so moving registers get their numbers behind them.
  void finish() {
    tape_.registers = tape_.slots + moving_;
    if (tape_.registers > kMaxSlots)
      user_error("elementwise program: at most {} live values expected, this one has {}; split it", kMaxSlots,
                 tape_.registers);
    for (size_t k = 0; k < tape_.moving_in.size(); ++k)
      tape_.moving_in[k].reg = reg(kMoving + static_cast<int>(k));
    for (size_t k = 0; k < direct_output_.size(); ++k)
      tape_.moving_out.push_back({reg(kMoving + static_cast<int>(tape_.moving_in.size() + k)),
                                  direct_output_[k]});
    for (const auto& o : scalar_operations_) tape_.uniform.push_back(step(o));
    for (const auto& o : operations_) tape_.steps.push_back(step(o));
    for (size_t k = 0; k < p_.outputs().size(); ++k) {
      if (std::find(direct_output_.begin(), direct_output_.end(), k) != direct_output_.end()) continue;
      const auto& o = p_.outputs()[k];
      tape_.stores.push_back({reg(registers_[o.value]), static_cast<int>(k), store_function<T>(o.dtype)});
    }
    if (p_.reduction() != Reduction::none) tape_.reduced = reg(registers_[p_.reduced().value]);
  }
};

}  // namespace

template <typename T>
Tape<T> compile(const Program& program, bool direct) {
  return Compiler<T>(program, direct).compile();
}

template Tape<float> compile<float>(const Program&, bool);
template Tape<double> compile<double>(const Program&, bool);

}  // namespace trivium::cpu::detail
