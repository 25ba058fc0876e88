// Convolution layers: parameters, draws and text.
#include "trivium/notations/nn/modules_conv.h"

#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/init.h"

namespace trivium::nn {

namespace F = functional;

namespace {

/// One number for every spatial axis.
Dims spread(const Dims& d, int spatial, const char* what) {
  if (d.size() == spatial) return d;
  if (d.size() != 1)
    raise<ValueError>("{}: expected 1 or {} numbers, received {}", what, spatial, d.text());
  Dims out;
  for (int i = 0; i < spatial; ++i) out.push_back(d[0]);
  return out;
}

bool all_equal(const Dims& d, int64_t value) {
  for (const int64_t v : d)
    if (v != value) return false;
  return true;
}

ConvOptions checked(ConvOptions o, int spatial) {
  if (o.groups < 1 || o.in % o.groups != 0 || o.out % o.groups != 0)
    raise<ValueError>("Conv{}d: {} input and {} output channels can not be split into {} groups",
                      spatial, o.in, o.out, o.groups);
  if (o.padding.name.empty()) {
    o.padding.dims = spread(o.padding.dims, spatial, "Conv padding");
  } else if (o.padding.name != "same" && o.padding.name != "valid") {
    raise<ValueError>("Conv{}d: padding must be numbers, 'same' or 'valid', received '{}'", spatial,
                      o.padding.name);
  }
  bool known = false;
  for (const char* mode : {"zeros", "reflect", "replicate", "circular"})
    known = known || o.padding_mode == mode;
  if (!known)
    raise<ValueError>(
        "Conv{}d: padding_mode must be zeros, reflect, replicate or circular, received '{}'",
        spatial, o.padding_mode);
  o.kernel = spread(o.kernel, spatial, "Conv kernel");
  o.stride = spread(o.stride, spatial, "Conv stride");
  o.dilation = spread(o.dilation, spatial, "Conv dilation");
  if (o.padding.name == "same" && !all_equal(o.stride, 1))
    raise<ValueError>("Conv{}d: padding 'same' needs stride 1, received {}", spatial,
                      o.stride.text());
  return o;
}

ConvTransposeOptions checked(ConvTransposeOptions o, int spatial) {
  if (o.groups < 1 || o.in % o.groups != 0 || o.out % o.groups != 0)
    raise<ValueError>(
        "ConvTranspose{}d: {} input and {} output channels can not be split into {} groups",
        spatial, o.in, o.out, o.groups);
  o.kernel = spread(o.kernel, spatial, "ConvTranspose kernel");
  o.stride = spread(o.stride, spatial, "ConvTranspose stride");
  o.padding = spread(o.padding, spatial, "ConvTranspose padding");
  o.output_padding = spread(o.output_padding, spatial, "ConvTranspose output_padding");
  o.dilation = spread(o.dilation, spatial, "ConvTranspose dilation");
  return o;
}

Dims with_kernel(int64_t a, int64_t b, const Dims& kernel) {
  Dims out{a, b};
  for (const int64_t k : kernel) out.push_back(k);
  return out;
}

void draw_initial(const Tensor& weight, const Tensor& bias) {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined()) return;
  const int64_t fan_in = init::fans_of(weight).in;
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  init::uniform_(bias, -bound, bound);
}

/// What all convolutions print after their channel counts.
std::string common_repr(const Dims& kernel, const Dims& stride) {
  return fmt::format("kernel_size={}, stride={}", python_text(kernel), python_text(stride));
}

}  // namespace

ConvNd::ConvNd(int spatial, const ConvOptions& o)
    : spatial(spatial),
      options(checked(o, spatial)),
      weight(parameter("weight", empty(with_kernel(o.out, o.in / o.groups, options.kernel),
                                       {.dtype = o.dtype}))),
      bias(parameter("bias", o.bias ? empty({o.out}, {.dtype = o.dtype}) : Tensor())) {
  draw_initial(weight, bias);
}

ConvOptions ConvNd::sized(ConvOptions o, int64_t in, int64_t out, const Dims& kernel) {
  o.in = in;
  o.out = out;
  o.kernel = kernel;
  return o;
}

Tensor ConvNd::forward(const Tensor& x) {
  return F::conv_nd(spatial, x, weight, bias, options.stride, options.padding, options.dilation,
                    options.groups, options.padding_mode);
}

