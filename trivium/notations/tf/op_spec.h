// What each type of operation is: its outputs' shapes and dtypes while the graph is described, and
// the engine ops it becomes when a session translates it. One record a type.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/engine/graph/graph.h"
#include "trivium/notations/tf/graph.h"

namespace trivium::tf {

/// Given to shape rules.
class Infer {
 public:
  explicit Infer(const Operation& op) : op_(op) {}
  const Operation& op() const { return op_; }
  int inputs() const { return op_.num_inputs(); }
  const PartialShape& shape(int i) const { return edge(i).op->out(edge(i).index).shape; }
  DataType dtype(int i) const { return edge(i).op->out(edge(i).index).type; }
  /// Value of input i when it is known already.
  std::optional<Array> constant(int i) const;
  /// Input i as a list of sizes, -1 where one is not known yet.
  PartialShape constant_shape(int i) const;
  void output(PartialShape shape, DataType type) { outputs_.emplace_back(std::move(shape), type); }
  const std::vector<std::pair<PartialShape, DataType>>& outputs() const { return outputs_; }
  /// Throws ValueError "<message> for '<name>' (op: '<type>') with input shapes: …", then the line.
  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const;
  /// TypeError unless inputs i and 0 have one dtype.
  void same_dtype(int i) const;
  /// TypeError unless the dtype of input i is floating.
  void floating(int i) const;
  /// ValueError unless input i may have this rank.
  void rank(int i, int wanted) const;
  /// The axis `value` of an input of this rank, non-negative; ValueError outside.
  int axis(int64_t value, int rank) const;

 private:
  const Operation::Edge& edge(int i) const { return op_.edges().at(i); }
  const Operation& op_;
  std::vector<std::pair<PartialShape, DataType>> outputs_;
};

class Session;
class Translator;

/// Given to translation rules: reads the inputs as engine Values, says what the outputs are.
class Translate {
 public:
  Translate(Translator& translator, Operation& op) : translator_(translator), op_(op) {}
  Operation& op() const { return op_; }
  int inputs() const { return op_.num_inputs(); }
  Value in(int i);
  /// All inputs from `first` on.
  std::vector<Value> ins(int first = 0);
  const Shape& shape(int i);
  DType dtype(int i);
  /// The number input i holds, computed now: for shapes, axes and the like. OpError when it depends
  /// on a variable or on random numbers.
  Array known(int i);
  std::vector<int64_t> known_integers(int i);
  /// Whether known(i) is had from the graph and the shapes alone, whatever is fed.
  bool fixed(int i) const;
  void out(int i, Value value);
  /// An output that is known now.
  void out(int i, const Array& value);
  /// Output o is input i; see Translator::hand_on.
  void hand_on(int i, int o);
  trivium::Graph& graph();
  Translator& translator() { return translator_; }
  /// OpError(invalid_argument) naming the node.
  [[noreturn]] void fail(const std::string& message) const;

 private:
  Translator& translator_;
  Operation& op_;
};

enum class Differentiable {
  yes,      // through floating inputs
  cut,      // its gradient is None
  missing,  // asking for one is a LookupError
};

struct OpSpec {
  std::string type;
  std::vector<std::string> inputs;  // names of the arguments, for automatic constants and messages
  std::function<void(Infer&)> infer;
  std::function<void(Translate&)> translate;
  Differentiable gradient = Differentiable::yes;
  /// Set instead of translate for operations on strings and files: computed by the session.
  std::function<std::vector<Data>(const Operation&, const std::vector<Data>& inputs)> host = {};
  /// A host operation whose results feed the run: computed before it, not after.
  bool before = false;
  /// As `host`, for operations that know their session (see host.h).
  std::function<std::vector<Data>(const Operation&, const std::vector<Data>& inputs, Session&)>
      session_host = {};

  bool on_host() const { return host != nullptr || session_host != nullptr; }
};

/// NotImplementedError naming the nearest known type.
const OpSpec& op_spec(const std::string& type);
/// Null for an unknown type.
const OpSpec* find_op_spec(const std::string& type);
/// All types, sorted.
std::vector<std::string> op_types();

class SpecTable {
 public:
  void add(OpSpec spec) { specs_[spec.type] = std::move(spec); }
  std::map<std::string, OpSpec> specs_;
};
void define_state_ops(SpecTable& table);
void define_math_ops(SpecTable& table);
void define_reduction_ops(SpecTable& table);
void define_array_ops(SpecTable& table);
void define_slice_ops(SpecTable& table);
void define_nn_ops(SpecTable& table);
void define_conv_ops(SpecTable& table);
void define_pool_ops(SpecTable& table);
void define_random_ops(SpecTable& table);
void define_train_ops(SpecTable& table);
void define_summary_ops(SpecTable& table);
void define_index_ops(SpecTable& table);
void define_segment_ops(SpecTable& table);
void define_block_ops(SpecTable& table);
void define_backprop_ops(SpecTable& table);
void define_more_ops(SpecTable& table);
void define_host_ops(SpecTable& table);
void define_linalg_ops(SpecTable& table);
void define_picture_ops(SpecTable& table);
void define_resize_ops(SpecTable& table);
void define_control_ops(SpecTable& table);
void define_checkpoint_ops(SpecTable& table);
void define_switch_ops(SpecTable& table);

/// The value of a tensor when the graph alone determines it (constants, shapes, arithmetic on
/// them).
std::optional<Array> constant_value(const Operation& op, int index);
/// A vector of sizes, -1 where unknown; unknown rank when not even its length is known.
PartialShape constant_shape(const Operation& op, int index);

}  // namespace trivium::tf
