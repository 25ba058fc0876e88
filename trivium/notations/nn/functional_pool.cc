// Pooling, and its adaptive forms.
#include <algorithm>
#include <cmath>

#include "trivium/notations/nn/functional_detail.h"

namespace trivium::nn::functional {

using record::Call;

namespace {

struct Pool {
  Dims kernel, stride, padding, dilation;
  bool ceil = false;
};

Pool pool_of(int spatial, const Dims& kernel, const Dims& stride, const Dims& padding,
             const Dims& dilation, bool ceil, const char* op) {
  Pool p{spread_over(kernel, spatial, op, "kernel_size"),
         {},
         spread_over(padding, spatial, op, "padding"),
         spread_over(dilation, spatial, op, "dilation"),
         ceil};
  p.stride = stride.empty() ? p.kernel : spread_over(stride, spatial, op, "stride");
  for (int i = 0; i < spatial; ++i) {
    if (p.kernel[i] < 1 || p.stride[i] < 1)
      user_error("{}: kernel {} and stride {} received", op, p.kernel.text(), p.stride.text());
    const int64_t reach = p.dilation[i] * (p.kernel[i] - 1) + 1;
    if (p.padding[i] < 0 || p.padding[i] > reach / 2)
      user_error("{}: padding of {} received, at most half of the window of {} expected", op,
                 p.padding[i], reach);
  }
  return p;
}

std::vector<int64_t> part(std::span<const int64_t> k, size_t index, size_t length) {
  const auto s = k.subspan(index * length, length);
  return {s.begin(), s.end()};
}

std::vector<int64_t> key_of(const Pool& p, bool flag) {
  std::vector<int64_t> key;
  for (const Dims* d : {&p.kernel, &p.stride, &p.padding, &p.dilation})
    key.insert(key.end(), d->begin(), d->end());
  key.push_back(p.ceil);
  key.push_back(flag);
  return key;
}

Attrs pool_attrs(std::span<const int64_t> k) {
  const size_t n = (k.size() - 2) / 4;
  return Attrs{{"kernel", part(k, 0, n)},
               {"strides", part(k, 1, n)},
               {"pads_begin", part(k, 2, n)},
               {"pads_end", part(k, 2, n)},
               {"ceil", k[4 * n] != 0}};
}

const Call* max_pool_call(const Pool& p, bool nan_wins = true) {
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("max_pool");
  return record::call_by_key(op, key_of(p, nan_wins), [](const OpDef&, std::span<const int64_t> k) {
    Attrs a = pool_attrs(k);
    const std::vector<int64_t> dilations = part(k, 3, (k.size() - 2) / 4);
    if (std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; }))
      a.set("dilations", dilations);
    a.set("nan_wins", k.back() != 0);
    return a;
  });
}

const Call* avg_pool_call(const Pool& p, bool count_include_pad) {
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("avg_pool");
  return record::call_by_key(op, key_of(p, count_include_pad),
                             [](const OpDef&, std::span<const int64_t> k) {
                               Attrs a = pool_attrs(k);
                               a.set("count_include_pad", k.back() != 0);
                               return a;
                             });
}

Tensor max_pool_nd(int spatial, const Tensor& x, const Dims& kernel, const Dims& stride,
                   const Dims& padding, const Dims& dilation, bool ceil, bool nan_wins,
                   const char* op) {
  const Batched b = batched(x, spatial, op);
  const Pool p = pool_of(spatial, kernel, stride, padding, dilation, ceil, op);
  return b.back(record::apply(max_pool_call(p, nan_wins), {b.x}));
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode, bool nan_wins) {
  return max_pool_nd(1, x, kernel_size, stride, padding, dilation, ceil_mode, nan_wins,
                     "max_pool1d");
}
Tensor max_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode, bool nan_wins) {
  return max_pool_nd(2, x, kernel_size, stride, padding, dilation, ceil_mode, nan_wins,
                     "max_pool2d");
}
Tensor max_pool3d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode, bool nan_wins) {
  return max_pool_nd(3, x, kernel_size, stride, padding, dilation, ceil_mode, nan_wins,
                     "max_pool3d");
}

