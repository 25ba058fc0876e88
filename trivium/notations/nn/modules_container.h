// Modules that hold modules or tensors: Sequential runs them in order, the others only keep them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/nn/module.h"

namespace trivium::nn {

/// A module with the name it is to have.
struct NamedModule {
  template <std::derived_from<Module> M>
  NamedModule(std::string name, M module)
      : name(std::move(name)), module(std::make_shared<M>(std::move(module))) {}
  std::string name;
  ModulePtr module;
};

/// What ordered containers share: children named 0, 1, 2, …
class ModuleRow : public Module {
 public:
  int64_t size() const;
  bool empty() const { return size() == 0; }
  /// Negative counts from the end; IndexError outside.
  Module& operator[](int64_t index) const;
  /// The child as what it is; TypeError when it is something else.
  template <std::derived_from<Module> M>
  M& at(int64_t index) const {
    if (M* m = dynamic_cast<M*>(&(*this)[index])) return *m;
    wrong_type(index);
  }
  template <std::derived_from<Module> M>
  void append(M module) {
    append_shared(std::make_shared<M>(std::move(module)));
  }
  template <std::derived_from<Module> M>
  void push_back(M module) {
    append(std::move(module));
  }
  void append_shared(ModulePtr module);
  /// Before `index`; the later ones get new numbers.
  template <std::derived_from<Module> M>
  void insert(int64_t index, M module) {
    insert_shared(index, std::make_shared<M>(std::move(module)));
  }
  void insert_shared(int64_t index, ModulePtr module);
  void extend(const ModuleRow& others);
  /// Takes a child out; the later ones get new numbers.
  ModulePtr pop(int64_t index = -1);

 protected:
  [[noreturn]] void wrong_type(int64_t index) const;
  int64_t position(int64_t index, int64_t limit) const;
};

/// With braces, Sequential{Linear(4, 8), ReLU(), Linear(8, 2)}, the layers draw their weights in
/// the order written; arguments between parentheses are evaluated in the compiler's order.
class Sequential : public ModuleRow {
 public:
  Sequential() = default;
  template <std::derived_from<Module>... M>
  requires(sizeof...(M) > 0) explicit Sequential(M... modules) {
    (append(std::move(modules)), ...);
  }
  Sequential(std::initializer_list<NamedModule> modules);
  Tensor forward(const Tensor& x) override;
  /// Children [start, stop) under their names; they stay shared.
  Sequential slice(int64_t start, int64_t stop) const;
  friend Sequential operator+(const Sequential& a, const Sequential& b);
};

class ModuleList : public ModuleRow {
 public:
  ModuleList() = default;
  template <std::derived_from<Module>... M>
  requires(sizeof...(M) > 0) explicit ModuleList(M... modules) {
    (append(std::move(modules)), ...);
  }
  /// Folds equal neighbours: "(0-1): 2 x ReLU()".
  std::string repr() const override;
};

class ModuleDict : public Module {
 public:
  ModuleDict() = default;
  ModuleDict(std::initializer_list<NamedModule> modules);
  Module& operator[](const std::string& name) { return get_submodule(name); }
  bool contains(const std::string& name) const;
  int64_t size() const { return static_cast<int64_t>(children().size()); }
  void pop(const std::string& name) { remove_module(name); }
};

class ParameterList : public Module {
 public:
  ParameterList() = default;
  explicit ParameterList(const Tensors& values);
  Tensor& operator[](int64_t index);
  int64_t size() const;
  void append(const Tensor& value);
  std::string repr() const override;
};

class ParameterDict : public Module {
 public:
  ParameterDict() = default;
  ParameterDict(std::initializer_list<std::pair<std::string, Tensor>> values);
  Tensor& operator[](const std::string& name) { return get_parameter(name); }
  void set(const std::string& name, const Tensor& value) { make_parameter(name, value); }
  int64_t size() const { return static_cast<int64_t>(parameters(false).size()); }
  std::string repr() const override;
};

}  // namespace trivium::nn
