// Program to tape: drops unused values, moves operations on scalars out of the loop, replaces known
// expressions and pairs of arithmetic operations by one operation, assigns registers by linear
// scan.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "trivium/engine/backends/cpu/bytecode_tape.h"
#include "trivium/engine/backends/cpu/vector_math.h"
#include "trivium/engine/core/error.h"

namespace trivium::cpu::detail {
namespace {

template <ScalarOp op>
void double_loop(double* dst, const double* a, const double* b, const double* c, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if constexpr (op == ScalarOp::add)
      dst[i] = a[i] + b[i];
    else if constexpr (op == ScalarOp::sub)
      dst[i] = a[i] - b[i];
    else if constexpr (op == ScalarOp::mul)
      dst[i] = a[i] * b[i];
    else if constexpr (op == ScalarOp::div)
      dst[i] = a[i] / b[i];
    else if constexpr (op == ScalarOp::neg)
      dst[i] = -a[i];
    else if constexpr (op == ScalarOp::square)
      dst[i] = a[i] * a[i];
    else if constexpr (op == ScalarOp::sqrt)
      dst[i] = std::sqrt(a[i]);
    else if constexpr (op == ScalarOp::maximum)
      dst[i] = a[i] > b[i] || a[i] != a[i] ? a[i] : b[i];
    else if constexpr (op == ScalarOp::minimum)
      dst[i] = a[i] < b[i] || a[i] != a[i] ? a[i] : b[i];
    else if constexpr (op == ScalarOp::relu)
      dst[i] = a[i] <= 0 ? 0 : a[i];
    else if constexpr (op == ScalarOp::relu_grad)
      dst[i] = b[i] > 0 ? a[i] : 0;
    else if constexpr (op == ScalarOp::select)
      dst[i] = a[i] != 0 ? b[i] : c[i];
    else
      dst[i] = trivium::apply(op, a[i], b[i], c[i]);
  }
}

template <ScalarOp op>
void integer_loop(int64_t* dst, const int64_t* a, const int64_t* b, const int64_t* c, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if constexpr (op == ScalarOp::add)
      dst[i] = static_cast<int64_t>(static_cast<uint64_t>(a[i]) + static_cast<uint64_t>(b[i]));
    else if constexpr (op == ScalarOp::sub)
      dst[i] = static_cast<int64_t>(static_cast<uint64_t>(a[i]) - static_cast<uint64_t>(b[i]));
    else if constexpr (op == ScalarOp::mul)
      dst[i] = static_cast<int64_t>(static_cast<uint64_t>(a[i]) * static_cast<uint64_t>(b[i]));
    else if constexpr (op == ScalarOp::select)
      dst[i] = a[i] != 0 ? b[i] : c[i];
    else if constexpr (op == ScalarOp::equal)
      dst[i] = a[i] == b[i];
    else if constexpr (op == ScalarOp::not_equal)
      dst[i] = a[i] != b[i];
    else if constexpr (op == ScalarOp::less)
      dst[i] = a[i] < b[i];
    else if constexpr (op == ScalarOp::less_equal)
      dst[i] = a[i] <= b[i];
    else if constexpr (op == ScalarOp::greater)
      dst[i] = a[i] > b[i];
    else if constexpr (op == ScalarOp::greater_equal)
      dst[i] = a[i] >= b[i];
    else if constexpr (op == ScalarOp::maximum)
      dst[i] = std::max(a[i], b[i]);
    else if constexpr (op == ScalarOp::minimum)
      dst[i] = std::min(a[i], b[i]);
    else
      dst[i] = apply_integer(op, a[i], b[i], c[i]);
  }
}

template <size_t... Is>
Function<int64_t> integer_function(ScalarOp op, std::index_sequence<Is...>) {
  static constexpr Function<int64_t> kTable[] = {integer_loop<static_cast<ScalarOp>(Is)>...};
  return kTable[static_cast<int>(op)];
}

template <size_t... Is>
Function<double> double_function(ScalarOp op, std::index_sequence<Is...>) {
  static constexpr Function<double> kTable[] = {double_loop<static_cast<ScalarOp>(Is)>...};
  return kTable[static_cast<int>(op)];
}