ValuesIndices max_pool_with_indices(int spatial, const Tensor& x, const Dims& kernel_size,
                                    const Dims& stride, const Dims& padding, const Dims& dilation,
                                    bool ceil_mode) {
  const Batched b = batched(x, spatial, "max_pool");
  const Pool p = pool_of(spatial, kernel_size, stride, padding, dilation, ceil_mode, "max_pool");
  const record::Var operand = b.x;
  const Call* c = max_pool_call(p);
  const auto both = record::apply_all(c, {&operand, 1});
  Attrs attrs;
  for (const char* name : {"kernel", "strides", "pads_begin", "pads_end", "ceil", "dilations"})
    attrs.set(name, c->attrs->at(name));
  std::vector<int64_t> sizes;
  for (int i = 0; i < spatial; ++i) sizes.push_back(b.x.shape()[i + 2]);
  attrs.set("spatial", sizes);
  const Tensor plane = record::apply(call_with("max_pool_plane_index", attrs), {both[1]});
  return {b.back(both[0]), b.back(cast_to(plane, DType::i64))};
}

Tensor max_unpool(int spatial, const Tensor& x, const Tensor& indices, const Dims& kernel_size,
                  const Dims& stride, const Dims& padding, const Dims& output_size) {
  const Batched b = batched(x, spatial, "max_unpool"), at = batched(indices, spatial, "max_unpool");
  const Pool p = pool_of(spatial, kernel_size, stride, padding, 1, false, "max_unpool");
  Shape to{b.x.shape()[0], b.x.shape()[1]};
  for (int i = 0; i < spatial; ++i) {
    const int64_t usual = (b.x.shape()[i + 2] - 1) * p.stride[i] - 2 * p.padding[i] + p.kernel[i];
    to.push_back(output_size.empty() ? usual : output_size[output_size.size() - spatial + i]);
  }
  const Shape flat{to[0], to[1], to.count(2)};
  const Tensor zeros = broadcast(number_of(0, x.dtype()), flat);
  const Tensor y = zeros.scatter(2, at.x.flatten(2), b.x.flatten(2));
  return b.back(reshape_view(y, to));
}

namespace {

/// Sums of windows over a fixed divisor: cells outside count as zeros, so the plane is padded until
/// every window lies inside.
Tensor fixed_divisor(const Tensor& x, Pool p, double divisor) {
  const int spatial = p.kernel.size();
  std::vector<int64_t> before(static_cast<size_t>(spatial) + 2), after = before;
  double area = 1;
  for (int i = 0; i < spatial; ++i) {
    const int64_t size = x.shape()[i + 2] + 2 * p.padding[i], rest = size - p.kernel[i];
    int64_t out = (p.ceil ? (rest + p.stride[i] - 1) / p.stride[i] : rest / p.stride[i]) + 1;
    if (p.ceil && (out - 1) * p.stride[i] >= x.shape()[i + 2] + p.padding[i]) --out;
    const size_t axis = static_cast<size_t>(i) + 2;
    before[axis] = p.padding[i];
    after[axis] = p.padding[i] + std::max<int64_t>(0, (out - 1) * p.stride[i] + p.kernel[i] - size);
    p.padding[i] = 0;
    area *= static_cast<double>(p.kernel[i]);
  }
  p.ceil = false;
  const Tensor y = record::apply(avg_pool_call(p, true), {padded(x, before, after)});
  return y * (area / divisor);
}

Tensor avg_pool_nd(int spatial, const Tensor& x, const Dims& kernel, const Dims& stride,
                   const Dims& padding, bool ceil, bool count_include_pad,
                   std::optional<int64_t> divisor_override, const char* op) {
  const Batched b = batched(x, spatial, op);
  const Pool p = pool_of(spatial, kernel, stride, padding, 1, ceil, op);
  if (divisor_override) {
    if (*divisor_override == 0) user_error("{}: divisor_override cannot be 0", op);
    return b.back(fixed_divisor(b.x, p, static_cast<double>(*divisor_override)));
  }
  return b.back(record::apply(avg_pool_call(p, count_include_pad), {b.x}));
}

}  // namespace

