// Module: a layer or a net of layers, with named parameters, buffers and children. A Module is a
// handle: copies share everything that is registered, so layers can be members, arguments and
// elements of a Sequential without pointers. Members register as they are constructed:
//
//   struct Net : Module {
//     Linear fc1 = add("fc1", Linear(784, 128)), fc2 = add("fc2", Linear(128, 10));
//     Tensor& scale = parameter("scale", ones({1}));
//     Tensor forward(const Tensor& x) override { return fc2(fc1(x).relu()) * scale; }
//   };
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

class Module;
struct ModuleState;
using ModulePtr = std::shared_ptr<Module>;
using Tensors = std::vector<Tensor>;
using NamedTensor = std::pair<std::string, Tensor>;

/// Tensors by name, in order, with the version of each module's layout ("" is the root).
class StateDict {
 public:
  /// Adds, or replaces under the same name.
  void set(const std::string& name, const Tensor& value);
  /// Null for an unknown name.
  const Tensor* find(const std::string& name) const;
  /// UserError naming the nearest entry when there is none.
  const Tensor& operator[](const std::string& name) const;
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  std::vector<NamedTensor>::const_iterator begin() const { return entries_.begin(); }
  std::vector<NamedTensor>::const_iterator end() const { return entries_.end(); }

  std::map<std::string, int64_t> versions;

 private:
  std::vector<NamedTensor> entries_;
  std::unordered_map<std::string, size_t> index_;
};

/// What load_state_dict(strict = false) passed over.
struct LoadResult {
  std::vector<std::string> missing_keys, unexpected_keys;
  std::string text() const;
};

/// Before forward; a result replaces the arguments.
using ForwardPreHook = std::function<std::optional<Tensors>(Module&, const Tensors& args)>;
/// After forward; a result replaces the output.
using ForwardHook =
    std::function<std::optional<Tensors>(Module&, const Tensors& args, const Tensors& output)>;
/// When the gradients of the inputs are known (undefined where an input has none); a result
/// replaces them.
using BackwardHook = std::function<std::optional<Tensors>(Module&, const Tensors& grad_input,
                                                          const Tensors& grad_output)>;

/// Takes a hook away again.
class HookHandle {
 public:
  HookHandle(std::weak_ptr<ModuleState> state, int64_t id) : state_(std::move(state)), id_(id) {}
  void remove();

 private:
  std::weak_ptr<ModuleState> state_;
  int64_t id_;
};

class Module {
 public:
  Module();
  virtual ~Module() = default;
  /// The copy is the same module: it shares parameters, buffers, children, mode and hooks.
  Module(const Module&) = default;
  /// Members are constructed, not assigned: a registered name keeps its module.
  Module& operator=(const Module&) = delete;

  /// What the module computes. NotImplementedError unless overridden.
  virtual Tensor forward(const Tensor& x);
  /// Hooks, then forward. Errors name the module's path.
  Tensor operator()(const Tensor& x);
  /// The same around any computation, for modules with several inputs or outputs.
  Tensors run(const Tensors& args, const std::function<Tensors(const Tensors&)>& body);

  // ---- registering. Names must be new, not empty and without dots: UserError.
  /// Registers a child and returns it.
  template <std::derived_from<Module> M>
  M add(const std::string& name, M module) {
    register_module(name, std::make_shared<M>(module));
    return module;
  }
  /// Returns the place of the tensor: assigning to it replaces the parameter (tied weights), and
  /// every copy of the module sees it. An undefined tensor stands for None.
  Tensor& parameter(const std::string& name, const Tensor& value, bool requires_grad = true);
  Tensor& buffer(const std::string& name, const Tensor& value, bool persistent = true);
  void register_module(const std::string& name, ModulePtr module);

