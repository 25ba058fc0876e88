// What functions take where a tensor is wanted: a tensor, a number, an array, a list. Numbers take
// the dtype that the other argument has, arrays keep theirs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trivium/notations/tf/graph.h"

namespace trivium::tf {

class Variable;

class Input {
 public:
  Input(const Tensor& tensor, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : tensor_(tensor), file_(file), line_(line) {}
  Input(const Variable& variable, const char* file = __builtin_FILE(), int line = __builtin_LINE());
  Input(double value) : number_(value), kind_(Kind::real) {}
  Input(float value) : Input(static_cast<double>(value)) {}
  Input(int value) : number_(value), kind_(Kind::integer) {}
  Input(int64_t value) : number_(static_cast<double>(value)), kind_(Kind::integer) {}
  Input(bool value) : number_(value), kind_(Kind::truth) {}
  Input(const char* text) : Input(Data(Strings{Shape{}, {text}})) {}
  Input(const std::string& text) : Input(Data(Strings{Shape{}, {text}})) {}
  Input(Array array) : data_(std::move(array)) {}
  Input(Data data) : data_(std::move(data)) {}
  Input(const std::vector<int64_t>& values);
  Input(const std::vector<int>& values);
  Input(const std::vector<float>& values);
  Input(std::initializer_list<int> values) : Input(std::vector<int>(values)) {}
  /// Converted when it is known which dtype is wanted (invalid: its own).
  Input(std::function<Data(DataType wanted)> convert) : convert_(std::move(convert)) {}

  bool is_tensor() const { return tensor_.defined(); }
  const Tensor& given() const { return tensor_; }
  /// As a tensor of the default graph; a value becomes a Const named `name`. TypeError when a
  /// tensor has another dtype than `wanted`, or a number is not of its kind.
  Tensor tensor(const std::string& name, DataType wanted = DataType::invalid) const;
  /// The value of an Input that is no tensor, without adding an operation.
  Data value(DataType wanted) const;
  /// "train.cc:41" where a C++ program named the tensor.
  std::string site() const;

 private:
  enum class Kind { none, truth, integer, real };

  Tensor tensor_;
  Data data_;
  double number_ = 0;
  Kind kind_ = Kind::none;
  std::function<Data(DataType)> convert_;
  const char* file_ = nullptr;
  int line_ = 0;
};

/// Makes one operation: opens its name scope, converts its inputs inside, creates it.
class Build {
 public:
  /// `name` empty: the type. A name that ends in "/" re-enters a scope that is open already.
  Build(std::string type, const std::string& name);
  Build(std::string type, const std::string& name, const char* fallback_name);
  ~Build();
  Build(const Build&) = delete;
  Build& operator=(const Build&) = delete;

  Build& in(const Input& input, const std::string& argument, DataType wanted = DataType::invalid);
  Build& in(const Tensor& tensor);
  Build& attr(const std::string& name, AttrData value);
  const Tensor& operator[](int i) const { return inputs_[i]; }
  /// The scope's name with "/".
  const std::string& scope() const { return scope_; }
  std::shared_ptr<Operation> op();
  /// Output 0 of op().
  operator Tensor() { return op()->output(0); }

 private:
  std::shared_ptr<Graph> graph_;
  std::string type_, scope_, site_;
  std::vector<Tensor> inputs_;
  AttrMap attrs_;
};

/// A Const of the default graph.
Tensor constant(const Input& value, DataType dtype = DataType::invalid,
                const std::string& name = "Const");

}  // namespace trivium::tf
