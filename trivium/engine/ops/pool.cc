// Pooling. Windows are clipped to the image; max_pool remembers where its maximum lay, so its
// gradient is a scatter, and average pooling and its gradient are each other's gradients.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

constexpr const char* kSizeRule = "out = floor or ceil((in + begin + end - kernel) / stride) + 1";

OpDef& pool_record(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .required_attr("kernel", Ints{}, "window sizes, one entry a spatial axis, >= 1")
      .required_attr("strides", Ints{}, "distance of windows, >= 1")
      .required_attr("pads_begin", Ints{}, "padding before each spatial axis, less than the kernel")
      .required_attr("pads_end", Ints{}, "padding after each spatial axis, less than the kernel")
      .attr("ceil", AttrValue(false),
            "round the number of windows up (the last must start inside in + begin)");
}

OpDef& with_dilations(OpDef& op) {
  return op.attr("dilations", AttrValue(Ints{}),
                 "distance of the places of a window, one entry a spatial axis, >= 1; empty: ones");
}

Ints dilations_of(const Attrs& a, size_t rank) {
  const bool given = a.has("dilations") && !a.integers("dilations").empty();
  return given ? a.integers("dilations") : Ints(rank, 1);
}

/// With dilation, a window may step over the image: every one must hold a real place.
void check_dilated(const InferCtx& c, int64_t axis, int64_t in, int64_t out, int64_t dilation) {
  const auto at = [&](const char* name) { return c.attrs().integers(name)[axis]; };
  for (int64_t o = 0; o < out; ++o) {
    bool holds = false;
    for (int64_t k = 0; k < at("kernel") && !holds; ++k) {
      const int64_t place = o * at("strides") - at("pads_begin") + k * dilation;
      holds = place >= 0 && place < in;
    }
    if (!holds)
      c.fail(fmt::format("window {} along spatial axis {} holds no place of the image", o, axis),
             "every window holds a real place");
  }
}

/// Result's spatial sizes for an image of sizes `in`, after checking the attributes.
Ints check_windows(const InferCtx& c, const Ints& in) {
  const int64_t rank = static_cast<int64_t>(in.size());
  const auto &kernel = require_integers(c, "kernel", rank, 1),
             &strides = require_integers(c, "strides", rank, 1);
  const auto &begin = require_integers(c, "pads_begin", rank, 0),
             &end = require_integers(c, "pads_end", rank, 0);
  const bool dilated = c.attrs().has("dilations") && !c.attrs().integers("dilations").empty();
  const Ints dilations = dilated ? require_integers(c, "dilations", rank, 1) : Ints(rank, 1);
  Ints out;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t extent = (kernel[i] - 1) * dilations[i] + 1;
    if (begin[i] >= extent || end[i] >= extent)
      c.fail(fmt::format("padding {} and {} around a kernel of {} along spatial axis {}", begin[i],
                         end[i], extent, i),
             "padding < kernel, so that every window holds a real place");
    out.push_back(pool_size(in[i], extent, strides[i], begin[i], end[i], c.attrs().flag("ceil")));
    if (out.back() < 1)
      c.fail(fmt::format("a window of {} does not fit into {} along spatial axis {}", extent, in[i],
                         i),
             kSizeRule);
    if ((out.back() - 1) * strides[i] >= in[i] + begin[i])
      c.fail(fmt::format("the last window starts at {} of {} along spatial axis {}",
                         (out.back() - 1) * strides[i] - begin[i], in[i], i),
             "every window starts inside the image or the padding before it");
    if (dilations[i] > 1) check_dilated(c, i, in[i], out.back(), dilations[i]);
  }
  return out;
}

Shape with_spatial(const Shape& like, const Ints& spatial) {
  Shape s{like[0], like[1]};
  for (int64_t size : spatial) s.push_back(size);
  return s;
}

Window window_of(const Attrs& a, const Ints& in, const Ints& out) {
  return {in,
          out,
          a.integers("kernel"),
          a.integers("strides"),
          a.integers("pads_begin"),
          dilations_of(a, in.size())};
}

/// Visits the real places of window `y`: (offset in the plane, tap number in the unclipped window).
template <typename Body>
void for_each_place(const Window& g, std::span<const int64_t> y, Body&& body) {
  int64_t tap = 0;
  for_each_position(g.kernel, [&](std::span<const int64_t> k) {
    int64_t in = 0;
    bool inside = true;
    for (int i = 0; i < g.rank(); ++i) {
      const int64_t at = y[i] * g.strides[i] - g.begin[i] + k[i] * g.dilations[i];
      inside &= at >= 0 && at < g.in[i];
      in = in * g.in[i] + at;
    }
    if (inside) body(in, tap);
    ++tap;
  });
}

