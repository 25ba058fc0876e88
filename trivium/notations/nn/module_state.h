// What all handles of one module share. Entries keep their address for the life of the module:
// layers hold references to them.
#pragma once

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/nn/module.h"

namespace trivium::nn {

struct ModuleState {
  enum class Kind { parameter, buffer, passing_buffer, plain };
  struct Entry {
    std::string name;
    Tensor tensor;
    Kind kind;
  };
  struct Hooks {
    std::vector<std::pair<int64_t, ForwardPreHook>> before;
    std::vector<std::pair<int64_t, ForwardHook>> after;
    std::vector<std::pair<int64_t, BackwardHook>> backward;
    int64_t next = 1;
    bool empty() const { return before.empty() && after.empty() && backward.empty(); }
  };

  std::list<Entry> entries;
  std::vector<std::pair<std::string, ModulePtr>> children;
  bool training = true;
  std::string path;
  Hooks hooks;

  bool is_buffer(const Entry& e) const {
    return e.kind == Kind::buffer || e.kind == Kind::passing_buffer;
  }
  Entry* find(const std::string& name) {
    for (Entry& e : entries)
      if (e.name == name) return &e;
    return nullptr;
  }
};

}  // namespace trivium::nn
