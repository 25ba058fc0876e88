// Tensors are printed as PyTorch prints them: tests/golden/torch/print.json holds its texts.
#include "trivium/notations/nn/print.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "trivium/notations/nn/creation.h"

namespace trivium::nn {
namespace {

Tensor tensor_of(const nlohmann::json& row) {
  const Shape shape(row["shape"].get<std::vector<int64_t>>());
  const std::string name = row["dtype"].get<std::string>();
  const DType dtype = name == "bool" ? DType::bool_ : parse_dtype(name);
  if (row["values"].is_array() && row["values"].size() == 2 && row["values"][0] == "arange") {
    const double by = row["values"][1].get<double>();
    return arange(shape.count()).to(dtype).div(dtype == DType::i64 ? 1 : by).to(dtype).view(shape);
  }
  std::vector<double> values;
  for (const auto& v : row["values"]) values.push_back(std::stod(v.get<std::string>()));
  return tensor(Array::from(values, shape), {.dtype = dtype});
}

TEST(Print, TextsArePyTorchs) {
  std::ifstream file(TRIVIUM_SOURCE_DIR "/tests/golden/torch/print.json");
  for (const auto& row : nlohmann::json::parse(file))
    EXPECT_EQ(to_string(tensor_of(row)), row["text"].get<std::string>());
}

TEST(Print, HistoryIsNamed) {
  const Tensor x = ones({2}, {.requires_grad = true});
  EXPECT_EQ(to_string(x), "tensor([1., 1.], requires_grad=True)");
  EXPECT_EQ(to_string(x * 2), "tensor([2., 2.], grad_fn=<MulBackward0>)");
}

TEST(Print, OptionsChangeWhatIsShown) {
  const PrintOptions usual = print_options();
  PrintOptions few = usual;
  few.threshold = 5;
  few.edgeitems = 1;
  set_print_options(few);
  EXPECT_EQ(to_string(arange(10)), "tensor([0,  ..., 9])");
  set_print_options(usual);
}

}  // namespace
}  // namespace trivium::nn
