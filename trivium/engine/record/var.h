// Var: what a notation that computes as you write holds: a tensor's identity. It names a Storage
// (or a view of one), knows how it was made when gradients are wanted, and can be looked at. Ops
// on Vars only record; looking (array(), item()) runs what was recorded.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trivium/engine/record/tape.h"

namespace trivium::record {

class Var;
struct VarImpl;
struct GradNode;
void count_up(VarImpl* p);
void count_down(VarImpl* p);
void count_up(GradNode* p);
void count_down(GradNode* p);

/// How a value was made, for the reverse walk: output `output` of `node`; null when it was not
/// recorded for gradients.
struct Edge {
  Ref<GradNode> node;
  int32_t output = 0;
};

/// A value with its history. What recording takes and gives.
struct Val {
  Ref<Slot> slot;
  Edge edge;
  const Meta* meta() const { return slot->meta; }
};

// ---- how recording goes, per thread
inline constinit thread_local bool grad_mode = true;
inline bool grad_enabled() { return grad_mode; }
inline void set_grad_enabled(bool on) { grad_mode = on; }
/// Switches the recording of history for a scope.
class GradMode {
 public:
  explicit GradMode(bool on) : before_(grad_enabled()) { set_grad_enabled(on); }
  ~GradMode() { set_grad_enabled(before_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};
/// Names the layer that what follows belongs to ("layer1.0.conv1"), in errors and profiles.
class Scope {
 public:
  explicit Scope(const std::string& name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  int32_t before_;
};

/// A handle; copying it names the same tensor. Undefined until assigned.
class Var {
 public:
  Var() = default;
  explicit Var(Ref<VarImpl> impl) : impl_(std::move(impl)) {}
  /// A leaf on this memory (shared, not copied).
  explicit Var(Array value, bool requires_grad = false);
  /// A tensor of its own with this value and history.
  static Var of(Val val);

  bool defined() const { return static_cast<bool>(impl_); }
  const Shape& shape() const { return meta()->shape; }
  DType dtype() const { return meta()->dtype; }
  int64_t count() const { return meta()->count; }
  const Meta* meta() const;
  VarImpl* impl() const { return impl_.get(); }
  const Ref<VarImpl>& ref() const { return impl_; }
  bool same_as(const Var& other) const { return impl_ == other.impl_; }

  // Looking: runs what was recorded. Errors of the run are thrown here, and again at every look.
  /// The content, row-major; shares memory with the tensor where it lies so already.
  Array array() const;
  /// The only element as a double; UserError when there are more or none.
  double item() const;
  /// Runs what was recorded without looking.
  void eval() const;

  // History.
  bool requires_grad() const;
  /// UserError for integers, and when false is asked of a result.
  void set_requires_grad(bool on);
  bool is_leaf() const;
  /// Name of the op that made it ("mul"), "" for a leaf.
  std::string grad_op() const;
  Var grad() const;
  /// Undefined removes it; otherwise shape and dtype must be the tensor's.
  void set_grad(const Var& grad);
  void retain_grad();
  bool retains_grad() const;
  /// Shares the content without the history.
  Var detach() const;
  /// Called with the complete gradient; a defined result replaces it. Returns a number for
  /// removing.
  int64_t add_hook(std::function<Var(const Var&)> hook);
  void remove_hook(int64_t id);

  // Content and place.
  int64_t version() const;
  /// Takes over the content, shape and dtype of `other` (shares its memory); the identity, grad and
  /// history of this tensor stay.
  void set_data(const Var& other);
  /// This tensor's content becomes `value` (same shape and dtype), through its view when it is one.
  /// UserError on a leaf that requires grad while history is recorded, and on a broadcast view.
  void assign(const Var& value);
  bool is_view() const;
  bool shares_storage(const Var& other) const;
  const void* storage_id() const;
  /// Elements between neighbours along each axis in the storage, and before the first: as if views
  /// were strided. False when the view can not be said that way.
  bool strides(std::vector<int64_t>* strides, int64_t* offset) const;
  bool is_contiguous() const;

  /// The memory itself for somebody outside: base memory, strides and offset in elements. Until the
  /// token dies the storage keeps its place and every write lands there at once.
  struct Exported {
    Array base;
    Shape shape;
    std::vector<int64_t> strides;
    int64_t offset = 0;
    std::shared_ptr<void> token;
  };
  Exported share() const;
  /// The memory belongs to somebody outside too, for ever (a NumPy array): reads take a copy.
  void mark_foreign();

  /// A slot of the embedding program: the Python object of this tensor.
  void* companion() const;
  void set_companion(void* object, void (*dropped)(void*));

 private:
  Ref<VarImpl> impl_;
};

// ---- recording
/// Records an op; UserError at once when shapes or dtypes do not fit. First result only.
Var apply(const Call* call, std::span<const Var> operands);
/// A Var named in a list of operands: apply(call, {a, b}) copies no handle.
class Named {
 public:
  Named(const Var& v) : var_(&v) {}
  const Var& var() const { return *var_; }

 private:
  const Var* var_;
};
Var apply(const Call* call, std::initializer_list<Named> operands);
/// All results.
std::vector<Var> apply_all(const Call* call, std::span<const Var> operands);
/// A number as an operand (rank 0): its value is not part of the recorded structure.
Var number(double value, DType dtype);
/// The tensor whose view v is: all of the storage, in row-major order. v itself when it is no view.
Var storage_root(const Var& v);
/// A view: `call` is a reshape, permute, slice, broadcast_to or as_strided of `base` and shares its
/// storage.
Var view(const Call* call, const Var& base);
/// Runs what this thread has recorded, without waiting for a look.
void submit();
/// The Values of these tensors in a graph of what this thread has recorded and not yet run: for
/// tests that compare notations and for people. UserError for one that is not waiting to be run.
std::vector<Value> trace(Graph& graph, std::span<const Var> tensors);

// ---- gradients
/// Adds d(sum roots*seeds)/d(leaf) to the .grad of every leaf (of `inputs` only, when given). An
/// undefined seed means ones and needs a one-element root. History is dropped unless keep_history.
void backward(const std::vector<Var>& roots, const std::vector<Var>& seeds = {},
              bool keep_history = false, bool create_graph = false,
              const std::vector<Var>* inputs = nullptr);
/// The same derivatives as values; .grad stays. Undefined for an input the roots do not depend on.
std::vector<Var> gradients(const std::vector<Var>& roots, const std::vector<Var>& inputs,
                           const std::vector<Var>& seeds = {}, bool keep_history = false,
                           bool create_graph = false);
/// Results of a function whose derivative the caller writes: `outputs` (computed without history)
/// become results of one node over `inputs`; `rule` gets the gradients of the outputs (undefined
/// where none arrived) and returns one Var an input (undefined: none).
std::vector<Var> attach_rule(const std::string& name, std::span<const Var> inputs,
                             std::span<const Var> outputs,
                             std::function<std::vector<Var>(const std::vector<Var>&)> rule);

/// The tensor's value of now, with the history that leads to it.
Val val_of(const Var& v);

}  // namespace trivium::record
