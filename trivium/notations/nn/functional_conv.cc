// Linear maps and convolutions; columns of windows.
#include <bit>

#include "trivium/notations/nn/functional_detail.h"

namespace trivium::nn::functional {

using record::Call;

Dims spread_over(const Dims& d, int spatial, const char* op, const char* what) {
  if (d.size() == spatial) return d;
  if (d.size() != 1)
    user_error("{}: {} has {} entries, 1 or {} expected", op, what, d.size(), spatial);
  Dims out;
  for (int i = 0; i < spatial; ++i) out.push_back(d[0]);
  return out;
}

Batched batched(const Tensor& x, int spatial, const char* op) {
  const int rank = x.shape().rank();
  if (rank == spatial + 2) return {x, false};
  if (rank == spatial + 1) return {x.unsqueeze(0), true};
  user_error("{}: {} or {} dims expected, shape {} received", op, spatial + 1, spatial + 2,
             x.shape().text());
}

Tensor picked(const Tensor& x, int axis, const std::vector<int64_t>& at) {
  return gather_rows(x, index_tensor(at), axis);
}

Tensor per_channel(const Tensor& v, int rank) {
  Dims wide;
  for (int i = 0; i < rank; ++i) wide.push_back(i == 1 ? v.count() : 1);
  return v.view(wide);
}

Tensor padded(const Tensor& x, const std::vector<int64_t>& before,
              const std::vector<int64_t>& after, double value) {
  std::vector<int64_t> key = before;
  key.insert(key.end(), after.begin(), after.end());
  key.push_back(std::bit_cast<int64_t>(value));
  start_engine();
  const Call* c = record::call_by_key(
      OpRegistry::instance().get("pad"), key, [](const OpDef&, std::span<const int64_t> k) {
        const size_t n = (k.size() - 1) / 2;
        return Attrs{{"before", std::vector<int64_t>(k.begin(), k.begin() + static_cast<long>(n))},
                     {"after", std::vector<int64_t>(k.begin() + static_cast<long>(n), k.end() - 1)},
                     {"value", std::bit_cast<double>(k.back())}};
      });
  return record::apply(c, {x});
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  static const Call* const product = call_with("matmul", {{"transpose_b", true}});
  const int rank = x.shape().rank();
  if (rank == 0 || weight.shape().rank() > 2 || weight.shape().rank() == 0)
    user_error("linear: input [.., in] and weight [out, in] expected, shapes {} and {} received",
               x.shape().text(), weight.shape().text());
  if (weight.shape().rank() == 1) {
    const Tensor y = x.matmul(weight);
    return bias.defined() ? y + bias : y;
  }
  if (x.shape()[-1] != weight.shape()[1])
    user_error("linear: input of shape {} has {} features, the weight {} takes {}",
               x.shape().text(), x.shape()[-1], weight.shape().text(), weight.shape()[1]);
  if (x.dtype() != weight.dtype())
    user_error("linear: input {} and weight {} have different dtypes; convert one of them",
               x.meta()->text(), weight.meta()->text());
  const bool fused = bias.defined() && bias.shape().rank() == 1 &&
                     bias.shape()[0] == weight.shape()[0] && bias.dtype() == x.dtype();
  const Tensor rows =
      rank == 2 ? x : reshaped(x, Shape{x.shape().count(0, rank - 1), x.shape()[-1]});
  Tensor y =
      fused ? record::apply(product, {rows, weight, bias}) : record::apply(product, {rows, weight});
  if (bias.defined() && !fused) y = y + bias;
  if (rank == 2) return y;
  Shape to(x.shape().dims().first(rank - 1));
  to.push_back(weight.shape()[0]);
  return reshape_view(y, to);
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  const Tensor y = einsum("...i,oij,...j->...o", {a, weight, b});
  return bias.defined() ? y + bias : y;
}

namespace {

std::vector<int64_t> part(std::span<const int64_t> k, size_t index, size_t length) {
  const auto s = k.subspan(index * length, length);
  return {s.begin(), s.end()};
}

const Call* conv_call(const Dims& stride, const Dims& before, const Dims& after,
                      const Dims& dilation, int64_t groups) {
  std::vector<int64_t> key;
  for (const Dims* d : {&stride, &before, &after, &dilation})
    key.insert(key.end(), d->begin(), d->end());
  key.push_back(groups);
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("conv");
  return record::call_by_key(op, key, [](const OpDef&, std::span<const int64_t> k) {
    const size_t n = k.size() / 4;
    return Attrs{{"strides", part(k, 0, n)},
                 {"pads_begin", part(k, 1, n)},
                 {"pads_end", part(k, 2, n)},
                 {"dilations", part(k, 3, n)},
                 {"groups", k.back()}};
  });
}

const Call* conv_data_call(const Dims& stride, const Dims& padding, const Dims& dilation,
                           const Dims& spatial, int64_t groups) {
  std::vector<int64_t> key;
  for (const Dims* d : {&stride, &padding, &dilation, &spatial})
    key.insert(key.end(), d->begin(), d->end());
  key.push_back(groups);
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("conv_bwd_data");
  return record::call_by_key(op, key, [](const OpDef&, std::span<const int64_t> k) {
    const size_t n = k.size() / 4;
    return Attrs{{"strides", part(k, 0, n)},  {"pads_begin", part(k, 1, n)},
                 {"pads_end", part(k, 1, n)}, {"dilations", part(k, 2, n)},
                 {"spatial", part(k, 3, n)},  {"groups", k.back()}};
  });
}

/// Padding before and after each axis.
struct Margins {
  Dims before, after;
};

Margins margins(const Padding& padding, const Dims& kernel, const Dims& stride,
                const Dims& dilation, int spatial, const char* op) {
  Margins m;
  if (padding.name.empty()) {
    m.before = m.after = spread_over(padding.dims, spatial, op, "padding");
    for (int64_t p : m.before)
      if (p < 0) user_error("{}: padding of {} received", op, p);
    return m;
  }
  if (padding.name != "same" && padding.name != "valid")
    raise<ValueError>("{}: padding \"{}\" received; numbers, same or valid expected", op,
                      padding.name);
  for (int i = 0; i < spatial; ++i) {
    const int64_t total = padding.name == "same" ? dilation[i] * (kernel[i] - 1) : 0;
    if (padding.name == "same" && stride[i] != 1)
      user_error("{}: padding \"same\" needs a stride of 1, {} received", op, stride[i]);
    m.before.push_back(total / 2);
    m.after.push_back(total - total / 2);
  }
  return m;
}

void check_channels(const Tensor& x, const Tensor& weight, int64_t groups, int spatial,
                    const char* op) {
  if (weight.shape().rank() != spatial + 2)
    user_error("{}: a weight of {} dims expected, shape {} received", op, spatial + 2,
               weight.shape().text());
  if (groups < 1 || weight.shape()[0] % groups != 0)
    user_error("{}: {} groups do not divide {} output channels", op, groups, weight.shape()[0]);
  if (x.shape()[1] != weight.shape()[1] * groups)
    user_error("{}: the weight {} with {} groups takes {} channels, the input {} has {}", op,
               weight.shape().text(), groups, weight.shape()[1] * groups, x.shape().text(),
               x.shape()[1]);
  if (x.dtype() != weight.dtype())
    user_error("{}: input {} and weight {} have different dtypes; convert one of them", op,
               x.meta()->text(), weight.meta()->text());
}

Dims kernel_of(const Tensor& weight) {
  Dims k;
  for (int i = 2; i < weight.shape().rank(); ++i) k.push_back(weight.shape()[i]);
  return k;
}

}  // namespace

Tensor conv_nd(int spatial, const Tensor& input, const Tensor& weight, const Tensor& bias,
               const Dims& given_stride, const Padding& padding, const Dims& given_dilation,
               int64_t groups, const std::string& padding_mode) {
  static constexpr const char* kNames[] = {"conv", "conv1d", "conv2d", "conv3d"};
  const char* op = kNames[spatial <= 3 ? spatial : 0];
  Batched b = batched(input, spatial, op);
  check_channels(b.x, weight, groups, spatial, op);
  const Dims stride = spread_over(given_stride, spatial, op, "stride"),
             dilation = spread_over(given_dilation, spatial, op, "dilation");
  Margins m = margins(padding, kernel_of(weight), stride, dilation, spatial, op);
  if (padding_mode != "zeros") {
    Dims around;
    for (int i = spatial; i-- > 0;) {
      around.push_back(m.before[i]);
      around.push_back(m.after[i]);
      m.before[i] = m.after[i] = 0;
    }
    b.x = pad(b.x, around, padding_mode);
  }
  const Call* c = conv_call(stride, m.before, m.after, dilation, groups);
  if (bias.defined()) return b.back(record::apply(c, {b.x, weight, bias}));
  return b.back(record::apply(c, {b.x, weight}));
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
              const Padding& padding, const Dims& dilation, int64_t groups) {
  return conv_nd(1, x, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
              const Padding& padding, const Dims& dilation, int64_t groups) {
  return conv_nd(2, x, weight, bias, stride, padding, dilation, groups);
}
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
              const Padding& padding, const Dims& dilation, int64_t groups) {
  return conv_nd(3, x, weight, bias, stride, padding, dilation, groups);
}

Tensor conv_transpose_nd(int spatial, const Tensor& input, const Tensor& weight, const Tensor& bias,
                         const Dims& given_stride, const Dims& given_padding,
                         const Dims& given_output_padding, int64_t groups,
                         const Dims& given_dilation) {
  const char* op = "conv_transpose";
  const Batched b = batched(input, spatial, op);
  const Dims stride = spread_over(given_stride, spatial, op, "stride"),
             padding = spread_over(given_padding, spatial, op, "padding"),
             extra = spread_over(given_output_padding, spatial, op, "output_padding"),
             dilation = spread_over(given_dilation, spatial, op, "dilation");
  if (weight.shape().rank() != spatial + 2 || weight.shape()[0] != b.x.shape()[1])
    user_error("{}: a weight of [{}, out / groups, kernel…] expected, shape {} received", op,
               b.x.shape()[1], weight.shape().text());
  Dims sizes, none;
  bool direct = true;
  for (int i = 0; i < spatial; ++i) {
    if (extra[i] < 0 || extra[i] >= std::max(stride[i], dilation[i]))
      user_error("{}: output_padding {} is not less than stride {} or dilation {}", op, extra[i],
                 stride[i], dilation[i]);
    direct = direct && extra[i] < stride[i];
    const int64_t all =
        (b.x.shape()[i + 2] - 1) * stride[i] + dilation[i] * (weight.shape()[i + 2] - 1) + 1;
    sizes.push_back(all);
    none.push_back(0);
    if (all - 2 * padding[i] + extra[i] < 1)
      user_error("{}: the result would have size {} along axis {}", op,
                 all - 2 * padding[i] + extra[i], i + 2);
  }
  Tensor y;
  if (direct) {
    for (int i = 0; i < spatial; ++i) sizes[i] += extra[i] - 2 * padding[i];
    y = record::apply(conv_data_call(stride, padding, dilation, sizes, groups), {b.x, weight});
  } else {  // all of it first, then what is asked for
    y = record::apply(conv_data_call(stride, none, dilation, sizes, groups), {b.x, weight});
    Dims crop;
    for (int i = spatial; i-- > 0;) {
      crop.push_back(-padding[i]);
      crop.push_back(extra[i] - padding[i]);
    }
    y = pad(y, crop);
  }
  if (bias.defined()) y = y + per_channel(bias, spatial + 2);
  return b.back(y);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Dims& stride, const Dims& padding, const Dims& output_padding,
                        int64_t groups, const Dims& dilation) {
  return conv_transpose_nd(1, x, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Dims& stride, const Dims& padding, const Dims& output_padding,
                        int64_t groups, const Dims& dilation) {
  return conv_transpose_nd(2, x, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Dims& stride, const Dims& padding, const Dims& output_padding,
                        int64_t groups, const Dims& dilation) {
  return conv_transpose_nd(3, x, weight, bias, stride, padding, output_padding, groups, dilation);
}

namespace {

/// Where the elements of all windows lie in a padded plane: [kernel places, windows].
struct Windows {
  int64_t height, width;  // of the padded plane
  int64_t places, windows;
  std::vector<int64_t> at;
};

Windows windows_of(int64_t height, int64_t width, const Dims& kernel, const Dims& dilation,
                   const Dims& padding, const Dims& stride, const char* op) {
  Windows w;
  w.height = height + 2 * padding[0];
  w.width = width + 2 * padding[1];
  const int64_t rows = (w.height - dilation[0] * (kernel[0] - 1) - 1) / stride[0] + 1,
                columns = (w.width - dilation[1] * (kernel[1] - 1) - 1) / stride[1] + 1;
  if (rows < 1 || columns < 1) user_error("{}: the windows are larger than the image", op);
  w.places = kernel[0] * kernel[1];
  w.windows = rows * columns;
  for (int64_t i = 0; i < kernel[0]; ++i)
    for (int64_t j = 0; j < kernel[1]; ++j)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
          w.at.push_back((r * stride[0] + i * dilation[0]) * w.width + c * stride[1] +
                         j * dilation[1]);
  return w;
}

}  // namespace

Tensor unfold(const Tensor& input, const Dims& kernel_size, const Dims& dilation,
              const Dims& padding, const Dims& stride) {
  const Batched b = batched(input, 2, "unfold");
  const Dims kernel = spread_over(kernel_size, 2, "unfold", "kernel_size"),
             around = spread_over(padding, 2, "unfold", "padding");
  const Shape& s = b.x.shape();
  const Windows w = windows_of(s[2], s[3], kernel, spread_over(dilation, 2, "unfold", "dilation"),
                               around, spread_over(stride, 2, "unfold", "stride"), "unfold");
  Tensor x = b.x;
  if (around[0] || around[1])
    x = padded(x, {0, 0, around[0], around[1]}, {0, 0, around[0], around[1]});
  const Tensor plane = reshaped(x, Shape{s[0], s[1], w.height * w.width});
  const Tensor y = gather_rows(plane, index_tensor(w.at, Shape{w.places, w.windows}), 2);
  return b.back(reshape_view(y, Shape{s[0], s[1] * w.places, w.windows}));
}

Tensor fold(const Tensor& input, const Dims& output_size, const Dims& kernel_size,
            const Dims& dilation, const Dims& padding, const Dims& stride) {
  const Batched b = batched(input, 1, "fold");
  const Dims size = spread_over(output_size, 2, "fold", "output_size"),
             kernel = spread_over(kernel_size, 2, "fold", "kernel_size"),
             around = spread_over(padding, 2, "fold", "padding");
  const Windows w =
      windows_of(size[0], size[1], kernel, spread_over(dilation, 2, "fold", "dilation"), around,
                 spread_over(stride, 2, "fold", "stride"), "fold");
  const Shape& s = b.x.shape();
  if (s[1] % w.places != 0 || s[2] != w.windows)
    user_error("fold: an input of [N, C * {}, {}] expected, shape {} received", w.places, w.windows,
               s.text());
  const int64_t channels = s[1] / w.places;
  const Tensor columns = reshaped(b.x, Shape{s[0], channels, w.places * w.windows});
  const Tensor zeros =
      broadcast(number_of(0, b.x.dtype()), Shape{s[0], channels, w.height * w.width});
  const Tensor plane = reshape_view(zeros.index_add(2, index_tensor(w.at), columns),
                                    Shape{s[0], channels, w.height, w.width});
  return b.back(plane.narrow(2, around[0], size[0]).narrow(3, around[1], size[1]));
}

}  // namespace trivium::nn::functional