  // ---- what is in it. Order of registration; own entries first, then the children's.
  /// A tensor that has several names is listed once.
  Tensors parameters(bool recurse = true) const;
  std::vector<NamedTensor> named_parameters(const std::string& prefix = "", bool recurse = true,
                                            bool remove_duplicate = true) const;
  Tensors buffers(bool recurse = true) const;
  std::vector<NamedTensor> named_buffers(const std::string& prefix = "", bool recurse = true,
                                         bool remove_duplicate = true) const;
  std::vector<std::pair<std::string, ModulePtr>> named_children() const;
  std::vector<ModulePtr> children() const;
  /// This module under `prefix`, then all below, each once.
  std::vector<std::pair<std::string, Module*>> named_modules(const std::string& prefix = "");
  std::vector<Module*> modules();
  /// By dotted path; UserError naming the nearest when there is none.
  Tensor& get_parameter(const std::string& path);
  Tensor& get_buffer(const std::string& path);
  Module& get_submodule(const std::string& path);

  // ---- state
  /// Parameters and persistent buffers as detached aliases; a module with several names appears
  /// under each.
  StateDict state_dict(const std::string& prefix = "") const;
  /// Copies into the module's tensors, keeping their dtype; assign puts the given tensors in their
  /// place. One UserError lists every missing and unexpected name (only when strict) and every
  /// differing shape; nothing is changed then.
  LoadResult load_state_dict(const StateDict& state, bool strict = true, bool assign = false);

  // ---- mode and place; all reach the children and return the module
  Module& train(bool mode = true);
  Module& eval() { return train(false); }
  bool is_training() const;
  Module& requires_grad_(bool on = true);
  /// Removes the gradients, or fills them with zeros.
  void zero_grad(bool set_to_none = true);
  /// Children first, then this module.
  Module& apply(const std::function<void(Module&)>& fn);
  /// Floating tensors change dtype in place: parameters stay the same tensors. TypeError for an
  /// integer dtype.
  Module& to(DType dtype);
  /// UserError unless the device is there.
  Module& to(const Device& device);
  Module& to_float() { return to(DType::f32); }
  Module& to_double() { return to(DType::f64); }
  Module& half() { return to(DType::f16); }
  Module& cpu() { return *this; }

  // ---- hooks
  HookHandle register_forward_pre_hook(ForwardPreHook hook);
  void clear_forward_pre_hooks();
  HookHandle register_forward_hook(ForwardHook hook);
  HookHandle register_full_backward_hook(BackwardHook hook);

  // ---- as text
  /// The class's name.
  virtual std::string type_name() const;
  /// What stands between the parentheses of a leaf.
  virtual std::string extra_repr() const { return ""; }
  /// The tree of modules in PyTorch's form.
  virtual std::string repr() const;
  /// "layer1.0.conv1" below the module it was added to; empty for a root.
  const std::string& path() const;
  /// Whether both are handles of one module.
  bool same_as(const Module& other) const { return state_ == other.state_; }

  /// Layout version that state_dict() records.
  virtual int64_t state_version() const { return 1; }
  /// Whether a file of that version (none: not recorded) may lack the entry.
  virtual bool may_lack(const std::string&, std::optional<int64_t>) const { return false; }

  // ---- for layers that rewrite modules (weight_norm, containers)
  /// The place of a registered or plain tensor; null when there is none.
  Tensor* find_tensor(const std::string& name);
  /// The tensor stays reachable under its name, but is no parameter any more; and back.
  void make_plain(const std::string& name);
  void make_parameter(const std::string& name, const Tensor& value);
  void remove_tensor(const std::string& name);
  void remove_module(const std::string& name);
  void rename_modules(const std::vector<ModulePtr>& in_order);

 protected:
  std::shared_ptr<ModuleState> state_;

 private:
  friend class HookHandle;
  template <typename F>
  auto guarded(F&& body);
  Tensors with_backward_hooks(const Tensors& args,
                              const std::function<Tensors(const Tensors&)>& body);
};

/// One child line of repr(): nested text moves two columns in.
std::string indented(const std::string& text);
/// Python's spelling: 1e-05, 0.5, 1.0; (7, 7), (3,); True, False.
std::string python_text(double value);
std::string python_text(const Dims& tuple);
inline std::string python_text(bool value) { return value ? "True" : "False"; }

std::ostream& operator<<(std::ostream& out, const Module& module);

}  // namespace trivium::nn
