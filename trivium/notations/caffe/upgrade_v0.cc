// V0 -> V1: a flat layer with all fields of all types becomes a V1 layer with one typed parameter
// message. The table below is the whole mapping; the rest follows it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/proto_fields.h"
#include "trivium/notations/caffe/upgrade_steps.h"

namespace trivium::caffe {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using V1 = proto::V1LayerParameter;

struct TypeRule {
  const char* v0;
  V1::LayerType v1;
};

constexpr TypeRule kTypes[] = {
    {"accuracy", V1::ACCURACY},
    {"bnll", V1::BNLL},
    {"concat", V1::CONCAT},
    {"conv", V1::CONVOLUTION},
    {"data", V1::DATA},
    {"dropout", V1::DROPOUT},
    {"euclidean_loss", V1::EUCLIDEAN_LOSS},
    {"flatten", V1::FLATTEN},
    {"hdf5_data", V1::HDF5_DATA},
    {"hdf5_output", V1::HDF5_OUTPUT},
    {"im2col", V1::IM2COL},
    {"images", V1::IMAGE_DATA},
    {"infogain_loss", V1::INFOGAIN_LOSS},
    {"innerproduct", V1::INNER_PRODUCT},
    {"lrn", V1::LRN},
    {"multinomial_logistic_loss", V1::MULTINOMIAL_LOGISTIC_LOSS},
    {"pool", V1::POOLING},
    {"relu", V1::RELU},
    {"sigmoid", V1::SIGMOID},
    {"softmax", V1::SOFTMAX},
    {"softmax_loss", V1::SOFTMAX_LOSS},
    {"split", V1::SPLIT},
    {"tanh", V1::TANH},
    {"window_data", V1::WINDOW_DATA},
};

// Where a V0 field goes in a layer of a given V0 type ("" stands for any type). In the order Caffe
// checks them, which is the order of its error lines.
struct FieldRule {
  const char* field;
  const char* type;
  const char* target;
};

constexpr FieldRule kFields[] = {
    {"name", "", "name"},
    {"blobs_lr", "", "blobs_lr"},
    {"weight_decay", "", "weight_decay"},
    {"num_output", "conv", "convolution_param.num_output"},
    {"num_output", "innerproduct", "inner_product_param.num_output"},
    {"biasterm", "conv", "convolution_param.bias_term"},
    {"biasterm", "innerproduct", "inner_product_param.bias_term"},
    {"weight_filler", "conv", "convolution_param.weight_filler"},
    {"weight_filler", "innerproduct", "inner_product_param.weight_filler"},
    {"bias_filler", "conv", "convolution_param.bias_filler"},
    {"bias_filler", "innerproduct", "inner_product_param.bias_filler"},
    {"pad", "conv", "convolution_param.pad"},
    {"pad", "pool", "pooling_param.pad"},
    {"pad", "padding", ""},
    {"kernelsize", "conv", "convolution_param.kernel_size"},
    {"kernelsize", "pool", "pooling_param.kernel_size"},
    {"group", "conv", "convolution_param.group"},
    {"stride", "conv", "convolution_param.stride"},
    {"stride", "pool", "pooling_param.stride"},
    {"pool", "pool", "pooling_param.pool"},
    {"dropout_ratio", "dropout", "dropout_param.dropout_ratio"},
    {"local_size", "lrn", "lrn_param.local_size"},
    {"alpha", "lrn", "lrn_param.alpha"},
    {"beta", "lrn", "lrn_param.beta"},
    {"k", "lrn", "lrn_param.k"},
    {"source", "data", "data_param.source"},
    {"source", "hdf5_data", "hdf5_data_param.source"},
    {"source", "images", "image_data_param.source"},
    {"source", "window_data", "window_data_param.source"},
    {"source", "infogain_loss", "infogain_loss_param.source"},
    {"scale", "", "transform_param.scale"},
    {"meanfile", "", "transform_param.mean_file"},
    {"batchsize", "data", "data_param.batch_size"},
    {"batchsize", "hdf5_data", "hdf5_data_param.batch_size"},
    {"batchsize", "images", "image_data_param.batch_size"},
    {"batchsize", "window_data", "window_data_param.batch_size"},
    {"cropsize", "", "transform_param.crop_size"},
    {"mirror", "", "transform_param.mirror"},
    {"rand_skip", "data", "data_param.rand_skip"},
    {"rand_skip", "images", "image_data_param.rand_skip"},
    {"shuffle_images", "images", "image_data_param.shuffle"},
    {"new_height", "images", "image_data_param.new_height"},
    {"new_width", "images", "image_data_param.new_width"},
    {"concat_dim", "concat", "concat_param.concat_dim"},
    {"det_fg_threshold", "window_data", "window_data_param.fg_threshold"},
    {"det_bg_threshold", "window_data", "window_data_param.bg_threshold"},
    {"det_fg_fraction", "window_data", "window_data_param.fg_fraction"},
    {"det_context_pad", "window_data", "window_data_param.context_pad"},
    {"det_crop_mode", "window_data", "window_data_param.crop_mode"},
    {"hdf5_output_param", "hdf5_output", "hdf5_output_param"},
};

V1::LayerType v1_type(const std::string& where, const std::string& v0) {
  std::vector<std::string> known;
  for (const TypeRule& rule : kTypes) {
    if (v0 == rule.v0) return rule.v1;
    known.emplace_back(rule.v0);
  }
  const std::string near = closest_match(v0, known);
  user_error("{}: unknown V0 layer type \"{}\"{}", where, v0,
             near.empty() ? "; known types: " + fmt::format("{}", fmt::join(known, ", "))
                          : fmt::format("; did you mean \"{}\"?", near));
}

// Follows "message.field" from `root`, creating the message on the way.
void copy_to_path(const Message& from, const FieldDescriptor* source, std::string_view path,
                  Message* root) {
  if (const size_t dot = path.find('.'); dot != std::string_view::npos) {
    const FieldDescriptor* step =
        root->GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
    root = root->GetReflection()->MutableMessage(root, step);
    path.remove_prefix(dot + 1);
  }
  copy_field(from, source, root, root->GetDescriptor()->FindFieldByName(std::string(path)));
}

bool is_set(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  return field->is_repeated() ? reflection->FieldSize(message, field) > 0
                              : reflection->HasField(message, field);
}

// Copies the V0 fields by the table; false when one has no rule for this type.
bool copy_fields(const proto::V0LayerParameter& v0, V1* v1, LogLines* log) {
  bool complete = true;
  std::string unknown;  // the field no rule has matched so far
  for (size_t i = 0; i < std::size(kFields); ++i) {
    const FieldRule& rule = kFields[i];
    const FieldDescriptor* field = v0.GetDescriptor()->FindFieldByName(rule.field);
    if (!is_set(v0, field)) continue;
    const bool first = i == 0 || std::string_view(kFields[i - 1].field) != rule.field;
    const bool last =
        i + 1 == std::size(kFields) || std::string_view(kFields[i + 1].field) != rule.field;
    if (first) unknown = rule.field;
    if (*rule.type == '\0' || v0.type() == rule.type) {
      unknown.clear();
      if (*rule.target) copy_to_path(v0, field, rule.target, v1);
    }
    if (last && !unknown.empty()) {
      add_line(log, LogLevel::error,
               fmt::format("Unknown parameter {} for layer type {}", unknown, v0.type()));
      complete = false;
    }
  }
  return complete;
}

std::string name_layer(const std::string& file, const SourceMap* lines, const V1& layer,
                       int index) {
  proto::LayerParameter shown;
  shown.set_name(layer.layer().name());
  shown.set_type(layer.layer().type());
  SourceMap no_lines{file, {}};
  return describe_layer(lines ? lines : &no_lines, shown, index);
}

// Dissolves padding layers: each reader of one takes over its pad and its bottom.
class PaddingRemover {
 public:
  PaddingRemover(const std::string& file, proto::NetParameter* net, SourceMap* lines)
      : file_(file), net_(*net), lines_(lines) {}