std::string ConvNd::extra_repr() const {
  std::string out = fmt::format("{}, {}, ", options.in, options.out) +
                    common_repr(options.kernel, options.stride);
  if (!options.padding.name.empty())
    out += ", padding=" + options.padding.name;
  else if (!all_equal(options.padding.dims, 0))
    out += ", padding=" + python_text(options.padding.dims);
  if (!all_equal(options.dilation, 1)) out += ", dilation=" + python_text(options.dilation);
  if (options.groups != 1) out += fmt::format(", groups={}", options.groups);
  if (!options.bias) out += ", bias=False";
  if (options.padding_mode != "zeros") out += ", padding_mode=" + options.padding_mode;
  return out;
}

ConvTransposeNd::ConvTransposeNd(int spatial, const ConvTransposeOptions& o)
    : spatial(spatial),
      options(checked(o, spatial)),
      weight(parameter("weight", empty(with_kernel(o.in, o.out / o.groups, options.kernel),
                                       {.dtype = o.dtype}))),
      bias(parameter("bias", o.bias ? empty({o.out}, {.dtype = o.dtype}) : Tensor())) {
  draw_initial(weight, bias);
}

ConvTransposeOptions ConvTransposeNd::sized(ConvTransposeOptions o, int64_t in, int64_t out,
                                            const Dims& kernel) {
  o.in = in;
  o.out = out;
  o.kernel = kernel;
  return o;
}

Tensor ConvTransposeNd::forward(const Tensor& x) {
  return F::conv_transpose_nd(spatial, x, weight, bias, options.stride, options.padding,
                              options.output_padding, options.groups, options.dilation);
}

Tensor ConvTransposeNd::forward(const Tensor& x, const Dims& output_size) {
  if (output_size.size() < spatial)
    raise<ValueError>("{}: output_size needs {} numbers, received {}", type_name(), spatial,
                      output_size.text());
  Dims extra;
  for (int i = 0; i < spatial; ++i) {
    const int64_t n = x.size(x.dim() - spatial + i);
    const int64_t least = (n - 1) * options.stride[i] - 2 * options.padding[i] +
                          options.dilation[i] * (options.kernel[i] - 1) + 1;
    const int64_t wanted = output_size[output_size.size() - spatial + i];
    const int64_t most = least + std::max(options.stride[i], options.dilation[i]) - 1;
    if (wanted < least || wanted > most)
      raise<ValueError>("{}: axis {} of the output can be {} to {} long, asked for {}", type_name(),
                        i, least, most, wanted);
    extra.push_back(wanted - least);
  }
  return F::conv_transpose_nd(spatial, x, weight, bias, options.stride, options.padding, extra,
                              options.groups, options.dilation);
}

Tensor ConvTransposeNd::operator()(const Tensor& x, const Dims& output_size) {
  return run({x}, [&](const Tensors& a) { return Tensors{forward(a[0], output_size)}; })[0];
}

std::string ConvTransposeNd::extra_repr() const {
  std::string out = fmt::format("{}, {}, ", options.in, options.out) +
                    common_repr(options.kernel, options.stride);
  if (!all_equal(options.padding, 0)) out += ", padding=" + python_text(options.padding);
  if (!all_equal(options.dilation, 1)) out += ", dilation=" + python_text(options.dilation);
  if (!all_equal(options.output_padding, 0))
    out += ", output_padding=" + python_text(options.output_padding);
  if (options.groups != 1) out += fmt::format(", groups={}", options.groups);
  if (!options.bias) out += ", bias=False";
  return out;
}

namespace {

std::string one_or_tuple(const Dims& d) {
  return d.size() == 1 ? std::to_string(d[0]) : python_text(d);
}

std::string unfold_text(const UnfoldOptions& o) {
  return fmt::format("kernel_size={}, dilation={}, padding={}, stride={}", one_or_tuple(o.kernel),
                     one_or_tuple(o.dilation), one_or_tuple(o.padding), one_or_tuple(o.stride));
}

}  // namespace

Tensor Unfold::forward(const Tensor& x) {
  return F::unfold(x, options.kernel, options.dilation, options.padding, options.stride);
}

std::string Unfold::extra_repr() const { return unfold_text(options); }

Tensor Fold::forward(const Tensor& x) {
  return F::fold(x, output_size, options.kernel, options.dilation, options.padding, options.stride);
}

std::string Fold::extra_repr() const {
  return "output_size=" + one_or_tuple(output_size) + ", " + unfold_text(options);
}

}  // namespace trivium::nn
