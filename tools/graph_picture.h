// Pictures of graphs: Graphviz's text, and SVG with a simple layout in layers.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace trivium::tools {

struct PictureNode {
  std::string name, type;
  std::string note;  ///< a shape or a value, shown below the type
};

struct Picture {
  std::string title;
  std::vector<PictureNode> nodes;
  std::vector<std::pair<int, int>> edges;  ///< from, to; places in nodes
};

std::string dot_picture(const Picture& picture);
/// Every node below the nodes it needs; at most 2000 nodes. UserError for more, naming --dot.
std::string svg_picture(const Picture& picture);

}  // namespace trivium::tools