Tensor avg_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad) {
  return avg_pool_nd(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, {},
                     "avg_pool1d");
}
Tensor avg_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  return avg_pool_nd(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override, "avg_pool2d");
}
Tensor avg_pool3d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  return avg_pool_nd(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override, "avg_pool3d");
}

namespace {

Tensor lp_pool(int spatial, const Tensor& x, double norm_type, const Dims& kernel,
               const Dims& stride, bool ceil) {
  const Dims k = spread_over(kernel, spatial, "lp_pool", "kernel_size");
  double area = 1;
  for (int64_t n : k) area *= static_cast<double>(n);
  const Tensor mean =
      avg_pool_nd(spatial, x.pow(norm_type), k, stride, 0, ceil, true, {}, "lp_pool");
  return (mean.sign() * mean.abs().relu() * area).pow(1 / norm_type);
}

}  // namespace

Tensor lp_pool1d(const Tensor& x, double norm_type, const Dims& kernel_size, const Dims& stride,
                 bool ceil_mode) {
  return lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode);
}
Tensor lp_pool2d(const Tensor& x, double norm_type, const Dims& kernel_size, const Dims& stride,
                 bool ceil_mode) {
  return lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode);
}

namespace {

/// Output sizes with kKeep filled in.
Dims adaptive_sizes(int spatial, const Tensor& x, const Dims& given, const char* op) {
  Dims out = spread_over(given, spatial, op, "output_size");
  for (int i = 0; i < spatial; ++i) {
    if (out[i] == kKeep) out[i] = x.shape()[i + 2];
    if (out[i] < 0) user_error("{}: output size {} received", op, out[i]);
    if (x.shape()[i + 2] == 0) user_error("{}: an empty image, shape {}", op, x.shape().text());
  }
  return out;
}

bool divides(int spatial, const Tensor& x, const Dims& out) {
  for (int i = 0; i < spatial; ++i)
    if (out[i] == 0 || x.shape()[i + 2] % out[i] != 0) return false;
  return true;
}

Pool even_windows(int spatial, const Tensor& x, const Dims& out) {
  Pool p;
  for (int i = 0; i < spatial; ++i) {
    p.kernel.push_back(x.shape()[i + 2] / out[i]);
    p.padding.push_back(0);
    p.dilation.push_back(1);
  }
  p.stride = p.kernel;
  return p;
}

int64_t window_start(int64_t i, int64_t in, int64_t out) { return i * in / out; }
int64_t window_stop(int64_t i, int64_t in, int64_t out) { return ((i + 1) * in + out - 1) / out; }

/// [in, out]: column i averages window i.
Tensor averaging_matrix(int64_t in, int64_t out, DType dtype) {
  Array m = Array::zeros(Shape{in, out}, DType::f64);
  for (int64_t i = 0; i < out; ++i) {
    const int64_t from = window_start(i, in, out), to = window_stop(i, in, out);
    for (int64_t k = from; k < to; ++k)
      m.data<double>()[k * out + i] = 1.0 / static_cast<double>(to - from);
  }
  return Tensor(dtype == DType::f64 ? m : m.cast(dtype));
}

Tensor adaptive_avg(int spatial, const Tensor& input, const Dims& output_size) {
  const char* op = "adaptive_avg_pool";
  const Batched b = batched(input, spatial, op);
  const Dims out = adaptive_sizes(spatial, b.x, output_size, op);
  if (divides(spatial, b.x, out))
    return b.back(record::apply(avg_pool_call(even_windows(spatial, b.x, out), true), {b.x}));
  Tensor y = b.x;  // windows are products of intervals: one axis after the other
  for (int i = 0; i < spatial; ++i) {
    const int axis = i + 2;
    if (out[i] == y.shape()[axis]) continue;
    const Tensor m = averaging_matrix(y.shape()[axis], out[i], y.dtype());
    y = y.transpose(axis, -1).matmul(m).transpose(axis, -1);
  }
  return b.back(y);
}

}  // namespace

