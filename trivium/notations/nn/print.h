// A tensor as text, in the form PyTorch prints.
#pragma once

#include <iosfwd>
#include <string>

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

struct PrintOptions {
  int precision = 4;
  int64_t threshold = 1000;  // more elements than this are summarised
  int64_t edgeitems = 3;     // shown at each end of a summarised axis
  int linewidth = 80;
  std::optional<bool> sci_mode{};  // none: chosen by the values
};
PrintOptions print_options();
void set_print_options(const PrintOptions& options);

/// "tensor([1., 2.], requires_grad=True)". Computes what was recorded.
std::string to_string(const Tensor& x);
/// The numbers alone, as between "tensor(" and the suffixes; continuation lines start `indent` in.
std::string data_text(const Tensor& x, int indent = 0);
std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace trivium::nn
