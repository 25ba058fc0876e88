// Layers without bottoms whose values do not come from files: Input, DummyData, Parameter.
#include "trivium/notations/caffe/fillers.h"
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

Shape shape_of(const LayerCtx& ctx, const proto::BlobShape& dims) {
  Shape shape;
  for (int64_t d : dims.dim()) {
    ctx.require(d >= 0, "", fmt::format("a shape has no negative size, received {}", d));
    shape.push_back(d);
  }
  return shape;
}

void input(LayerCtx& ctx) {
  const proto::InputParameter& p = ctx.param().input_param();
  const int shapes = p.shape_size();
  ctx.require(shapes <= 1 || shapes == ctx.tops(), "input_param",
              fmt::format("expected no shape, one, or one for each of the {} tops, received {}",
                          ctx.tops(), shapes));
  for (int i = 0; i < ctx.tops(); ++i)
    ctx.top(i, ctx.input(i, shapes == 0 ? Shape{} : shape_of(ctx, p.shape(shapes == 1 ? 0 : i))));
}

/// Entry of a repeated field that has one value for all tops or one for each.
template <typename Field>
const auto& entry(const Field& field, int top) {
  return field.Get(field.size() == 1 ? 0 : top);
}

Shape dummy_shape(const LayerCtx& ctx, const proto::DummyDataParameter& p, int top) {
  if (p.shape_size() > 0) return shape_of(ctx, entry(p.shape(), top));
  return Shape{entry(p.num(), top), entry(p.channels(), top), entry(p.height(), top),
               entry(p.width(), top)};
}

void check_dummy(const LayerCtx& ctx, const proto::DummyDataParameter& p) {
  const int tops = ctx.tops();
  const auto fits = [&](int count) { return count == 1 || count == tops; };
  const bool legacy = p.num_size() + p.channels_size() + p.height_size() + p.width_size() > 0;
  ctx.require(!(legacy && p.shape_size() > 0), "dummy_data_param",
              "give either shape or num, channels, height and width, not both");
  ctx.require(
      p.data_filler_size() == 0 || fits(p.data_filler_size()), "dummy_data_param",
      fmt::format("expected no data_filler, one, or one for each of the {} tops, received {}", tops,
                  p.data_filler_size()));
  const bool shaped = p.shape_size() > 0 ? fits(p.shape_size())
                                         : fits(p.num_size()) && fits(p.channels_size()) &&
                                               fits(p.height_size()) && fits(p.width_size());
  ctx.require(shaped, "dummy_data_param",
              fmt::format("expected one shape or one for each of the {} tops", tops));
}

/// Constant tops live in a Cell, which a caller may overwrite; the others are drawn at every
/// forward.
void dummy_data(LayerCtx& ctx) {
  const proto::DummyDataParameter& p = ctx.param().dummy_data_param();
  check_dummy(ctx, p);
  for (int i = 0; i < ctx.tops(); ++i) {
    const Shape shape = dummy_shape(ctx, p, i);
    const proto::FillerParameter& filler = p.data_filler_size() > 0
                                               ? entry(p.data_filler(), i)
                                               : proto::FillerParameter::default_instance();
    if (filler.type() == "constant")
      ctx.top(i, ctx.graph().read(ctx.state(i, Array::full(shape, filler.value()))));
    else
      ctx.top(i, ctx.fill(shape, filler));
  }
}

void parameter(LayerCtx& ctx) {
  const Shape shape = shape_of(ctx, ctx.param().parameter_param().shape());
  ctx.top(0, ctx.weight(0, shape, proto::FillerParameter::default_instance()));
}

}  // namespace

void add_input_layers(LayerTable& table) {
  table.add({"Input", exactly(0), at_least(1), input});
  table.add({"DummyData", exactly(0), at_least(1), dummy_data});
  table.add({"Parameter", exactly(0), exactly(1), parameter});
}

}  // namespace trivium::caffe
