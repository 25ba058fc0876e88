// The inside of import_graph: all nodes of a graph or of a function's body. `importer_names.cc`
// finds what a node's inputs mean, `importer.cc` adds nodes in order, `importer_calls.cc` writes
// functions out.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "trivium/notations/tf/import_nodes.h"

namespace trivium::tf {

/// Whether nodes of a type call a function.
bool is_call(const std::string& type);

/// Nodes of a graph or of a function's body, and what they became.
class Importer {
 public:
  Importer(ImportContext& context, const proto::FunctionDefLibrary& library, Imported* out,
           int depth)
      : context_(context), library_(library), out_(out), depth_(depth) {}

  /// Arguments of a function by their names.
  void argument(const std::string& name, const Tensor& value) { made_[name] = {nullptr, {value}}; }
  void add_all(const google::protobuf::RepeatedPtrField<proto::NodeDef>& nodes);
  /// A tensor by the name a node's input has: "x", "x:1", in functions "x:output:0".
  Tensor tensor(const std::string& text);

  const std::unordered_map<std::string, ImportedNode>& made() const { return made_; }
  const std::set<std::string>& used() const { return used_; }

 private:
  struct Place {
    std::string node;
    int port = 0;
  };

  // importer_names.cc
  Place place_of(const std::string& text) const;
  std::string node_of(const std::string& text) const;
  bool mapped(const std::string& text) const;

  // importer.cc
  void check_input(const proto::NodeDef& node, const std::string& text) const;
  void note_uses(const proto::NodeDef& node);
  void add_with_inputs(const proto::NodeDef& first);
  void cycle(const proto::NodeDef& node, const std::string& text) const;
  void add(const proto::NodeDef& node);
  static bool needs_opaque(const NodeToImport& node);
  static bool runs_conditionally(const NodeToImport& node);
  ImportedNode opaque(const NodeToImport& wanted);
  static void hints(const proto::NodeDef& node, const ImportedNode& made);

  // importer_calls.cc
  ImportedNode call(NodeToImport wanted);
  void make_independent(std::vector<Tensor>* arguments, int count, const std::set<int>& used);
  static bool depends_on(const Tensor& tensor, const std::set<int64_t>& keys);
  ImportedNode derivative(const NodeToImport& wanted, const std::vector<Tensor>& ys,
                          const std::string& scope);

  static constexpr int kMaxOutputs = 4096;
  ImportContext& context_;
  const proto::FunctionDefLibrary& library_;
  Imported* out_;
  int depth_;
  std::unordered_map<std::string, const proto::NodeDef*> nodes_;
  std::unordered_map<std::string, ImportedNode> made_;
  std::unordered_map<std::string, std::vector<DataType>> uses_;
  std::unordered_map<std::string, std::set<int>> used_ports_;
  std::unordered_set<std::string> open_;
  std::set<std::string> used_;
};

}  // namespace trivium::tf
