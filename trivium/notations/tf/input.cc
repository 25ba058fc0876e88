#include "trivium/notations/tf/input.h"

#include "trivium/notations/tf/variables.h"

namespace trivium::tf {
namespace {

Tensor const_op(const Data& value, const std::string& name) {
  return default_graph()
      ->create("Const", {}, {{"value", value}, {"dtype", value.type()}}, name)
      ->output();
}

const char* kind_word(bool real, bool truth) { return truth ? "bool" : real ? "float" : "int"; }

}  // namespace

Input::Input(const Variable& variable, const char* file, int line)
    : Input(variable.value(), file, line) {}
Input::Input(const std::vector<int64_t>& values)
    : data_(Array::from(values, Shape{static_cast<int64_t>(values.size())}).cast(DType::i32)) {}
Input::Input(const std::vector<int>& values)
    : data_(Array::from(std::vector<int32_t>(values.begin(), values.end()),
                        Shape{static_cast<int64_t>(values.size())})) {}
Input::Input(const std::vector<float>& values)
    : data_(Array::from(values, Shape{static_cast<int64_t>(values.size())})) {}

std::string Input::site() const { return file_ ? fmt::format("{}:{}", file_, line_) : ""; }

Data Input::value(DataType wanted) const {
  if (convert_) return convert_(wanted);
  if (data_.defined()) {
    if (wanted == DataType::invalid || wanted == data_.type()) return data_;
    if (data_.strings || wanted == DataType::string)
      raise<TypeError>("Expected {}, but got a value of dtype {}.", name_of(wanted),
                       name_of(data_.type()));
    return data_.array.cast(engine_type(wanted));
  }
  if (wanted == DataType::invalid)
    wanted = kind_ == Kind::truth  ? DataType::bool_
             : kind_ == Kind::real ? DataType::float32
                                   : DataType::int32;
  const bool fits = wanted == DataType::bool_ ? kind_ == Kind::truth
                    : is_integer(wanted)      ? kind_ == Kind::integer
                                              : is_floating(wanted);
  if (!fits)
    raise<TypeError>("Expected {}, but got {} of type '{}'.", name_of(wanted), number_,
                     kind_word(kind_ == Kind::real, kind_ == Kind::truth));
  return Array::full({}, number_, engine_type(wanted));
}

Tensor Input::tensor(const std::string& name, DataType wanted) const {
  if (!tensor_.defined()) return const_op(value(wanted), name);
  if (wanted != DataType::invalid && tensor_.dtype() != wanted)
    raise<ValueError>("Tensor conversion requested dtype {} for Tensor with dtype {}: {} {}{}",
                      name_of(wanted), name_of(tensor_.dtype()), tensor_.name(),
                      name_of(tensor_.dtype()), tensor_.shape().brackets());
  return tensor_;
}

Build::Build(std::string type, const std::string& name)
    : graph_(default_graph()), type_(std::move(type)) {
  scope_ = graph_->push_scope(name.empty() ? type_ : name);
}

Build::Build(std::string type, const std::string& name, const char* fallback_name)
    : Build(std::move(type), name.empty() ? std::string(fallback_name) : name) {}

Build::~Build() { graph_->pop_scope(); }

Build& Build::in(const Input& input, const std::string& argument, DataType wanted) {
  if (site_.empty()) site_ = input.site();
  // A tensor of another dtype is left to the operation's own check, which names both arguments.
  inputs_.push_back(input.is_tensor() ? input.given() : input.tensor(argument, wanted));
  return *this;
}

Build& Build::in(const Tensor& tensor) {
  inputs_.push_back(tensor);
  return *this;
}

Build& Build::attr(const std::string& name, AttrData value) {
  attrs_[name] = std::move(value);
  return *this;
}

std::shared_ptr<Operation> Build::op() {
  graph_->set_site(site_);
  std::shared_ptr<Operation> made;
  try {
    made = graph_->create(type_, inputs_, attrs_, scope_);
  } catch (...) {
    graph_->set_site("");
    throw;
  }
  graph_->set_site("");
  return made;
}

Tensor constant(const Input& value, DataType dtype, const std::string& name) {
  if (value.is_tensor()) raise<TypeError>("constant: {} is a tensor already", value.given().name());
  return value.tensor(name, dtype);
}

}  // namespace trivium::tf
