#include "trivium/notations/tf/geometry.h"

namespace trivium::tf {
namespace {

using Ints = std::vector<int64_t>;

bool channels_first(const Operation& op) {
  const auto format = op.attr_or<std::string>("data_format", "NHWC");
  return format == "NCHW" || format == "NCDHW";
}

/// The spatial entries of an attribute; its others must be 1.
Ints spatial(const Operation& op, const std::string& name, const Ints& all, bool first) {
  if (all.size() != 4 && all.size() != 5)
    raise<ValueError>("{} of {} needs 4 numbers (5 for three spatial axes), received {}", name,
                      op.type(), all.size());
  const size_t channels = first ? 1 : all.size() - 1;
  if (all[0] != 1 || all[channels] != 1)
    raise<ValueError>("{} of {}: along batch and channels 1 is expected, received [{}]", name,
                      op.type(), fmt::join(all, ", "));
  return first ? Ints(all.begin() + 2, all.end()) : Ints(all.begin() + 1, all.end() - 1);
}

Geometry geometry(const Operation& op, const Ints& strides) {
  Geometry g;
  g.first = channels_first(op);
  g.strides = spatial(op, "strides", strides, g.first);
  g.dilations = Ints(g.strides.size(), 1);
  const auto& padding = op.attr<std::string>("padding");
  if (padding != "SAME" && padding != "VALID" && padding != "EXPLICIT")
    raise<ValueError>("padding is \"SAME\", \"VALID\" or \"EXPLICIT\", not \"{}\"", padding);
  g.same = padding == "SAME";
  if (padding == "EXPLICIT") {
    const Ints pads = op.attr_or<Ints>("explicit_paddings", {});
    if (pads.size() != 2 * strides.size())
      raise<ValueError>("explicit_paddings of {} needs {} numbers, received {}", op.type(),
                        2 * strides.size(), pads.size());
    for (int i = 0; i < g.axes(); ++i) {
      g.before.push_back(pads[2 * g.axis(i)]);
      g.after.push_back(pads[2 * g.axis(i) + 1]);
    }
  }
  return g;
}

}  // namespace

Window Geometry::window(int i, int64_t in, int64_t kernel_size) const {
  if (before.empty()) return window_of(in, kernel_size, strides[i], dilations[i], same);
  Window w = window_of(in + before[i] + after[i], kernel_size, strides[i], dilations[i], false);
  w.before = before[i];
  w.after = after[i];
  return w;
}

int64_t Geometry::out_size(Infer& c, int i, int64_t in, int64_t kernel_size) const {
  if (in < 0 || kernel_size < 0) return -1;
  const int64_t reach = (kernel_size - 1) * dilations[i] + 1;
  const int64_t whole = before.empty() ? in : in + before[i] + after[i];
  if (!same && whole < reach)
    c.fail(fmt::format("Negative dimension size caused by subtracting {} from {}", reach, whole),
           "the window is larger than the image; padding=\"SAME\" keeps its size");
  return window(i, in, kernel_size).out;
}

PartialShape Geometry::image(int64_t n, int64_t channels, const Ints& plane) const {
  Ints dims{n};
  if (first) dims.push_back(channels);
  dims.insert(dims.end(), plane.begin(), plane.end());
  if (!first) dims.push_back(channels);
  return PartialShape(dims);
}

Geometry conv_geometry(const Operation& op) {
  Geometry g = geometry(op, op.attr<Ints>("strides"));
  const Ints dilations = op.attr_or<Ints>("dilations", Ints(g.strides.size() + 2, 1));
  g.dilations = spatial(op, "dilations", dilations, g.first);
  return g;
}

Geometry pool_geometry(const Operation& op) {
  return pool_geometry(op, op.attr<Ints>("ksize"), op.attr<Ints>("strides"));
}

Geometry pool_geometry(const Operation& op, const Ints& ksize, const Ints& strides) {
  Geometry g = geometry(op, strides);
  g.kernel = spatial(op, "ksize", ksize, g.first);
  return g;
}

}  // namespace trivium::tf
