// Pooling layers: which function they call and how they print.
#include "trivium/notations/nn/modules_pool.h"

namespace trivium::nn {

namespace F = functional;

namespace {

std::string one_or_tuple(const Dims& d) {
  return d.size() == 1 ? std::to_string(d[0]) : python_text(d);
}

}  // namespace

MaxPoolNd::MaxPoolNd(int spatial, MaxPoolOptions o) : spatial(spatial), options(o) {
  if (options.stride.empty()) options.stride = options.kernel;
}

MaxPoolOptions MaxPoolNd::sized(MaxPoolOptions o, const Dims& kernel, const Dims& stride) {
  o.kernel = kernel;
  if (!stride.empty()) o.stride = stride;
  return o;
}

Tensor MaxPoolNd::forward(const Tensor& x) {
  const MaxPoolOptions& o = options;
  if (spatial == 1) return F::max_pool1d(x, o.kernel, o.stride, o.padding, o.dilation, o.ceil_mode);
  if (spatial == 2) return F::max_pool2d(x, o.kernel, o.stride, o.padding, o.dilation, o.ceil_mode);
  return F::max_pool3d(x, o.kernel, o.stride, o.padding, o.dilation, o.ceil_mode);
}

ValuesIndices MaxPoolNd::with_indices(const Tensor& x) {
  const MaxPoolOptions& o = options;
  return F::max_pool_with_indices(spatial, x, o.kernel, o.stride, o.padding, o.dilation,
                                  o.ceil_mode);
}

std::string MaxPoolNd::extra_repr() const {
  return fmt::format("kernel_size={}, stride={}, padding={}, dilation={}, ceil_mode={}",
                     one_or_tuple(options.kernel), one_or_tuple(options.stride),
                     one_or_tuple(options.padding), one_or_tuple(options.dilation),
                     python_text(options.ceil_mode));
}

AvgPoolNd::AvgPoolNd(int spatial, AvgPoolOptions o) : spatial(spatial), options(o) {
  if (options.stride.empty()) options.stride = options.kernel;
  if (options.divisor_override && *options.divisor_override == 0)
    raise<ValueError>("AvgPool: divisor_override must not be 0");
}

AvgPoolOptions AvgPoolNd::sized(AvgPoolOptions o, const Dims& kernel, const Dims& stride) {
  o.kernel = kernel;
  if (!stride.empty()) o.stride = stride;
  return o;
}

Tensor AvgPoolNd::forward(const Tensor& x) {
  const AvgPoolOptions& o = options;
  if (spatial == 1)
    return F::avg_pool1d(x, o.kernel, o.stride, o.padding, o.ceil_mode, o.count_include_pad);
  if (spatial == 2)
    return F::avg_pool2d(x, o.kernel, o.stride, o.padding, o.ceil_mode, o.count_include_pad,
                         o.divisor_override);
  return F::avg_pool3d(x, o.kernel, o.stride, o.padding, o.ceil_mode, o.count_include_pad,
                       o.divisor_override);
}

std::string AvgPoolNd::extra_repr() const {
  const auto each = [this](const Dims& d) {  // the 1-D layer prints tuples
    return spatial == 1 ? python_text(d) : one_or_tuple(d);
  };
  return fmt::format("kernel_size={}, stride={}, padding={}", each(options.kernel),
                     each(options.stride), each(options.padding));
}

Tensor AdaptivePoolNd::forward(const Tensor& x) {
  if (largest) {
    if (spatial == 1) return F::adaptive_max_pool1d(x, output_size);
    if (spatial == 2) return F::adaptive_max_pool2d(x, output_size);
    return F::adaptive_max_pool3d(x, output_size);
  }
  if (spatial == 1) return F::adaptive_avg_pool1d(x, output_size);
  if (spatial == 2) return F::adaptive_avg_pool2d(x, output_size);
  return F::adaptive_avg_pool3d(x, output_size);
}

std::string AdaptivePoolNd::extra_repr() const {
  if (output_size.size() == 1) return "output_size=" + std::to_string(output_size[0]);
  std::string tuple;
  for (const int64_t n : output_size)
    tuple += (tuple.empty() ? "" : ", ") + (n == F::kKeep ? "None" : std::to_string(n));
  return "output_size=(" + tuple + ")";
}

}  // namespace trivium::nn
