// State dicts of modules, and modules as text.
#include <cxxabi.h>

#include <cstdlib>
#include <ostream>
#include <set>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/module.h"
#include "trivium/notations/nn/module_state.h"

namespace trivium::nn {

using Kind = ModuleState::Kind;

void StateDict::set(const std::string& name, const Tensor& value) {
  const auto [at, fresh] = index_.emplace(name, entries_.size());
  if (fresh)
    entries_.emplace_back(name, value);
  else
    entries_[at->second].second = value;
}

const Tensor* StateDict::find(const std::string& name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &entries_[at->second].second;
}

const Tensor& StateDict::operator[](const std::string& name) const {
  if (const Tensor* t = find(name)) return *t;
  std::vector<std::string> names;
  for (const NamedTensor& e : entries_) names.push_back(e.first);
  const std::string near = closest_match(name, names);
  user_error("state dict: no entry '{}'{}", name,
             near.empty() ? "" : "; did you mean '" + near + "'?");
}

std::string LoadResult::text() const {
  if (missing_keys.empty() && unexpected_keys.empty()) return "<All keys matched successfully>";
  const auto list = [](const std::vector<std::string>& keys) {
    std::string out;
    for (const std::string& k : keys) out += (out.empty() ? "'" : ", '") + k + "'";
    return out;
  };
  return "missing_keys=[" + list(missing_keys) + "], unexpected_keys=[" + list(unexpected_keys) +
         "]";
}

namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// One tensor that a file will fill.
struct Target {
  ModuleState::Entry* entry;
  const Tensor* source;
};

/// All findings of one comparison of a module with a state dict.
struct Comparison {
  LoadResult result;
  std::vector<std::string> differing;
  std::vector<Target> targets;
  std::set<std::string> known;
};

std::string remedy_for_prefix(const StateDict& state) {
  for (const char* prefix : {"module.", "_orig_mod."}) {
    bool all = !state.empty();
    for (const NamedTensor& e : state) all = all && e.first.rfind(prefix, 0) == 0;
    if (all)
      return fmt::format(
          "\n  every name starts with '{}': the model was saved wrapped; remove "
          "the prefix from the names",
          prefix);
  }
  return "";
}

std::string listing(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string out = fmt::format("\n  {}:", title);
  for (const std::string& n : names) out += "\n    " + n;
  return out;
}

}  // namespace

StateDict Module::state_dict(const std::string& prefix) const {
  StateDict out;
  const std::function<void(const Module&, const std::string&)> walk = [&](const Module& m,
                                                                          const std::string& at) {
    out.versions[at] = m.state_version();
    for (const Kind kind : {Kind::parameter, Kind::buffer})
      for (const ModuleState::Entry& e : m.state_->entries)
        if (e.kind == kind && e.tensor.defined()) out.set(joined(at, e.name), e.tensor.detach());
    for (const auto& child : m.state_->children) walk(*child.second, joined(at, child.first));
  };
  walk(*this, prefix);
  return out;
}

LoadResult Module::load_state_dict(const StateDict& state, bool strict, bool assign) {
  Comparison c;
  const std::function<void(Module&, const std::string&)> walk = [&](Module& m,
                                                                    const std::string& at) {
    const auto version_at = state.versions.find(at);
    const std::optional<int64_t> version = version_at == state.versions.end()
                                               ? std::nullopt
                                               : std::optional<int64_t>(version_at->second);
    for (ModuleState::Entry& e : m.state_->entries) {
      if ((e.kind != Kind::parameter && e.kind != Kind::buffer) || !e.tensor.defined()) continue;
      const std::string name = joined(at, e.name);
      c.known.insert(name);
      const Tensor* source = state.find(name);
      if (!source) {
        if (!m.may_lack(e.name, version)) c.result.missing_keys.push_back(name);
        continue;
      }
      const bool scalar_of_old = e.tensor.dim() == 0 && source->dim() == 1 && source->numel() == 1;
      if (source->shape() != e.tensor.shape() && !scalar_of_old)
        c.differing.push_back(fmt::format("{}: the module has {}, the state dict {}", name,
                                          e.tensor.shape().text(), source->shape().text()));
      else
        c.targets.push_back({&e, source});
    }
    for (const auto& child : m.state_->children) walk(*child.second, joined(at, child.first));
  };
  walk(*this, "");
  for (const NamedTensor& e : state)
    if (!c.known.count(e.first)) c.result.unexpected_keys.push_back(e.first);

  std::string wrong = listing("sizes differ", c.differing);
  if (strict)
    wrong = listing("missing", c.result.missing_keys) +
            listing("unexpected", c.result.unexpected_keys) + wrong;
  if (!wrong.empty())
    user_error("{}.load_state_dict: the names or shapes do not fit; nothing was loaded{}{}",
               type_name(), wrong, remedy_for_prefix(state));

  NoGradGuard no_grad;
  for (const Target& t : c.targets) {
    const Tensor source =
        t.source->dim() == t.entry->tensor.dim() ? *t.source : t.source->reshape(Dims{});
    if (!assign) {
      t.entry->tensor.copy_(source);
      continue;
    }
    const bool wanted = t.entry->tensor.requires_grad();
    t.entry->tensor = source.detach();
    if (t.entry->kind == Kind::parameter) t.entry->tensor.requires_grad_(wanted);
  }
  return c.result;
}

// ---- text

std::string Module::type_name() const {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : typeid(*this).name();
  std::free(demangled);
  const size_t colons = name.rfind("::");
  return colons == std::string::npos ? name : name.substr(colons + 2);
}

std::string indented(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

std::string Module::repr() const {
  const std::string extra = extra_repr();
  if (state_->children.empty() && extra.find('\n') == std::string::npos)
    return type_name() + "(" + extra + ")";
  std::string body = extra.empty() ? "" : "\n  " + indented(extra);
  for (const auto& [name, child] : state_->children)
    body += "\n  (" + name + "): " + indented(child->repr());
  return type_name() + "(" + body + "\n)";
}

std::string python_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string python_text(const Dims& tuple) {
  std::string out = "(";
  for (int i = 0; i < tuple.size(); ++i) out += (i ? ", " : "") + std::to_string(tuple[i]);
  return out + (tuple.size() == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << module.repr(); }

}  // namespace trivium::nn
