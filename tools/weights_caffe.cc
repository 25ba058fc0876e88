// Caffe's layers as PyTorch's modules and back. The one idea: a table of which blob of a layer has
// which role; all that is special is batch norm, which Caffe splits into two layers and keeps as
// sums with a factor.
#include <fmt/format.h>

#include <map>
#include <set>

#include "tools/weights_file.h"
#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::tools {
namespace {

namespace proto = formats::proto;
using Roles = std::vector<std::string>;

/// The roles of a layer's blobs; of a type that PyTorch has nothing like, their numbers.
Roles roles_of(const proto::LayerParameter& layer, size_t blobs) {
  static const std::set<std::string> kPlain = {
      "", "Convolution", "Deconvolution", "InnerProduct", "Embed", "Scale"};
  Roles roles;
  if (layer.type() == "BatchNorm") roles = {"running_mean", "running_var", "factor"};
  if (layer.type() == "PReLU") roles = {"weight"};
  if (layer.type() == "Bias") roles = {"bias"};
  if (kPlain.contains(layer.type())) roles = {"weight", "bias"};
  for (size_t i = roles.size(); i < blobs; ++i) roles.push_back(fmt::format("blob{}", i));
  roles.resize(blobs);
  return roles;
}

bool is_transposed(const proto::LayerParameter& layer) {
  return layer.type() == "InnerProduct" && layer.inner_product_param().transpose();
}

Shape turned(const Shape& shape) { return shape.rank() == 2 ? Shape{shape[1], shape[0]} : shape; }

Array turned(const Array& a) {
  if (a.shape().rank() != 2) return a;
  Array out(turned(a.shape()), a.dtype());
  const int64_t rows = a.shape()[0], columns = a.shape()[1];
  const size_t size = size_of(a.dtype());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(static_cast<char*>(out.raw()) + static_cast<size_t>(c * rows + r) * size,
                  static_cast<const char*>(a.raw()) + static_cast<size_t>(r * columns + c) * size,
                  size);
  return out;
}

/// Four sizes of old files at the rank that the layer's parameter has.
Shape modern_shape(const proto::LayerParameter& layer, const std::string& role, const Shape& s) {
  const bool matrix = layer.type() == "InnerProduct" || layer.type() == "Embed";
  if (s.rank() != 4 || s[0] != 1) return s;
  if (role == "weight" && matrix && s[1] == 1) return {s[2], s[3]};
  if (role == "weight" && layer.type() != "PReLU") return s;
  return s.count() == s[3] ? Shape{s[3]} : s;
}

/// The Scale layer that finishes a BatchNorm: the first reader of its top. -1: there is none.
int scale_behind(const proto::NetParameter& net, int norm) {
  if (net.layer(norm).top_size() != 1) return -1;
  const std::string& top = net.layer(norm).top(0);
  for (int l = norm + 1; l < net.layer_size(); ++l) {
    const proto::LayerParameter& layer = net.layer(l);
    const bool reads =
        std::find(layer.bottom().begin(), layer.bottom().end(), top) != layer.bottom().end();
    if (!reads) continue;
    return layer.type() == "Scale" && layer.bottom_size() == 1 ? l : -1;
  }
  return -1;
}

/// The tensors of one layer as it has them.
struct LayerTensors {
  std::vector<Shape> shapes;
  std::vector<Array> values;  // empty in a layout
  bool open = false;          // sizes of 0 are not known
};
using TensorsOf = std::map<int, LayerTensors>;  // by layer of the definition

WeightTensor scaled(WeightTensor tensor, double factor) {
  if (!tensor.value.defined() || factor == 1) return tensor;
  Array out = tensor.value.clone();
  for (int64_t i = 0; i < out.count(); ++i) out.set(i, factor == 0 ? 0 : out.at(i) / factor);
  tensor.value = out;
  return tensor;
}

std::vector<WeightTensor> tensors_of(const proto::LayerParameter& layer, const LayerTensors& from) {
  const Roles roles = roles_of(layer, from.shapes.size());
  std::vector<WeightTensor> out;
  for (size_t i = 0; i < roles.size(); ++i) {
    WeightTensor t{roles[i], from.values.empty() ? Array() : from.values[i], from.shapes[i]};
    t.open = from.open;
    if (is_transposed(layer) && t.role == "weight") {
      t.shape = turned(t.shape);
      if (t.value.defined()) t.value = turned(t.value);
    }
    out.push_back(t);
  }
  return out;
}

/// A BatchNorm with its Scale, in the order of PyTorch's state dict.
std::vector<WeightTensor> norm_tensors(const std::vector<WeightTensor>& norm,
                                       std::vector<WeightTensor> scale) {
  if (norm.size() < 3) return scale;
  double factor = 1;
  if (norm[2].value.defined() && norm[2].value.count() == 1) factor = norm[2].value.at(0);
  scale.push_back(scaled(norm[0], factor));
  scale.push_back(scaled(norm[1], factor));
  const bool values = norm[0].value.defined();
  scale.push_back(
      {"num_batches_tracked", values ? Array::scalar<int64_t>(0) : Array(), Shape{}, true});
  return scale;
}

WeightModules modules_of(const proto::NetParameter& net, const TensorsOf& tensors) {
  WeightModules modules;
  std::set<int> done;
  for (const auto& [l, from] : tensors) {
    if (done.contains(l)) continue;
    const proto::LayerParameter& layer = net.layer(l);
    WeightModule module{layer.name(), tensors_of(layer, from), l};
    if (layer.type() == "BatchNorm") {
      const int scale = scale_behind(net, l);
      const auto at = tensors.find(scale);
      std::vector<WeightTensor> affine;
      if (at != tensors.end()) {
        affine = tensors_of(net.layer(scale), at->second);
        module.scale = scale;
        done.insert(scale);
      }
      module.tensors = norm_tensors(module.tensors, std::move(affine));
    }
    modules.push_back(std::move(module));
  }
  return modules;
}

// ---- layouts ------------------------------------------------------------------------------------

/// Every layer that makes blobs from nothing takes only shapes to set up.
bool can_be_built(const proto::NetParameter& net) {
  for (const proto::LayerParameter& layer : net.layer())
    if (layer.bottom_size() == 0 && layer.type() != "Input" && layer.type() != "DummyData")
      return false;
  return true;
}

void add_spatial(const proto::ConvolutionParameter& p, Shape* shape) {
  if (p.has_kernel_h() && p.has_kernel_w()) {
    shape->push_back(p.kernel_h());
    shape->push_back(p.kernel_w());
    return;
  }
  const int axes = std::max(2, p.kernel_size_size());
  for (int i = 0; i < axes; ++i)
    shape->push_back(p.kernel_size_size() == 0 ? 0
                                               : p.kernel_size(p.kernel_size_size() == 1 ? 0 : i));
}

/// What the definition of one layer says of its parameters; 0 where it says nothing.
std::vector<Shape> written_shapes(const proto::LayerParameter& layer) {
  std::vector<Shape> shapes;
  const std::string& type = layer.type();
  if (type == "Convolution" || type == "Deconvolution") {
    const proto::ConvolutionParameter& p = layer.convolution_param();
    const int64_t out = p.num_output();
    Shape weight = type == "Convolution" ? Shape{out, 0} : Shape{0, out / p.group()};
    add_spatial(p, &weight);
    shapes = {weight};
    if (p.bias_term()) shapes.push_back({out});
  } else if (type == "InnerProduct") {
    const proto::InnerProductParameter& p = layer.inner_product_param();
    shapes = {p.transpose() ? Shape{0, p.num_output()} : Shape{p.num_output(), 0}};
    if (p.bias_term()) shapes.push_back({p.num_output()});
  } else if (type == "Embed") {
    const proto::EmbedParameter& p = layer.embed_param();
    shapes = {Shape{p.input_dim(), p.num_output()}};
    if (p.bias_term()) shapes.push_back({p.num_output()});
  } else if (type == "BatchNorm") {
    shapes = {Shape{0}, Shape{0}, Shape{1}};
  } else if (type == "Scale" && layer.bottom_size() == 1) {
    shapes = {Shape{0}};
    if (layer.scale_param().bias_term()) shapes.push_back({0});
  } else if ((type == "Bias" && layer.bottom_size() == 1) || type == "PReLU") {
    shapes = {Shape{0}};
  }
  return shapes;
}

TensorsOf built_shapes(const proto::NetParameter& definition) {
  const caffe::Net net(definition, {.phase = proto::TEST});
  std::map<std::string, int> index;
  for (int l = definition.layer_size() - 1; l >= 0; --l) index[definition.layer(l).name()] = l;
  TensorsOf out;
  for (const caffe::NetLayer& layer : net.layers())
    for (const int p : layer.params)
      out[index.at(layer.name())].shapes.push_back(net.params()[static_cast<size_t>(p)].shape);
  return out;
}

TensorsOf shapes_of(const proto::NetParameter& definition) {
  if (can_be_built(definition)) return built_shapes(definition);
  TensorsOf out;
  std::set<std::string> names;  // a layer may be written once for each phase
  for (int l = 0; l < definition.layer_size(); ++l) {
    const std::vector<Shape> shapes = written_shapes(definition.layer(l));
    if (!shapes.empty() && names.insert(definition.layer(l).name()).second)
      out[l] = {shapes, {}, true};
  }
  return out;
}

// ---- writing ------------------------------------------------------------------------------------

void add_blob(proto::LayerParameter* layer, const WeightModule& module, const std::string& role) {
  const WeightTensor* tensor = module.find(role);
  if (!tensor || !tensor->value.defined()) return;
  const bool turn = is_transposed(*layer) && role == "weight";
  *layer->add_blobs() = formats::array_to_blob(turn ? turned(tensor->value) : tensor->value);
}

void fill_norm(proto::LayerParameter* layer, const WeightModule& module) {
  layer->clear_blobs();
  add_blob(layer, module, "running_mean");
  add_blob(layer, module, "running_var");
  *layer->add_blobs() = formats::array_to_blob(Array::full({1}, 1));
}

bool is_standard(const std::string& role) {
  return role == "weight" || role == "bias" || role.starts_with("running_") ||
         role == "num_batches_tracked";
}

bool is_norm(const WeightModule& module) {
  return module.find("running_mean") && module.find("running_var");
}

}  // namespace

