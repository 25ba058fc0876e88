// Registering, calling and walking modules. State dicts and text are in module_io.cc.
#include "trivium/notations/nn/module.h"

#include <algorithm>
#include <set>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/module_state.h"

namespace trivium::nn {

namespace {

using Kind = ModuleState::Kind;

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() || name.empty() ? prefix + name : prefix + "." + name;
}

/// `kind` of error again, with the place where it happened unless the message has it.
template <typename E>
[[noreturn]] void rethrow_at(const E& error, const std::string& path, const std::string& type) {
  const std::string what = error.what();
  if (path.empty() || what.find(path) != std::string::npos) throw;
  throw E(fmt::format("{} (in module {}: {})", what, path, type));
}

template <typename Item, typename Pick>
void walk_tensors(const Module& module, const std::string& prefix, bool recurse, bool once,
                  std::set<const void*>& seen, std::vector<Item>& out, const Pick& pick) {
  pick(module, prefix, [&](const std::string& name, const Tensor& t) {
    if (t.defined() && (!once || seen.insert(t.impl()).second)) out.emplace_back(name, t);
  });
  if (!recurse) return;
  for (const auto& [name, child] : module.named_children())
    walk_tensors(*child, joined(prefix, name), true, once, seen, out, pick);
}

}  // namespace

void HookHandle::remove() {
  const std::shared_ptr<ModuleState> state = state_.lock();
  if (!state) return;
  const auto mine = [this](const auto& hook) { return hook.first == id_; };
  std::erase_if(state->hooks.before, mine);
  std::erase_if(state->hooks.after, mine);
  std::erase_if(state->hooks.backward, mine);
}

Module::Module() : state_(std::make_shared<ModuleState>()) {}

Tensor Module::forward(const Tensor&) {
  raise<NotImplementedError>(
      "{}: forward(x) is not defined; override it, or call the module with the arguments it has",
      type_name());
}

template <typename F>
auto Module::guarded(F&& body) {
  const std::string& where = state_->path;
  std::optional<record::Scope> scope;
  if (!where.empty()) scope.emplace(where);
  try {
    return body();
  } catch (const ItemError& e) {
    rethrow_at(e, where, type_name());
  } catch (const ValueError& e) {
    rethrow_at(e, where, type_name());
  } catch (const IndexError& e) {
    rethrow_at(e, where, type_name());
  } catch (const TypeError& e) {
    rethrow_at(e, where, type_name());
  } catch (const NotImplementedError& e) {
    rethrow_at(e, where, type_name());
  } catch (const UserError& e) {
    rethrow_at(e, where, type_name());
  }
}

Tensor Module::operator()(const Tensor& x) {
  if (state_->hooks.empty()) return guarded([&] { return forward(x); });
  Tensors out = run({x}, [this](const Tensors& args) { return Tensors{forward(args.at(0))}; });
  return out.at(0);
}

Tensors Module::run(const Tensors& args, const std::function<Tensors(const Tensors&)>& body) {
  if (state_->hooks.empty()) return guarded([&] { return body(args); });
  return guarded([&] {
    const ModuleState::Hooks hooks = state_->hooks;  // a hook may remove itself
    Tensors in = args;
    for (const auto& hook : hooks.before)
      if (std::optional<Tensors> changed = hook.second(*this, in)) in = *changed;
    Tensors out = hooks.backward.empty() ? body(in) : with_backward_hooks(in, body);
    for (const auto& hook : hooks.after)
      if (std::optional<Tensors> changed = hook.second(*this, in, out)) out = *changed;
    return out;
  });
}

Tensors Module::with_backward_hooks(const Tensors& args,
                                    const std::function<Tensors(const Tensors&)>& body) {
  // The inputs get an identity of their own, whose gradient is this call's alone.
  struct Seen {
    Tensors grad_output, grad_input;
    size_t waiting = 0;
  };
  const auto seen = std::make_shared<Seen>();
  Tensors in = args;
  const bool tracked = record::grad_enabled();
  for (Tensor& t : in)
    if (tracked && t.defined() && t.requires_grad()) t = t.view_as(t);
  Tensors out = body(in);
  seen->grad_output.resize(out.size());
  seen->grad_input.resize(in.size());
  if (!tracked) return out;
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i].defined() && out[i].requires_grad())
      out[i].register_hook([seen, i](const Tensor& g) {
        seen->grad_output[i] = g;
        return Tensor();
      });
  Module self = *this;
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].defined() && in[i].requires_grad()) ++seen->waiting;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].defined() || !in[i].requires_grad()) continue;
    in[i].register_hook([seen, i, self](const Tensor& g) mutable {
      seen->grad_input[i] = g;
      if (--seen->waiting > 0) return Tensor();
      for (const auto& hook : self.state_->hooks.backward)
        if (std::optional<Tensors> changed = hook.second(self, seen->grad_input, seen->grad_output))
          seen->grad_input = *changed;
      return seen->grad_input[i];
    });
  }
  return out;
}