/// Offset in the plane of tap number `tap` of window `y`; UserError when it lies outside the image.
int64_t place_of(const Window& g, std::span<const int64_t> y, int64_t tap) {
  int64_t in = 0, taps = product(g.kernel);
  bool inside = tap >= 0 && tap < taps;
  for (int i = 0; i < g.rank(); ++i) {
    taps /= g.kernel[i];
    const int64_t at = y[i] * g.strides[i] - g.begin[i] + tap / taps % g.kernel[i] * g.dilations[i];
    inside &= at >= 0 && at < g.in[i];
    in = in * g.in[i] + at;
  }
  if (!inside) user_error("max_pool_grad: position {} is not a place of the image", tap);
  return in;
}

/// What the sum over window `y` is divided by.
double divisor(const Window& g, std::span<const int64_t> y, const Attrs& a) {
  const bool with_padding = a.flag("count_include_pad");
  double area = 1;
  for (int i = 0; i < g.rank(); ++i) {
    const int64_t start = y[i] * g.strides[i] - g.begin[i];
    const int64_t last = g.in[i] + (with_padding ? a.integers("pads_end")[i] : 0);
    area *= static_cast<double>(std::min(start + g.kernel[i], last) -
                                std::max<int64_t>(start, with_padding ? start : 0));
  }
  return area;
}

/// Calls body(plane, window number, window position) for all planes and windows.
template <typename Body>
void for_each_window(int64_t planes, const Window& g, Body&& body) {
  for (int64_t p = 0; p < planes; ++p) {
    int64_t w = p * product(g.out);
    for_each_position(g.out, [&](std::span<const int64_t> y) { body(p, w++, y); });
  }
}

void require_image(const InferCtx& c) {
  require_rank_at_least(c, 0, 3);
  if (c.shape(0).rank() > Shape::kMaxRank) c.fail("too many axes");
}

void infer_max_pool(InferCtx& c) {
  require_number(c, 0);
  require_image(c);
  const Shape y = with_spatial(c.shape(0), check_windows(c, spatial_of(c.shape(0))));
  c.output(y, c.dtype(0));
  c.output(y, product(c.attrs().integers("kernel")) <= 256 ? DType::u8 : DType::i32);
}

void reference_max_pool(RefCtx& r) {
  const RefTensor& x = *r.in[0];
  const Window g = window_of(r.attrs, spatial_of(x.shape), spatial_of(r.out[0]->shape));
  for_each_window(x.shape.count(0, 2), g,
                  [&](int64_t plane, int64_t w, std::span<const int64_t> y) {
                    const double* px = x.data.data() + plane * product(g.in);
                    double best = 0;
                    int64_t at = -1;
                    const auto takes = [&](double v) {
                      if (std::isnan(v)) return r.attrs.flag("nan_wins");
                      return v > best || (std::isnan(best) && !r.attrs.flag("nan_wins"));
                    };
                    for_each_place(g, y, [&](int64_t in, int64_t tap) {
                      if (at >= 0 && !takes(px[in])) return;
                      best = px[in];
                      at = tap;
                    });
                    r.out[0]->data[w] = best;
                    r.out[1]->data[w] = static_cast<double>(at);
                  });
}

PoolAttrs attrs_of(const Attrs& a) {
  PoolAttrs attrs{a.integers("kernel"), a.integers("strides"), a.integers("pads_begin"),
                  a.integers("pads_end"), a.flag("ceil")};
  if (a.has("dilations")) attrs.dilations = a.integers("dilations");
  return attrs;
}

Attrs with_image(const Attrs& attrs, const Shape& image) {
  Attrs out;
  for (const auto& [name, value] : attrs.items())
    if (name != "nan_wins") out.set(name, value);
  out.set("spatial", spatial_of(image));
  return out;
}

void grad_max_pool(GradCtx& c) {
  if (!c.has_upstream(0)) return;
  c.to(0, c.graph().op("max_pool_grad", {c.upstream(0), c.output(1)},
                       with_image(c.attrs(), c.input(0).shape())));
}

