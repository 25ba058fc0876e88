#include "trivium/notations/caffe/fillers.h"

#include <cmath>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/run/executor.h"

namespace trivium::caffe {
namespace {

using proto::FillerParameter;

/// What xavier and msra divide by; from the shape alone, whatever its axes mean.
float fan(const Shape& shape, const FillerParameter& filler) {
  const float fan_in = static_cast<float>(shape.count() / shape[0]);
  const float fan_out =
      static_cast<float>(shape.rank() > 1 ? shape.count() / shape[1] : shape.count());
  switch (filler.variance_norm()) {
    case FillerParameter::FAN_OUT:
      return fan_out;
    case FillerParameter::AVERAGE:
      return (fan_in + fan_out) / 2;
    default:
      return fan_in;
  }
}

/// Weights that make a Deconvolution enlarge linearly.
Array bilinear(const Shape& shape) {
  if (shape.rank() != 4 || shape[2] != shape[3])
    user_error("filler bilinear: expected a shape [out, in, k, k], received {}", shape.text());
  const int64_t k = shape[3];
  const float f = std::ceil(static_cast<float>(k) / 2);
  const float c = static_cast<float>(k - 1) / (2 * f);
  Array values(shape, DType::f32);
  float* v = values.data<float>();
  for (int64_t i = 0; i < values.count(); ++i) {
    const float x = static_cast<float>(i % k), y = static_cast<float>(i / k % k);
    v[i] = (1 - std::abs(x / f - c)) * (1 - std::abs(y / f - c));
  }
  return values;
}

Value gaussian(Graph& graph, const CellRef& generator, const Shape& shape, float mean, float std,
               int sparse) {
  if (!(std > 0)) user_error("filler gaussian: std must be positive, received {}", std);
  ops::Draw draw;
  if (sparse >= 0) {
    if (shape.rank() < 1 || sparse > shape[0])
      user_error("filler gaussian: sparse {} is more than the {} of axis 0 of {}", sparse,
                 shape.rank() ? shape[0] : 0, shape.text());
    draw = ops::mt19937_sparse_gaussian(graph.read(generator), shape, mean, std, sparse);
  } else {
    draw = ops::mt19937_gaussian(graph.read(generator), shape, mean, std);
  }
  graph.assign(generator, draw.state);
  return draw.value;
}

Value uniform(Graph& graph, const CellRef& generator, const Shape& shape, float lo, float hi) {
  if (!(lo <= hi)) user_error("filler uniform: min {} is more than max {}", lo, hi);
  const ops::Draw draw = ops::mt19937_uniform(graph.read(generator), shape, lo, hi);
  graph.assign(generator, draw.state);
  return draw.value;
}

Value unitball(Graph& graph, const CellRef& generator, const Shape& shape) {
  if (shape.rank() < 1)
    user_error("filler positive_unitball: expected at least one axis, received a scalar");
  const ops::Draw draw = ops::mt19937_unitball(graph.read(generator), shape);
  graph.assign(generator, draw.state);
  return draw.value;
}

Value constant(Graph& graph, const Shape& shape, double value) {
  return ops::broadcast_to(graph.constant(value), shape);
}

void check(const Shape& shape, const FillerParameter& filler) {
  const std::string& type = filler.type();
  static const std::vector<std::string> types = {
      "constant", "uniform", "gaussian", "xavier", "msra", "positive_unitball", "bilinear"};
  if (std::find(types.begin(), types.end(), type) == types.end()) {
    const std::string near = closest_match(type, types);
    user_error("unknown filler type \"{}\"{}; there are {}", type,
               near.empty() ? "" : "; did you mean \"" + near + "\"?", fmt::join(types, ", "));
  }
  if (shape.count() == 0) user_error("filler {}: nothing to fill in shape {}", type, shape.text());
  if (filler.sparse() != -1 && type != "gaussian")
    user_error("filler {}: only gaussian takes sparse", type);
  if ((type == "xavier" || type == "msra") && shape.rank() < 1)
    user_error("filler {}: expected at least one axis, received a scalar", type);
}

}  // namespace

bool is_deterministic(const FillerParameter& filler) {
  return filler.type() == "constant" || filler.type() == "bilinear";
}

Value record_filler(Graph& graph, const CellRef& generator, const Shape& shape,
                    const FillerParameter& filler) {
  check(shape, filler);
  const std::string& type = filler.type();
  if (type == "constant") return constant(graph, shape, filler.value());
  if (type == "bilinear") return graph.constant(bilinear(shape));
  if (type == "uniform") return uniform(graph, generator, shape, filler.min(), filler.max());
  if (type == "gaussian")
    return gaussian(graph, generator, shape, filler.mean(), filler.std(), filler.sparse());
  if (type == "xavier") {
    const float a = random::caffe::xavier_bound(fan(shape, filler));
    return uniform(graph, generator, shape, -a, a);
  }
  if (type == "msra")
    return gaussian(graph, generator, shape, 0, random::caffe::msra_std(fan(shape, filler)), -1);
  return unitball(graph, generator, shape);
}

Initializer::Initializer(RandomRef random) : random_(std::move(random)) {}
Initializer::~Initializer() = default;

void Initializer::fill(const CellRef& cell, const Shape& shape, const FillerParameter& filler) {
  if (!cell && is_deterministic(filler)) return check(shape, filler);
  if (!graph_) graph_ = std::make_unique<Graph>();
  const Value value = record_filler(*graph_, random_->cell(), shape, filler);
  if (cell) graph_->assign(cell, value);
}

uint32_t Initializer::word() {
  flush();
  return random_->word();
}

void Initializer::flush() {
  if (!graph_) return;
  const std::unique_ptr<Graph> graph = std::move(graph_);
  const compile::Prepared prepared = compile::prepare(*graph, {}, {}, true);
  run::Bindings bindings;
  bindings.cells = prepared.cells;
  std::vector<Array> outputs;
  run::execute(*prepared.plan, bindings, outputs);
}

}  // namespace trivium::caffe
