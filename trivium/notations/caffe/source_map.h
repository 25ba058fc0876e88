// Where each layer of a net stands in its file, so that an error found long after parsing can still
// name the line. Upgrading, filtering and splitting change the list of layers; they keep the map
// parallel to `net.layer`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "trivium/formats/proto/caffe.pb.h"

namespace trivium::caffe {

/// One occurrence of a field directly inside a layer.
struct FieldLine {
  std::string name;
  int line = 0;
};

/// Line of a `layer` entry and of its own fields; line 0 means the layer does not come from the
/// text.
struct LayerSource {
  int line = 0;
  std::vector<FieldLine> fields;

  /// Line of the nth occurrence of `field` (0 is the first), or the layer's line when there is
  /// none.
  int line_of(std::string_view field, int nth = 0) const;
};

/// Lines of one net: `layers[i]` belongs to `net.layer(i)`. Empty for a net that was not read from
/// text.
struct SourceMap {
  std::string file;
  std::vector<LayerSource> layers;

  /// The source of layer `index`, or null when it is not known.
  const LayerSource* find(int index) const;
};

/// How an error names a layer: `lenet.prototxt:37: layer "ip2" (InnerProduct)`.
/// With `field`, the line is that of its nth occurrence in the layer. `lines` may be null: then the
/// file is left out.
std::string describe_layer(const SourceMap* lines, const proto::LayerParameter& layer, int index,
                           std::string_view field = {}, int nth = 0);

}  // namespace trivium::caffe