WeightModules modules_of(const formats::WeightsFile& weights,
                         const proto::NetParameter& definition) {
  proto::NetParameter net = definition;
  std::map<std::string, int> index;
  for (int l = net.layer_size() - 1; l >= 0; --l) index[net.layer(l).name()] = l;
  TensorsOf tensors;
  for (const formats::LayerWeights& from : weights.layers) {
    if (from.blobs.empty()) continue;
    if (!index.contains(from.name)) {
      index[from.name] = net.layer_size();
      net.add_layer()->set_name(from.name);
    }
    const int l = index[from.name];
    const proto::LayerParameter& layer = net.layer(l);
    if (layer.type().empty() && from.blobs.size() > 2)
      user_error(
          "layer \"{}\" has {} parameters and the file does not say its type; name the net's "
          "definition with --net",
          from.name, from.blobs.size());
    const Roles roles = roles_of(layer, from.blobs.size());
    LayerTensors& into = tensors[l];
    if (!into.shapes.empty()) continue;  // a second layer of the name: Caffe takes the first too
    for (size_t i = 0; i < from.blobs.size(); ++i) {
      if (!from.blobs[i].defined())
        user_error(
            "layer \"{}\", parameter {}: the input leaves it out (it is shared with another "
            "layer); convert a .caffemodel, which has all parameters",
            from.name, i);
      const bool legacy = i < from.legacy.size() && from.legacy[i];
      const Shape shape = from.blobs[i].shape();
      into.shapes.push_back(legacy ? modern_shape(layer, roles[i], shape) : shape);
      into.values.push_back(from.blobs[i].reshaped(into.shapes.back()));
    }
  }
  return modules_of(net, tensors);
}