/// The image's spatial sizes from the attribute; fails unless their windows are those of operand 0.
Ints check_spatial(const InferCtx& c) {
  require_image(c);
  const int rank = c.shape(0).rank() - 2;
  const Ints spatial = require_integers(c, "spatial", rank, 1);
  const Ints out = check_windows(c, spatial);
  for (int i = 0; i < rank; ++i)
    if (out[i] != c.shape(0)[i + 2])
      c.fail(fmt::format("{} places have {} windows along spatial axis {}, the operand has {}",
                         spatial[i], out[i], i, c.shape(0)[i + 2]),
             kSizeRule);
  return spatial;
}

void infer_max_pool_grad(InferCtx& c) {
  const Ints spatial = check_spatial(c);
  c.require(c.shape(0) == c.shape(1), "dy and position have different shapes", "equal shapes");
  c.require(is_integer(c.dtype(1)), "position is not an integer");
  c.output(with_spatial(c.shape(0), spatial), c.dtype(0));
}

void reference_max_pool_grad(RefCtx& r) {
  const RefTensor &dy = *r.in[0], &position = *r.in[1];
  const Window g = window_of(r.attrs, r.attrs.integers("spatial"), spatial_of(dy.shape));
  for_each_window(dy.shape.count(0, 2), g,
                  [&](int64_t plane, int64_t w, std::span<const int64_t> y) {
                    const int64_t tap = static_cast<int64_t>(position.data[w]);
                    r.out[0]->data[plane * product(g.in) + place_of(g, y, tap)] += dy.data[w];
                  });
}

/// ddy = the upstream's elements at the remembered places: a gather from all planes laid end to
/// end.
void grad_max_pool_grad(GradCtx& c) {
  const Value dy = c.input(0), position = c.input(1), g = c.upstream();
  const Ints spatial = c.attrs().integers("spatial");
  const int64_t planes = dy.shape().count(0, 2), windows = dy.shape().count(2);
  const Value inside =
      cast(max_pool_plane_index(position, attrs_of(c.attrs()), spatial), DType::i64);
  Array first({planes, 1}, DType::i64);
  for (int64_t p = 0; p < planes; ++p) first.data<int64_t>()[p] = p * product(spatial);
  const Value index = add(reshape(inside, {planes, windows}), c.graph().constant(first));
  c.to(0, reshape(gather(reshape(g, {g.shape().count()}), index), dy.shape()));
}

void infer_plane_index(InferCtx& c) {
  check_spatial(c);
  c.require(is_integer(c.dtype(0)), "position is not an integer");
  c.output(c.shape(0), DType::i32);
}

void reference_plane_index(RefCtx& r) {
  const RefTensor& position = *r.in[0];
  const Window g = window_of(r.attrs, r.attrs.integers("spatial"), spatial_of(position.shape));
  for_each_window(position.shape.count(0, 2), g,
                  [&](int64_t, int64_t w, std::span<const int64_t> y) {
                    r.out[0]->data[w] =
                        static_cast<double>(place_of(g, y, static_cast<int64_t>(position.data[w])));
                  });
}

void infer_avg_pool(InferCtx& c) {
  require_floating(c, 0);
  require_image(c);
  c.output(with_spatial(c.shape(0), check_windows(c, spatial_of(c.shape(0)))), c.dtype(0));
}

void reference_avg_pool(RefCtx& r) {
  const RefTensor& x = *r.in[0];
  const Window g = window_of(r.attrs, spatial_of(x.shape), spatial_of(r.out[0]->shape));
  for_each_window(
      x.shape.count(0, 2), g, [&](int64_t plane, int64_t w, std::span<const int64_t> y) {
        double sum = 0;
        for_each_place(g, y,
                       [&](int64_t in, int64_t) { sum += x.data[plane * product(g.in) + in]; });
        r.out[0]->data[w] = sum / divisor(g, y, r.attrs);
      });
}

void infer_avg_pool_grad(InferCtx& c) {
  require_floating(c, 0);
  c.output(with_spatial(c.shape(0), check_spatial(c)), c.dtype(0));
}

void reference_avg_pool_grad(RefCtx& r) {
  const RefTensor& dy = *r.in[0];
  const Window g = window_of(r.attrs, r.attrs.integers("spatial"), spatial_of(dy.shape));
  for_each_window(dy.shape.count(0, 2), g,
                  [&](int64_t plane, int64_t w, std::span<const int64_t> y) {
                    const double share = dy.data[w] / divisor(g, y, r.attrs);
                    for_each_place(g, y, [&](int64_t in, int64_t) {
                      r.out[0]->data[plane * product(g.in) + in] += share;
                    });
                  });
}