Tensor adaptive_avg_pool1d(const Tensor& x, const Dims& output_size) {
  return adaptive_avg(1, x, output_size);
}
Tensor adaptive_avg_pool2d(const Tensor& x, const Dims& output_size) {
  return adaptive_avg(2, x, output_size);
}
Tensor adaptive_avg_pool3d(const Tensor& x, const Dims& output_size) {
  return adaptive_avg(3, x, output_size);
}

namespace {

/// Places of every window in the flattened plane, [windows, most places]; shorter windows repeat
/// their last place, which changes no maximum.
std::vector<int64_t> window_places(const Shape& plane, const Dims& out, int64_t* most) {
  const int n = plane.rank();
  std::vector<int64_t> lengths;
  int64_t windows = 1;
  *most = 1;
  for (int a = 0; a < n; ++a) {
    int64_t longest = 0;
    for (int64_t i = 0; i < out[a]; ++i)
      longest =
          std::max(longest, window_stop(i, plane[a], out[a]) - window_start(i, plane[a], out[a]));
    lengths.push_back(longest);
    *most *= longest;
    windows *= out[a];
  }
  std::vector<int64_t> at;
  for (int64_t w = 0; w < windows; ++w)
    for (int64_t k = 0; k < *most; ++k) {
      int64_t place = 0, window = w, inside = k, windows_left = windows, inside_left = *most;
      for (int a = 0; a < n; ++a) {
        windows_left /= out[a];
        inside_left /= lengths[static_cast<size_t>(a)];
        const int64_t i = window / windows_left, j = inside / inside_left;
        window %= windows_left;
        inside %= inside_left;
        const int64_t stop = window_stop(i, plane[a], out[a]) - 1;
        place = place * plane[a] + std::min(stop, window_start(i, plane[a], out[a]) + j);
      }
      at.push_back(place);
    }
  return at;
}

}  // namespace

ValuesIndices adaptive_max_pool_with_indices(int spatial, const Tensor& input,
                                             const Dims& output_size) {
  const char* op = "adaptive_max_pool";
  const Batched b = batched(input, spatial, op);
  const Dims out = adaptive_sizes(spatial, b.x, output_size, op);
  Shape plane, to{b.x.shape()[0], b.x.shape()[1]};
  for (int i = 0; i < spatial; ++i) {
    plane.push_back(b.x.shape()[i + 2]);
    to.push_back(out[i]);
  }
  int64_t most = 0;
  const std::vector<int64_t> at = window_places(plane, out, &most);
  const int64_t windows = static_cast<int64_t>(at.size()) / std::max<int64_t>(most, 1);
  const Tensor places = index_tensor(at, Shape{windows, most});
  const Tensor flat = reshaped(b.x, Shape{to[0], to[1], plane.count()});
  const auto [values, inside] = gather_rows(flat, places, 2).max(-1);
  const Tensor offset = inside + arange(windows).mul(most);
  const Tensor indices = gather_rows(index_tensor(at), offset, 0);
  return {b.back(reshape_view(values, to)), b.back(reshape_view(indices, to))};
}

namespace {

Tensor adaptive_max(int spatial, const Tensor& input, const Dims& output_size) {
  const Batched b = batched(input, spatial, "adaptive_max_pool");
  const Dims out = adaptive_sizes(spatial, b.x, output_size, "adaptive_max_pool");
  if (divides(spatial, b.x, out))
    return b.back(record::apply(max_pool_call(even_windows(spatial, b.x, out)), {b.x}));
  return adaptive_max_pool_with_indices(spatial, input, output_size).values;
}

}  // namespace

Tensor adaptive_max_pool1d(const Tensor& x, const Dims& output_size) {
  return adaptive_max(1, x, output_size);
}
Tensor adaptive_max_pool2d(const Tensor& x, const Dims& output_size) {
  return adaptive_max(2, x, output_size);
}
Tensor adaptive_max_pool3d(const Tensor& x, const Dims& output_size) {
  return adaptive_max(3, x, output_size);
}

}  // namespace trivium::nn::functional
