// trivium inspect for TensorFlow's files: graphs, MetaGraphs, SavedModels and checkpoints.
#pragma once

#include <string>

namespace trivium::tools {

struct GraphPictures {
  std::string dot, svg;  ///< files to write; "" none
};

/// Prints what such a file or directory holds and writes its pictures. False when it is none.
bool inspect_tensorflow(const std::string& path, const GraphPictures& pictures);

}  // namespace trivium::tools