// ---- registering

namespace {

void require_new_name(ModuleState& state, const std::string& name, const std::string& type) {
  if (name.empty()) user_error("{}: a registered name must not be empty", type);
  if (name.find('.') != std::string::npos)
    user_error("{}: a registered name must not contain '.', received '{}'", type, name);
  bool taken = state.find(name) != nullptr;
  for (const auto& child : state.children) taken = taken || child.first == name;
  if (taken) user_error("{}: the name '{}' is taken already", type, name);
}

}  // namespace

Tensor& Module::parameter(const std::string& name, const Tensor& value, bool requires_grad) {
  require_new_name(*state_, name, type_name());
  if (value.defined() && requires_grad && !value.is_leaf())
    user_error("{}: parameter '{}' must be a leaf, received the result of {}; detach() it",
               type_name(), name, value.grad_op());
  if (value.defined()) value.requires_grad_(requires_grad);
  return state_->entries.emplace_back(ModuleState::Entry{name, value, Kind::parameter}).tensor;
}

Tensor& Module::buffer(const std::string& name, const Tensor& value, bool persistent) {
  require_new_name(*state_, name, type_name());
  const Kind kind = persistent ? Kind::buffer : Kind::passing_buffer;
  return state_->entries.emplace_back(ModuleState::Entry{name, value, kind}).tensor;
}

void Module::register_module(const std::string& name, ModulePtr module) {
  require_new_name(*state_, name, type_name());
  if (module->state_ == state_) user_error("{}: a module can not be its own child", type_name());
  for (Module* below : module->modules()) below->state_->path = joined(name, below->state_->path);
  state_->children.emplace_back(name, std::move(module));
}

Tensor* Module::find_tensor(const std::string& name) {
  ModuleState::Entry* e = state_->find(name);
  return e ? &e->tensor : nullptr;
}

void Module::make_plain(const std::string& name) {
  ModuleState::Entry* e = state_->find(name);
  if (!e) user_error("{}: no tensor '{}'", type_name(), name);
  e->kind = Kind::plain;
}

void Module::make_parameter(const std::string& name, const Tensor& value) {
  ModuleState::Entry* e = state_->find(name);
  if (!e) {
    parameter(name, value);
    return;
  }
  value.requires_grad_(true);
  e->tensor = value;
  e->kind = Kind::parameter;
}

void Module::remove_tensor(const std::string& name) {
  state_->entries.remove_if([&](const ModuleState::Entry& e) { return e.name == name; });
}

void Module::remove_module(const std::string& name) {
  std::erase_if(state_->children, [&](const auto& child) { return child.first == name; });
}

void Module::rename_modules(const std::vector<ModulePtr>& in_order) {
  state_->children.clear();
  for (size_t i = 0; i < in_order.size(); ++i)
    state_->children.emplace_back(std::to_string(i), in_order[i]);
}

// ---- walking

std::vector<NamedTensor> Module::named_parameters(const std::string& prefix, bool recurse,
                                                  bool remove_duplicate) const {
  std::vector<NamedTensor> out;
  std::set<const void*> seen;
  walk_tensors(*this, prefix, recurse, remove_duplicate, seen, out,
               [](const Module& m, const std::string& at, const auto& put) {
                 for (const ModuleState::Entry& e : m.state_->entries)
                   if (e.kind == Kind::parameter) put(joined(at, e.name), e.tensor);
               });
  return out;
}

std::vector<NamedTensor> Module::named_buffers(const std::string& prefix, bool recurse,
                                               bool remove_duplicate) const {
  std::vector<NamedTensor> out;
  std::set<const void*> seen;
  walk_tensors(*this, prefix, recurse, remove_duplicate, seen, out,
               [](const Module& m, const std::string& at, const auto& put) {
                 for (const ModuleState::Entry& e : m.state_->entries)
                   if (m.state_->is_buffer(e)) put(joined(at, e.name), e.tensor);
               });
  return out;
}

Tensors Module::parameters(bool recurse) const {
  Tensors out;
  for (const NamedTensor& p : named_parameters("", recurse)) out.push_back(p.second);
  return out;
}

Tensors Module::buffers(bool recurse) const {
  Tensors out;
  for (const NamedTensor& b : named_buffers("", recurse)) out.push_back(b.second);
  return out;
}

std::vector<std::pair<std::string, ModulePtr>> Module::named_children() const {
  return state_->children;
}

std::vector<ModulePtr> Module::children() const {
  std::vector<ModulePtr> out;
  for (const auto& child : state_->children) out.push_back(child.second);
  return out;
}

