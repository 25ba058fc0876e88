// SavedModel directories: graphs with their signatures, a checkpoint of the variables, assets.
//
//   const SavedModelDirectory model("half_plus_two");
//   const auto& graph = model.meta_graph({"serve"});
//   const CheckpointReader variables = model.variables();
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/graphdef.h"

namespace trivium::formats {

inline constexpr const char* kServeTag = "serve";
inline constexpr const char* kTrainTag = "train";
inline constexpr const char* kDefaultSignature = "serving_default";
inline constexpr const char* kPredictMethod = "tensorflow/serving/predict";

/// Whether the directory holds saved_model.pb or saved_model.pbtxt.
bool is_saved_model(const std::string& directory);
/// UserError naming the byte or line when it is no SavedModel, or of another schema than 1.
tf_proto::SavedModel parse_saved_model(Bytes bytes, const std::string& name);

class SavedModelDirectory {
 public:
  /// EnvironmentError when there is neither file; UserError when it is broken.
  explicit SavedModelDirectory(std::string directory);

  const std::string& directory() const { return directory_; }
  const tf_proto::SavedModel& proto() const { return proto_; }
  /// The graph with exactly these tags, in any order. UserError listing the tags there are.
  const tf_proto::MetaGraphDef& meta_graph(const std::vector<std::string>& tags) const;
  /// A model may have no variables.
  bool has_variables() const;
  std::string variables_prefix() const { return directory_ + "/variables/variables"; }
  CheckpointReader variables() const { return CheckpointReader(variables_prefix()); }
  /// The path of an asset. UserError when the name would lead out of the directory of assets.
  std::string asset_path(const tf_proto::AssetFileDef& asset) const;

 private:
  std::string directory_;
  tf_proto::SavedModel proto_;
};

/// The signature of a graph. UserError listing what there is.
const tf_proto::SignatureDef& signature_of(const tf_proto::MetaGraphDef& graph,
                                           const std::string& name = kDefaultSignature);
/// What a signature says of one input or output: the tensor's name, type and shape.
tf_proto::TensorInfo tensor_info(const std::string& tensor_name, DType dtype, const Shape& shape);

/// The init op and the tables of a graph, by the collections that name them; "" when it has none.
std::string main_op_of(const tf_proto::MetaGraphDef& graph);
/// The VariableDefs of a collection ("variables", "trainable_variables"). UserError when an entry
/// is no VariableDef.
std::vector<tf_proto::VariableDef> variables_of(const tf_proto::MetaGraphDef& graph,
                                                const std::string& collection = "variables");
/// The assets of a graph: its own list, or the one older writers keep in a collection. UserError
/// when that is broken.
std::vector<tf_proto::AssetFileDef> assets_of(const tf_proto::MetaGraphDef& graph);
/// Adds an asset to both lists: the file `name` whose path is fed to the tensor.
void add_asset(tf_proto::MetaGraphDef* graph, const std::string& tensor_name,
               const std::string& name);
void set_variables(tf_proto::MetaGraphDef* graph, const std::string& collection,
                   const std::vector<tf_proto::VariableDef>& variables);

struct SavedModelParts {
  tf_proto::SavedModel proto;  ///< the schema version is filled in
  /// Adds the variables; empty: the model has none.
  std::function<void(CheckpointWriter&)> variables = {};
  std::vector<std::pair<std::string, std::string>> assets = {};  ///< name, bytes
};
/// Writes the directory in one step: it is there completely or not at all. UserError when it exists
/// and is not empty, when a graph has no tags or two have the same, and for names of assets that
/// are paths. EnvironmentError when the disk refuses.
void write_saved_model(const std::string& directory, const SavedModelParts& parts,
                       TfForm form = TfForm::binary);

}  // namespace trivium::formats