/// One operation a tap of each window; `of` is the side that has one element a window.
OpDef::CostFn window_cost(bool of_input) {
  return [of_input](std::span<const ValueMeta> in, std::span<const ValueMeta> out, const Attrs& a) {
    const Shape& windows = of_input ? in[0].shape : out[0].shape;
    return Cost{static_cast<double>(windows.count()) *
                static_cast<double>(product(a.integers("kernel")))};
  };
}

Attrs sample_attrs(Ints kernel, Ints strides, Ints begin, Ints end, bool ceil) {
  return {{"kernel", kernel},
          {"strides", strides},
          {"pads_begin", begin},
          {"pads_end", end},
          {"ceil", ceil}};
}

struct SampleShape {
  SampleInput image, windows;
  Attrs attrs;
};

std::vector<SampleShape> sample_shapes() {
  const auto distinct = SampleInput::distinct;
  return {{SampleInput({2, 3, 4, 4}, distinct), SampleInput({2, 3, 2, 2}),
           sample_attrs({2, 2}, {2, 2}, {0, 0}, {0, 0}, false)},
          {SampleInput({1, 2, 6, 5}, distinct), SampleInput({1, 2, 3, 2}),
           sample_attrs({3, 3}, {2, 2}, {0, 0}, {0, 0}, true)},
          {SampleInput({1, 2, 5, 5}, distinct), SampleInput({1, 2, 3, 3}),
           sample_attrs({3, 3}, {2, 2}, {1, 1}, {1, 1}, true)},
          {SampleInput({2, 1, 4, 5}, distinct), SampleInput({2, 1, 4, 5}),
           sample_attrs({3, 3}, {1, 1}, {1, 1}, {1, 1}, false)},
          {SampleInput({1, 2, 2, 2}, distinct), SampleInput({1, 2, 1, 1}),
           sample_attrs({3, 3}, {2, 2}, {0, 0}, {0, 0}, true)},
          {SampleInput({2, 2, 7}, distinct), SampleInput({2, 2, 4}),
           sample_attrs({2}, {2}, {1}, {1}, false)},
          {SampleInput({1, 1, 17, 17}, distinct), SampleInput({1, 1, 1, 1}),
           sample_attrs({17, 17}, {1, 1}, {0, 0}, {0, 0}, false)},
          {SampleInput({1, 2, 4, 3, 5}, distinct), SampleInput({1, 2, 2, 2, 3}),
           sample_attrs({2, 2, 3}, {2, 1, 1}, {0, 0, 0}, {0, 0, 0}, false)}};
}

/// Windows with holes: for maxima only.
std::vector<SampleShape> dilated_shapes() {
  std::vector<SampleShape> shapes = {
      {SampleInput({2, 2, 7, 6}, SampleInput::distinct), SampleInput({2, 2, 2, 4}),
       sample_attrs({3, 2}, {2, 1}, {0, 0}, {0, 0}, false)},
      {SampleInput({1, 2, 9}, SampleInput::distinct), SampleInput({1, 2, 4}),
       sample_attrs({3}, {2}, {1}, {1}, false)}};
  shapes[0].attrs.set("dilations", Ints{2, 2});
  shapes[1].attrs.set("dilations", Ints{2});
  return shapes;
}

std::vector<SampleShape> maximum_shapes() {
  std::vector<SampleShape> shapes = sample_shapes();
  for (const SampleShape& s : dilated_shapes()) shapes.push_back(s);
  return shapes;
}

std::vector<Sample> image_samples(bool average) {
  std::vector<Sample> out;
  for (SampleShape& s : average ? sample_shapes() : maximum_shapes()) {
    out.push_back({{s.image}, s.attrs});
    if (!average) {
      s.attrs.set("nan_wins", true);
      out.push_back({{s.image}, s.attrs});
      continue;
    }
    s.attrs.set("count_include_pad", false);
    out.push_back({{s.image}, s.attrs});
  }
  return out;
}