template <typename T>
Function<T> function_of(ScalarOp op) {
  if constexpr (std::is_same_v<T, float>)
    return vector_kernels().op[static_cast<int>(op)];
  else if constexpr (std::is_same_v<T, int64_t>)
    return integer_function(op, std::make_index_sequence<kScalarOpCount>());
  else
    return double_function(op, std::make_index_sequence<kScalarOpCount>());
}

constexpr int kNever = -1;

/// An operation of the tape before registers: dst = run or pattern (operands).
template <typename T>
struct Operation {
  Function<T> run = nullptr;
  PatternFunction pattern = nullptr;
  int dst = -1;
  std::array<int, kPatternOperands> operands = kNoOperands;  // values; -1 where there is none

  static constexpr std::array<int, kPatternOperands> kNoOperands = {-1, -1, -1, -1, -1, -1, -1, -1};
};

template <typename T>
class Compiler {
 public:
  Compiler(const Program& program, bool direct) : p_(program), direct_(direct) {
    const int n = p_.value_count();
    defined_by_.assign(n, -1);
    uses_.assign(n, 0);
    uniform_.assign(n, false);
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
  static constexpr int kMoving =
      1 << 16;  // register numbers of moving operands until slots are known

  const Program& p_;
  const bool direct_;
  Tape<T> tape_;
  std::vector<int> defined_by_;  // instruction of a value, or -1
  std::vector<int> uses_;        // 0: dead
  std::vector<bool> uniform_;
  std::vector<bool> absorbed_;  // instructions that became part of a later one
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

  /// Counts uses by needed instructions, outputs and the sum; from the back, so dead code counts
  /// nothing.
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

  /// From the last instruction to the first, so that the largest expressions are found before their
  /// parts.
  void build_operations() {
    const auto& code = p_.instructions();
    absorbed_.assign(code.size(), false);
    for (size_t at = code.size(); at-- > 0;) {
      const Program::Instruction& i = code[at];
      if (uses_[i.dst] == 0 || absorbed_[at]) continue;
      Operation<T> single{
          function_of<T>(i.op), nullptr, i.dst, {i.a, i.b, i.c, -1, -1, -1, -1, -1}};
      if (uniform_[i.dst]) {
        scalar_operations_.push_back(single);
        continue;
      }
      if constexpr (std::is_same_v<T, float>) {
        if (!match_patterns(i, single)) join_pair(i, single);
      }
      operations_.push_back(single);
    }
    std::reverse(operations_.begin(), operations_.end());
    std::reverse(scalar_operations_.begin(), scalar_operations_.end());
  }

  /// The instruction that computes a value which nothing else needs, so it may vanish into its
  /// user.
  const Program::Instruction* inner(int value) const {
    if (value < 0 || uniform_[value] || uses_[value] != 1 || defined_by_[value] < 0) return nullptr;
    return &p_.instructions()[defined_by_[value]];
  }

  bool match_patterns(const Program::Instruction& root, Operation<T>& operation) {
    for (const Pattern& pattern : vector_patterns()) {
      std::array<int, kPatternOperands> operands = Operation<T>::kNoOperands;
      std::vector<int> inside;
      if (!match_instruction(pattern, static_cast<int>(pattern.nodes.size()) - 1, root, operands,
                             inside))
        continue;
      for (int value : inside) absorbed_[defined_by_[value]] = true;
      operation = {nullptr, pattern.run, root.dst, operands};
      return true;
    }
    return false;
  }

  bool match_instruction(const Pattern& pattern, int at, const Program::Instruction& i,
                         std::array<int, kPatternOperands>& operands,
                         std::vector<int>& inside) const {
    const PatternNode& node = pattern.nodes[at];
    if (node.op != i.op) return false;
    if (node.right < 0) return match_value(pattern, node.left, i.a, operands, inside);
    const bool commutes = i.op == ScalarOp::add || i.op == ScalarOp::mul;
    for (int swap = 0; swap < (commutes ? 2 : 1); ++swap) {
      auto trial = operands;
      std::vector<int> trial_inside = inside;
      if (!match_value(pattern, node.left, swap ? i.b : i.a, trial, trial_inside)) continue;
      if (!match_value(pattern, node.right, swap ? i.a : i.b, trial, trial_inside)) continue;
      operands = trial;
      inside = trial_inside;
      return true;
    }
    return false;
  }

  bool match_value(const Pattern& pattern, int at, int value,
                   std::array<int, kPatternOperands>& operands, std::vector<int>& inside) const {
    const PatternNode& node = pattern.nodes[at];
    if (node.kind == PatternNode::operation) {
      const Program::Instruction* i = inner(value);
      if (!i || !match_instruction(pattern, at, *i, operands, inside)) return false;
      inside.push_back(value);
      return true;
    }
    if (uniform_[value] != (node.kind == PatternNode::scalar)) return false;
    int& bound = operands[node.operand + (node.kind == PatternNode::scalar ? kPatternArrays : 0)];
    if (bound >= 0 && bound != value) return false;
    bound = value;
    return true;
  }

  /// Makes one operation of `i` and the arithmetic behind one of its operands.
  void join_pair(const Program::Instruction& i, Operation<T>& operation) {
    const int second = pair_index(i.op);
    for (int swap = 0; second >= 0 && swap < 2; ++swap) {
      const int between = swap ? i.b : i.a, other = swap ? i.a : i.b;
      const Program::Instruction* first = inner(between);
      if (!first || pair_index(first->op) < 0) continue;
      absorbed_[defined_by_[between]] = true;
      operation = {vector_kernels().pair[pair_index(first->op)][second][swap],
                   nullptr,
                   i.dst,
                   {first->a, first->b, other, -1, -1, -1, -1, -1}};
      return;
    }
  }

  /// Position of the write of output k after the loop's operations.
  int store_position(size_t k) const { return static_cast<int>(operations_.size() + k); }

  void find_last_uses() {
    for (size_t i = 0; i < operations_.size(); ++i)
      for (int v : operations_[i].operands)
        if (v >= 0) last_use_[v] = static_cast<int>(i);
    for (size_t k = 0; k < p_.outputs().size(); ++k)
      last_use_[p_.outputs()[k].value] = store_position(k);
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
      if (p_.outputs()[k].value == value && p_.outputs()[k].dtype == dtype_of<T> &&
          p_.outputs()[k].strides.empty())
        return static_cast<int>(k);
    return -1;
  }

  void assign_results() {
    std::vector<std::pair<int, int>> written;  // output, position
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation<T>& o = operations_[i];
      for (size_t k = 0; k < o.operands.size(); ++k) {
        const int v = o.operands[k];
        const bool seen =
            std::find(o.operands.begin(), o.operands.begin() + k, v) != o.operands.begin() + k;
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
        if (last_use_[p_.inputs()[m.array].value] > position)
          tape_.conflicts.push_back({output, m.array});
  }

  typename Tape<T>::Register reg(int number) const {
    return static_cast<uint8_t>(number >= kMoving ? tape_.slots + number - kMoving : number);
  }

  Step<T> step(const Operation<T>& o) const {
    Step<T> step{o.run, o.pattern, reg(registers_[o.dst]), {}};
    const int first =
        *std::find_if(o.operands.begin(), o.operands.end(), [](int v) { return v >= 0; });
    for (size_t k = 0; k < o.operands.size(); ++k)
      step.x[k] = reg(registers_[o.operands[k] >= 0 ? o.operands[k] : first]);
    return step;
  }

  /// All slots are known now, so moving registers get their numbers behind them.
  void finish() {
    tape_.registers = tape_.slots + moving_;
    if (tape_.registers > kMaxSlots)
      user_error("elementwise program: at most {} live values expected, this one has {}; split it",
                 kMaxSlots, tape_.registers);
    for (size_t k = 0; k < tape_.moving_in.size(); ++k)
      tape_.moving_in[k].reg = reg(kMoving + static_cast<int>(k));
    for (size_t k = 0; k < direct_output_.size(); ++k)
      tape_.moving_out.push_back(
          {reg(kMoving + static_cast<int>(tape_.moving_in.size() + k)), direct_output_[k]});
    for (const auto& o : scalar_operations_) tape_.uniform.push_back(step(o));
    for (const auto& o : operations_) tape_.steps.push_back(step(o));
    for (size_t k = 0; k < p_.outputs().size(); ++k) {
      if (std::find(direct_output_.begin(), direct_output_.end(), k) != direct_output_.end())
        continue;
      const auto& o = p_.outputs()[k];
      tape_.stores.push_back({reg(registers_[o.value]), static_cast<int>(k),
                              store_function<T>(o.dtype),
                              o.strides.empty() ? Walk{} : collapse(p_.space(), o.strides.data())});
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
template Tape<int64_t> compile<int64_t>(const Program&, bool);

}  // namespace trivium::cpu::detail
