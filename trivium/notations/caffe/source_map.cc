// Looking lines up, and naming a layer in an error.
#include "trivium/notations/caffe/source_map.h"

#include <fmt/format.h>

namespace trivium::caffe {

int LayerSource::line_of(std::string_view field, int nth) const {
  for (const FieldLine& entry : fields) {
    if (entry.name == field && nth-- == 0) return entry.line;
  }
  return line;
}

const LayerSource* SourceMap::find(int index) const {
  if (index < 0 || index >= static_cast<int>(layers.size())) return nullptr;
  return &layers[index];
}

std::string describe_layer(const SourceMap* lines, const proto::LayerParameter& layer, int index,
                           std::string_view field, int nth) {
  std::string where;
  if (lines && !lines->file.empty()) {
    const LayerSource* source = lines->find(index);
    const int line = source ? source->line_of(field, nth) : 0;
    where = line > 0 ? fmt::format("{}:{}: ", lines->file, line) : lines->file + ": ";
  }
  const std::string type = layer.has_type() ? fmt::format(" ({})", layer.type()) : "";
  return fmt::format("{}layer \"{}\"{}", where, layer.name(), type);
}

}  // namespace trivium::caffe