WeightModules layout_of(const proto::NetParameter& definition) {
  return modules_of(definition, shapes_of(definition));
}

proto::NetParameter net_of(const WeightModules& modules, proto::NetParameter definition) {
  for (const WeightModule& module : modules) {
    proto::LayerParameter* layer = definition.mutable_layer(module.layer);
    if (layer->type() == "BatchNorm") {
      if (is_norm(module)) fill_norm(layer, module);
      if (module.scale < 0) continue;
      layer = definition.mutable_layer(module.scale);
    }
    layer->clear_blobs();
    for (const WeightTensor& tensor : module.tensors)
      if (!tensor.role.starts_with("running_") && tensor.role != "num_batches_tracked")
        add_blob(layer, module, tensor.role);
  }
  return definition;
}

proto::NetParameter net_of(const WeightModules& modules) {
  proto::NetParameter net;
  for (const WeightModule& module : modules) {
    proto::LayerParameter* layer = net.add_layer();
    layer->set_name(module.name);
    if (is_norm(module)) {
      layer->set_type("BatchNorm");
      layer->add_bottom(module.name);
      layer->add_top(module.name);
      fill_norm(layer, module);
      if (!module.find("weight")) continue;
      layer = net.add_layer();
      layer->set_name(module.name + "/scale");
      layer->set_type("Scale");
      layer->add_bottom(module.name);
      layer->add_top(module.name);
      layer->mutable_scale_param()->set_bias_term(module.find("bias") != nullptr);
    }
    add_blob(layer, module, "weight");
    add_blob(layer, module, "bias");
    for (const WeightTensor& tensor : module.tensors)
      if (!is_standard(tensor.role)) *layer->add_blobs() = formats::array_to_blob(tensor.value);
  }
  return net;
}

}  // namespace trivium::tools
