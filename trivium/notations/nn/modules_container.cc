// Containers: numbering, slicing and text.
#include "trivium/notations/nn/modules_container.h"

#include "trivium/notations/nn/module_state.h"

namespace trivium::nn {

int64_t ModuleRow::size() const { return static_cast<int64_t>(state_->children.size()); }

int64_t ModuleRow::position(int64_t index, int64_t limit) const {
  const int64_t at = index < 0 ? index + size() : index;
  if (at < 0 || at >= limit)
    raise<IndexError>("{}: index {} is out of range for {} modules", type_name(), index, size());
  return at;
}

Module& ModuleRow::operator[](int64_t index) const {
  return *state_->children[position(index, size())].second;
}

void ModuleRow::wrong_type(int64_t index) const {
  raise<TypeError>("{}: module {} is a {}", type_name(), index, (*this)[index].type_name());
}

void ModuleRow::append_shared(ModulePtr module) {
  register_module(std::to_string(size()), std::move(module));
}

void ModuleRow::insert_shared(int64_t index, ModulePtr module) {
  const int64_t at = position(index, size() + 1);
  append_shared(std::move(module));
  std::vector<ModulePtr> all = children();
  std::rotate(all.begin() + at, all.end() - 1, all.end());
  rename_modules(all);
}

void ModuleRow::extend(const ModuleRow& others) {
  for (const ModulePtr& m : others.children()) append_shared(m);
}

ModulePtr ModuleRow::pop(int64_t index) {
  const int64_t at = position(index, size());
  std::vector<ModulePtr> all = children();
  ModulePtr out = all[at];
  all.erase(all.begin() + at);
  rename_modules(all);
  return out;
}

Sequential::Sequential(std::initializer_list<NamedModule> modules) {
  for (const NamedModule& m : modules) register_module(m.name, m.module);
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor out = x;
  for (const auto& child : state_->children) out = (*child.second)(out);
  return out;
}

Sequential Sequential::slice(int64_t start, int64_t stop) const {
  const auto bound = [&](int64_t i) {
    return std::min(std::max<int64_t>(i < 0 ? i + size() : i, 0), size());
  };
  Sequential out;
  for (int64_t i = bound(start); i < bound(stop); ++i)
    out.state_->children.push_back(state_->children[i]);
  return out;
}

Sequential operator+(const Sequential& a, const Sequential& b) {
  Sequential out;
  std::vector<ModulePtr> all = a.children();
  for (const ModulePtr& m : b.children()) all.push_back(m);
  out.rename_modules(all);
  return out;
}

std::string ModuleList::repr() const {
  if (empty()) return type_name() + "()";
  std::string body;
  const std::vector<ModulePtr> all = children();
  for (size_t i = 0; i < all.size();) {
    const std::string text = all[i]->repr();
    size_t end = i + 1;
    while (end < all.size() && all[end]->repr() == text) ++end;
    body += end - i == 1 ? fmt::format("\n  ({}): {}", i, indented(text))
                         : fmt::format("\n  ({}-{}): {} x {}", i, end - 1, end - i, indented(text));
    i = end;
  }
  return type_name() + "(" + body + "\n)";
}

ModuleDict::ModuleDict(std::initializer_list<NamedModule> modules) {
  for (const NamedModule& m : modules) register_module(m.name, m.module);
}

bool ModuleDict::contains(const std::string& name) const {
  for (const auto& child : state_->children)
    if (child.first == name) return true;
  return false;
}

ParameterList::ParameterList(const Tensors& values) {
  for (const Tensor& t : values) append(t);
}

int64_t ParameterList::size() const { return static_cast<int64_t>(state_->entries.size()); }

Tensor& ParameterList::operator[](int64_t index) {
  const int64_t at = index < 0 ? index + size() : index;
  if (at < 0 || at >= size())
    raise<IndexError>("ParameterList: index {} is out of range for {} parameters", index, size());
  return std::next(state_->entries.begin(), at)->tensor;
}

void ParameterList::append(const Tensor& value) { parameter(std::to_string(size()), value); }

namespace {

std::string parameter_lines(const std::string& type, const std::list<ModuleState::Entry>& entries) {
  std::string body;
  for (const ModuleState::Entry& e : entries) {
    std::string size;
    for (int64_t i = 0; i < e.tensor.dim(); ++i)
      size += (i ? "x" : "") + std::to_string(e.tensor.size(i));
    body +=
        fmt::format("\n    ({}): Parameter containing: [torch.{} of size {}]", e.name,
                    e.tensor.dtype() == DType::f32 ? "float32" : name_of(e.tensor.dtype()), size);
  }
  return type + "(" + body + (body.empty() ? "" : "\n") + ")";
}

}  // namespace

std::string ParameterList::repr() const {
  return parameter_lines("ParameterList", state_->entries);
}

ParameterDict::ParameterDict(std::initializer_list<std::pair<std::string, Tensor>> values) {
  for (const auto& [name, t] : values) parameter(name, t);
}

std::string ParameterDict::repr() const {
  return parameter_lines("ParameterDict", state_->entries);
}

}  // namespace trivium::nn