namespace {

void walk_modules(Module& module, const std::string& prefix, std::vector<const Module*>& seen,
                  std::vector<std::pair<std::string, Module*>>& out) {
  for (const Module* before : seen)
    if (before->same_as(module)) return;
  seen.push_back(&module);
  out.emplace_back(prefix, &module);
  for (const auto& [name, child] : module.named_children())
    walk_modules(*child, joined(prefix, name), seen, out);
}

}  // namespace

std::vector<std::pair<std::string, Module*>> Module::named_modules(const std::string& prefix) {
  std::vector<std::pair<std::string, Module*>> out;
  std::vector<const Module*> seen;
  walk_modules(*this, prefix, seen, out);
  return out;
}

std::vector<Module*> Module::modules() {
  std::vector<Module*> out;
  for (const auto& m : named_modules()) out.push_back(m.second);
  return out;
}

Module& Module::get_submodule(const std::string& path) {
  Module* at = this;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    std::vector<std::string> names;
    Module* next = nullptr;
    for (const auto& child : at->state_->children) {
      names.push_back(child.first);
      if (child.first == name) next = child.second.get();
    }
    if (!next) {
      const std::string near = closest_match(name, names);
      user_error("{}: no module '{}' on the way to '{}'{}", at->type_name(), name, path,
                 near.empty() ? "" : "; did you mean '" + near + "'?");
    }
    at = next;
    begin = end + 1;
  }
  return *at;
}

Tensor& Module::get_parameter(const std::string& path) {
  const size_t dot = path.rfind('.');
  Module& owner = dot == std::string::npos ? *this : get_submodule(path.substr(0, dot));
  const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
  ModuleState::Entry* e = owner.state_->find(name);
  if (!e || e->kind != Kind::parameter)
    user_error("{}: no parameter '{}'", owner.type_name(), path);
  return e->tensor;
}

Tensor& Module::get_buffer(const std::string& path) {
  const size_t dot = path.rfind('.');
  Module& owner = dot == std::string::npos ? *this : get_submodule(path.substr(0, dot));
  const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
  ModuleState::Entry* e = owner.state_->find(name);
  if (!e || !owner.state_->is_buffer(*e)) user_error("{}: no buffer '{}'", owner.type_name(), path);
  return e->tensor;
}

// ---- mode and place

Module& Module::train(bool mode) {
  state_->training = mode;
  for (const auto& child : state_->children) child.second->train(mode);
  return *this;
}

bool Module::is_training() const { return state_->training; }

Module& Module::requires_grad_(bool on) {
  for (const Tensor& p : parameters()) p.requires_grad_(on);
  return *this;
}

void Module::zero_grad(bool set_to_none) {
  for (Tensor& p : parameters()) {
    if (!p.grad().defined()) continue;
    p.set_grad(set_to_none ? record::Var() : record::Var(zeros_like(p.grad().detach())));
  }
}

Module& Module::apply(const std::function<void(Module&)>& fn) {
  for (const auto& child : state_->children) child.second->apply(fn);
  fn(*this);
  return *this;
}

Module& Module::to(DType dtype) {
  if (!is_floating(dtype))
    raise<TypeError>("{}.to: expected a floating dtype, received {}", type_name(), name_of(dtype));
  NoGradGuard no_grad;
  for (Module* m : modules()) {
    for (ModuleState::Entry& e : m->state_->entries) {
      if (!e.tensor.defined() || !e.tensor.is_floating_point() || e.tensor.dtype() == dtype)
        continue;
      const Tensor grad = e.tensor.grad();
      if (grad.defined()) e.tensor.set_grad({});
      e.tensor.set_data(e.tensor.detach().to(dtype));
      if (grad.defined()) e.tensor.set_grad(grad.detach().to(dtype));
    }
  }
  return *this;
}

Module& Module::to(const Device& device) {
  require_available(device);
  return *this;
}

// ---- hooks

HookHandle Module::register_forward_pre_hook(ForwardPreHook hook) {
  state_->hooks.before.emplace_back(state_->hooks.next, std::move(hook));
  return HookHandle(state_, state_->hooks.next++);
}

void Module::clear_forward_pre_hooks() { state_->hooks.before.clear(); }

HookHandle Module::register_forward_hook(ForwardHook hook) {
  state_->hooks.after.emplace_back(state_->hooks.next, std::move(hook));
  return HookHandle(state_, state_->hooks.next++);
}

HookHandle Module::register_full_backward_hook(BackwardHook hook) {
  state_->hooks.backward.emplace_back(state_->hooks.next, std::move(hook));
  return HookHandle(state_, state_->hooks.next++);
}

const std::string& Module::path() const { return state_->path; }

}  // namespace trivium::nn