  void run() {
    for (int i = 0; i < net_.layers_size(); ++i) {
      for (int b = 0; b < net_.layers(i).bottom_size(); ++b) absorb(i, b);
      for (const std::string& top : net_.layers(i).top()) latest_[top] = i;
    }
    remove_padding();
  }

 private:
  void absorb(int i, int b) {
    V1* reader = net_.mutable_layers(i);
    const auto found = latest_.find(reader->bottom(b));
    if (found == latest_.end()) return;  // a net input, or an error that wiring reports
    const V1& padding = net_.layers(found->second);
    if (padding.layer().type() != "padding") return;
    const std::string where = name_layer(file_, lines_, *reader, i);
    const std::string& type = reader->layer().type();
    if (type != "conv" && type != "pool") {
      user_error(
          "{}: reads the padding layer \"{}\"; only conv and pool can follow a padding layer",
          where, padding.layer().name());
    }
    if (reader->bottom_size() != 1 || padding.bottom_size() != 1 || padding.top_size() != 1) {
      user_error("{}: it and the padding layer \"{}\" need one bottom each, received {} and {}",
                 where, padding.layer().name(), reader->bottom_size(), padding.bottom_size());
    }
    reader->mutable_layer()->set_pad(padding.layer().pad());
    reader->set_bottom(b, padding.bottom(0));
  }

  void remove_padding() {
    const bool has_lines = lines_ && static_cast<int>(lines_->layers.size()) == net_.layers_size();
    for (int i = net_.layers_size() - 1; i >= 0; --i) {
      if (net_.layers(i).layer().type() != "padding") continue;
      net_.mutable_layers()->DeleteSubrange(i, 1);
      if (has_lines) lines_->layers.erase(lines_->layers.begin() + i);
    }
  }

  const std::string& file_;
  proto::NetParameter& net_;
  SourceMap* lines_;
  std::unordered_map<std::string, int> latest_;
};

}  // namespace

bool needs_v0_upgrade(const proto::NetParameter& net) {
  for (const V1& layer : net.layers()) {
    if (layer.has_layer()) return true;
  }
  return false;
}

bool upgrade_v0(const std::string& file, proto::NetParameter* net, LogLines* log,
                SourceMap* lines) {
  PaddingRemover(file, net, lines).run();
  bool complete = true;
  for (int i = 0; i < net->layers_size(); ++i) {
    V1* layer = net->mutable_layers(i);
    if (!layer->has_layer()) continue;
    const std::string where = name_layer(file, lines, *layer, i);
    proto::V0LayerParameter v0;
    v0.Swap(layer->mutable_layer());
    layer->clear_layer();
    layer->mutable_blobs()->MergeFrom(v0.blobs());
    if (v0.has_type()) layer->set_type(v1_type(where, v0.type()));
    complete &= copy_fields(v0, layer, log);
  }
  return complete;
}

}  // namespace trivium::caffe
