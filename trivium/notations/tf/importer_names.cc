// What a node's inputs are called: "x", "x:1", in functions "x:output:0"; names that the caller has
// mapped to tensors of his own come first.
#include "trivium/notations/tf/importer.h"

namespace trivium::tf {

Tensor Importer::tensor(const std::string& text) {
  const auto mapped = context_.options.input_map.find(text);
  if (depth_ == 0 && mapped != context_.options.input_map.end()) {
    used_.insert(text);
    return mapped->second;
  }
  const Place place = place_of(text);
  if (const auto again =
          context_.options.input_map.find(fmt::format("{}:{}", place.node, place.port));
      depth_ == 0 && again != context_.options.input_map.end()) {
    used_.insert(again->first);
    return again->second;
  }
  const auto it = made_.find(place.node);
  if (it == made_.end()) return {};
  if (place.port >= static_cast<int>(it->second.outputs.size()))
    raise<ValueError>("Node '{}' has {} outputs here, output {} was asked for", place.node,
                      it->second.outputs.size(), place.port);
  return it->second.outputs[static_cast<size_t>(place.port)];
}

/// Splits a name; the port of "node:output:1" is found through the signature of the node.
Importer::Place Importer::place_of(const std::string& text) const {
  const formats::TensorName name = formats::parse_tensor_name(text, "node input");
  const size_t colon = name.node.find(':');
  if (colon == std::string::npos) return {name.node, name.port};
  const std::string node = name.node.substr(0, colon), output = name.node.substr(colon + 1);
  const auto it = nodes_.find(node);
  const OpSignature* signature = it == nodes_.end() ? nullptr : op_signature(it->second->op());
  int before = 0;
  if (signature)
    for (const auto& arg : signature->outputs) {
      if (arg.name == output) return {node, before + name.port};
      ++before;  // lists come last in every type that has one
    }
  if (it != nodes_.end() && is_call(it->second->op())) return {node, name.port};
  raise<ValueError>("Node '{}': the output \"{}\" is not one of its outputs", node, output);
}

std::string Importer::node_of(const std::string& text) const {
  const std::string name = formats::parse_tensor_name(text, "node input").node;
  return name.substr(0, name.find(':'));
}

bool Importer::mapped(const std::string& text) const {
  if (depth_ > 0) return false;
  const auto& map = context_.options.input_map;
  return map.count(text) || map.count(text + ":0");
}

}  // namespace trivium::tf