/// dy alone for averages; dy with positions, or positions alone, for maxima (integers below the
/// window's size).
std::vector<Sample> windows_samples(bool with_dy, bool with_position) {
  std::vector<Sample> out;
  for (SampleShape& s : with_position ? maximum_shapes() : sample_shapes()) {
    s.attrs.set("spatial", spatial_of(s.image.shape));
    SampleInput position({}, SampleInput::integers, DType::u8, 1);  // tap 0 …
    position.shape = s.windows.shape;
    if (product(s.attrs.integers("kernel")) > 256) position.dtype = DType::i32;
    const Ints& begin = s.attrs.integers("pads_begin");
    const bool padded = std::any_of(begin.begin(), begin.end(), [](int64_t b) { return b > 0; });
    if (with_position && padded)
      continue;  // … which is a real place of every window only without padding
    Sample sample{{}, s.attrs};
    if (with_dy) sample.inputs.push_back(s.windows);
    if (with_position) sample.inputs.push_back(position);
    out.push_back(sample);
  }
  return out;
}

}  // namespace

void define_pool(OpRegistry& ops) {
  with_dilations(pool_record(ops, "max_pool"))
      .summary(
          "Maximum of each window, clipped to the image, and where it lay. The first maximum in "
          "row-major order wins; NaN only where all are NaN, or always with nan_wins. The gradient "
          "goes to that place.")
      .formula("y[n, c, p] = max over t of x[n, c, p * stride - begin + t * dilation]")
      .input("x", "numbers [N, C, spatial…]")
      .attr("nan_wins", AttrValue(false), "the last NaN of a window is its maximum")
      .output("y", std::string("[N, C, out…] with ") + kSizeRule)
      .output("position",
              "row-major place inside the unclipped window; uint8 when it has <= 256 places, else "
              "int32")
      .infer(infer_max_pool)
      .gradient(grad_max_pool)
      .reference(reference_max_pool)
      .cost(window_cost(false))
      .samples(image_samples(false));
  with_dilations(pool_record(ops, "max_pool_grad"))
      .summary("Gradient of max_pool: adds each dy to the place its window remembered.")
      .formula("dx[place of position[w]] += dy[w]")
      .input("dy", "[N, C, out…]")
      .input("position", "integer, as max_pool gives it")
      .required_attr("spatial", Ints{}, "spatial sizes of the image")
      .output("dx", "[N, C, spatial…]")
      .infer(infer_max_pool_grad)
      .gradient(grad_max_pool_grad)
      .reference(reference_max_pool_grad)
      .cost(window_cost(true))
      .samples(windows_samples(true, true));
  with_dilations(pool_record(ops, "max_pool_plane_index"))
      .summary("Turns positions inside windows into indices inside the channel plane.")
      .formula("y = row-major index of the place in [spatial…]")
      .input("position", "integer, as max_pool gives it")
      .required_attr("spatial", Ints{}, "spatial sizes of the image")
      .output("y", "int32, shape of position")
      .infer(infer_plane_index)
      .not_differentiable("the result is an index")
      .reference(reference_plane_index)
      .samples(windows_samples(false, true));
  pool_record(ops, "avg_pool")
      .summary("Average of each window over its real places.")
      .formula(
          "y = sum of real places / divisor; divisor: area of the window clipped to [-begin, in + "
          "end) when "
          "count_include_pad, else the number of real places")
      .input("x", "floating [N, C, spatial…]")
      .attr("count_include_pad", AttrValue(true), "padding counts in the divisor")
      .output("y", std::string("[N, C, out…] with ") + kSizeRule)
      .infer(infer_avg_pool)
      .gradient([](GradCtx& c) {
        c.to(0, c.graph().op("avg_pool_grad", {c.upstream()},
                             with_image(c.attrs(), c.input(0).shape())));
      })
      .reference(reference_avg_pool)
      .cost(window_cost(false))
      .samples(image_samples(true));
  pool_record(ops, "avg_pool_grad")
      .summary("Gradient of avg_pool: spreads each dy evenly over the real places of its window.")
      .formula("dx[place] = sum over windows that hold it of dy / divisor")
      .input("dy", "floating [N, C, out…]")
      .attr("count_include_pad", AttrValue(true), "as in avg_pool")
      .required_attr("spatial", Ints{}, "spatial sizes of the image")
      .output("dx", "[N, C, spatial…]")
      .infer(infer_avg_pool_grad)
      .gradient([](GradCtx& c) {
        c.to(0, avg_pool(c.upstream(), attrs_of(c.attrs()), c.attrs().flag("count_include_pad")));
      })
      .reference(reference_avg_pool_grad)
      .cost(window_cost(true))
      .samples(windows_samples(true, false));
}

}  // namespace trivium::ops
