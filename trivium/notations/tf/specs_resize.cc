// Resizing of pictures [N, H, W, C]: along each axis an output is a weighted sum of some inputs,
// whose places and weights follow from the sizes.
#include <algorithm>
#include <array>
#include <cmath>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

/// places[t][i], weights[t][i]: what output i takes, for taps t.
struct Taps {
  std::vector<std::vector<int64_t>> places;
  std::vector<std::vector<float>> weights;
};

struct Axis {
  int64_t in, out;
  bool corners, half;
  float scale() const {
    return corners && out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                              : static_cast<float>(in) / static_cast<float>(out);
  }
  float at(int64_t i) const {
    return half ? (static_cast<float>(i) + 0.5f) * scale() - 0.5f : static_cast<float>(i) * scale();
  }
  int64_t inside(int64_t place) const { return std::clamp<int64_t>(place, 0, in - 1); }
};

Taps empty(const Axis& a, int taps) {
  return {std::vector(taps, std::vector<int64_t>(a.out)),
          std::vector(taps, std::vector<float>(a.out))};
}

Taps linear(const Axis& a) {
  Taps t = empty(a, 2);
  for (int64_t i = 0; i < a.out; ++i) {
    const float x = a.at(i), low = std::floor(x);
    t.places[0][i] = std::max<int64_t>(static_cast<int64_t>(low), 0);
    t.places[1][i] = std::min(static_cast<int64_t>(std::ceil(x)), a.in - 1);
    t.weights[1][i] = x - low;
  }
  return t;
}

Taps nearest(const Axis& a) {
  Taps t = empty(a, 1);
  for (int64_t i = 0; i < a.out; ++i) {
    const float x = a.half ? (static_cast<float>(i) + 0.5f) * a.scale() : a.at(i);
    t.places[0][i] = a.inside(static_cast<int64_t>(a.corners ? std::round(x) : std::floor(x)));
  }
  return t;
}

/// Keys' kernel at the distances 1 + f, f, 1 - f, 2 - f; f is rounded to 1/1024.
std::array<float, 4> keys(float f, float a) {
  const float d = std::round(f * 1024.0f) / 1024.0f;
  const auto near = [a](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [a](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(1 + d), near(d), near(1 - d), far(2 - d)};
}

Taps cubic(const Axis& a) {
  Taps t = empty(a, 4);
  for (int64_t i = 0; i < a.out; ++i) {
    const float x = a.at(i), low = std::floor(x);
    const auto w = keys(x - low, a.half ? -0.5f : -0.75f);
    float total = 0;
    for (int k = 0; k < 4; ++k) {
      const int64_t place = static_cast<int64_t>(low) - 1 + k;
      t.places[k][i] = a.inside(place);
      t.weights[k][i] = a.half && place != t.places[k][i] ? 0.0f : w[k];
      total += t.weights[k][i];
    }
    for (int k = 0; a.half && k < 4; ++k) t.weights[k][i] /= total;
  }
  return t;
}

/// The mean over [i scale, (i + 1) scale), with parts of the first and last input.
Taps area(const Axis& a) {
  const float scale = a.scale();
  Taps t = empty(a, static_cast<int>(std::ceil(scale)) + 2);
  for (int64_t i = 0; i < a.out; ++i) {
    const float from = static_cast<float>(i) * scale, to = static_cast<float>(i + 1) * scale;
    size_t k = 0;
    for (auto p = static_cast<int64_t>(std::floor(from)); static_cast<float>(p) < to; ++p, ++k) {
      const float begin = std::max(from, static_cast<float>(p));
      const float end = std::min(to, static_cast<float>(p + 1));
      if (k >= t.places.size()) break;
      t.places[k][i] = a.inside(p);
      t.weights[k][i] = (end - begin) / scale;
    }
  }
  return t;
}

Value rows(Value x, const std::vector<int64_t>& places, int axis) {
  const auto n = static_cast<int64_t>(places.size());
  return ops::gather(x, x.graph->constant(Array::from(places, Shape{n})), axis);
}

Value weights_of(trivium::Graph& g, const std::vector<float>& w, int axis) {
  const auto n = static_cast<int64_t>(w.size());
  return g.constant(Array::from(w, axis == 1 ? Shape{n, 1, 1} : Shape{n, 1}));
}

Value resized(const std::string& type, Value x, const Axis& a, int axis) {
  trivium::Graph& g = *x.graph;
  if (type == "ResizeNearestNeighbor") return rows(x, nearest(a).places[0], axis);
  if (type == "ResizeBilinear") {
    const Taps t = linear(a);
    const Value low = rows(x, t.places[0], axis), high = rows(x, t.places[1], axis);
    return ops::add(low, ops::mul(ops::sub(high, low), weights_of(g, t.weights[1], axis)));
  }
  const Taps t = type == "ResizeBicubic" ? cubic(a) : area(a);
  Value sum;
  for (size_t k = 0; k < t.places.size(); ++k) {
    if (std::all_of(t.weights[k].begin(), t.weights[k].end(), [](float w) { return w == 0; }))
      continue;
    const Value part = ops::mul(rows(x, t.places[k], axis), weights_of(g, t.weights[k], axis));
    sum = sum.defined() ? ops::add(sum, part) : part;
  }
  return sum;
}

void resize(SpecTable& t, const std::string& type) {
  t.add({type,
         {"images", "size"},
         [](Infer& c) {
           c.rank(0, 4);
           const PartialShape size = c.constant_shape(1);
           if (size.known_rank() && size.rank() != 2)
             c.fail(fmt::format("size must be 1-D of 2 elements, got {}", size.brackets()));
           PartialShape out = c.shape(0).known_rank() ? c.shape(0) : PartialShape({-1, -1, -1, -1});
           out.set(1, size.known_rank() ? size[0] : -1);
           out.set(2, size.known_rank() ? size[1] : -1);
           c.output(out, c.op().type() == "ResizeNearestNeighbor" ? c.dtype(0) : DataType::float32);
         },
         [type](Translate& c) {
           Value x = c.in(0);
           const auto size = c.known_integers(1);
           const bool corners = c.op().attr_or<bool>("align_corners", false);
           const bool half = c.op().attr_or<bool>("half_pixel_centers", false);
           if (corners && half)
             c.fail("If half_pixel_centers is True, align_corners must be False.");
           if (size.at(0) <= 0 || size.at(1) <= 0) c.fail("output dimensions must be positive");
           if (type != "ResizeNearestNeighbor" && x.dtype() != DType::f32)
             x = ops::cast(x, DType::f32);
           if (type != "ResizeArea" || size[1] != x.shape()[2] || corners)
             x = resized(type, x, {x.shape()[2], size[1], corners, half}, 2);
           if (type != "ResizeArea" || size[0] != x.shape()[1] || corners)
             x = resized(type, x, {x.shape()[1], size[0], corners, half}, 1);
           c.out(0, x);
         }});
}

}  // namespace

void define_resize_ops(SpecTable& t) {
  for (const char* type :
       {"ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"})
    resize(t, type);
}

}  // namespace trivium::tf
