// The directory: saved_model.pb or .pbtxt, variables/, assets/.
#include "trivium/formats/saved_model.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace trivium::formats {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSchema = 1;
constexpr const char* kBinaryName = "/saved_model.pb";
constexpr const char* kAssets = "saved_model_assets";
constexpr const char* kTextName = "/saved_model.pbtxt";

template <typename Names>
std::string quoted(const Names& names) {
  std::string out;
  for (const auto& name : names) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  return out.empty() ? "none" : out;
}

std::set<std::string> tags_of(const tf_proto::MetaGraphDef& graph) {
  return {graph.meta_info_def().tags().begin(), graph.meta_info_def().tags().end()};
}

void check_schema(const tf_proto::SavedModel& model, const std::string& name) {
  if (model.saved_model_schema_version() > kSchema || model.saved_model_schema_version() < 0)
    user_error("{}: a SavedModel of schema {} expected, it has {}", name, kSchema,
               model.saved_model_schema_version());
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

bool is_saved_model(const std::string& directory) {
  return file_exists(directory + kBinaryName) || file_exists(directory + kTextName);
}

tf_proto::SavedModel parse_saved_model(Bytes bytes, const std::string& name) {
  tf_proto::SavedModel model;
  parse_tf(bytes, name, "a SavedModel", &model);
  check_schema(model, name);
  return model;
}

SavedModelDirectory::SavedModelDirectory(std::string directory) : directory_(std::move(directory)) {
  if (!is_saved_model(directory_))
    environment_error("SavedModel file does not exist at: {}/{{saved_model.pbtxt|saved_model.pb}}",
                      directory_);
  const std::string path =
      directory_ + (file_exists(directory_ + kBinaryName) ? kBinaryName : kTextName);
  const MappedFile file(path);
  proto_ = parse_saved_model(file.bytes(), path);
}

const tf_proto::MetaGraphDef& SavedModelDirectory::meta_graph(
    const std::vector<std::string>& tags) const {
  const std::set<std::string> wanted(tags.begin(), tags.end());
  std::string there;
  for (const auto& graph : proto_.meta_graphs()) {
    const std::set<std::string> have = tags_of(graph);
    if (have == wanted) return graph;
    there += fmt::format("{}[{}]", there.empty() ? "" : ", ", quoted(have));
  }
  user_error(
      "MetaGraphDef associated with tags {} could not be found in SavedModel. {} has the tags: {}",
      quoted(wanted), directory_, there.empty() ? "none" : there);
}

bool SavedModelDirectory::has_variables() const {
  return file_exists(variables_prefix() + ".index");
}

std::string SavedModelDirectory::asset_path(const tf_proto::AssetFileDef& asset) const {
  const fs::path relative = fs::path(asset.filename()).lexically_normal();
  std::error_code code;
  const fs::path folder = fs::path(directory_) / "assets";
  const fs::path path = folder / relative;
  const fs::path real = fs::weakly_canonical(path, code);
  const fs::path root = fs::weakly_canonical(folder, code);
  const bool inside =
      std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first == root.end();
  if (asset.filename().empty() || relative.is_absolute() || *relative.begin() == ".." || !inside)
    user_error("{}: asset \"{}\": a name inside the directory of assets expected", directory_,
               asset.filename());
  return path.string();
}

const tf_proto::SignatureDef& signature_of(const tf_proto::MetaGraphDef& graph,
                                           const std::string& name) {
  const auto found = graph.signature_def().find(name);
  if (found != graph.signature_def().end()) return found->second;
  std::set<std::string> names;
  for (const auto& entry : graph.signature_def()) names.insert(entry.first);
  user_error("signature \"{}\" is not in the graph, which has: {}", name, quoted(names));
}

tf_proto::TensorInfo tensor_info(const std::string& tensor_name, DType dtype, const Shape& shape) {
  tf_proto::TensorInfo info;
  info.set_name(tensor_name);
  info.set_dtype(tf_type_of(dtype));
  *info.mutable_tensor_shape() = tf_shape_of(shape);
  return info;
}

std::string main_op_of(const tf_proto::MetaGraphDef& graph) {
  for (const char* name : {"saved_model_main_op", "legacy_init_op"}) {
    const auto found = graph.collection_def().find(name);
    if (found != graph.collection_def().end() && found->second.node_list().value_size() > 0)
      return found->second.node_list().value(0);
  }
  return "";
}

std::vector<tf_proto::VariableDef> variables_of(const tf_proto::MetaGraphDef& graph,
                                                const std::string& collection) {
  std::vector<tf_proto::VariableDef> out;
  const auto found = graph.collection_def().find(collection);
  if (found == graph.collection_def().end()) return out;
  for (const std::string& bytes : found->second.bytes_list().value()) {
    out.emplace_back();
    parse_tf_binary(as_bytes(bytes), fmt::format("collection \"{}\"", collection), "a VariableDef",
                    &out.back());
  }
  return out;
}

std::vector<tf_proto::AssetFileDef> assets_of(const tf_proto::MetaGraphDef& graph) {
  std::vector<tf_proto::AssetFileDef> out(graph.asset_file_def().begin(),
                                          graph.asset_file_def().end());
  const auto found = graph.collection_def().find(kAssets);
  if (!out.empty() || found == graph.collection_def().end()) return out;
  for (const auto& any : found->second.any_list().value()) {
    out.emplace_back();
    parse_tf_binary(as_bytes(any.value()), fmt::format("collection \"{}\"", kAssets),
                    "an AssetFileDef", &out.back());
  }
  return out;
}

void add_asset(tf_proto::MetaGraphDef* graph, const std::string& tensor_name,
               const std::string& name) {
  tf_proto::AssetFileDef asset;
  asset.set_filename(name);
  asset.mutable_tensor_info()->set_name(tensor_name);
  *graph->add_asset_file_def() = asset;
  auto* any = (*graph->mutable_collection_def())[kAssets].mutable_any_list()->add_value();
  any->set_type_url("type.googleapis.com/tensorflow.AssetFileDef");
  any->set_value(serialize_tf(asset, name));
}

void set_variables(tf_proto::MetaGraphDef* graph, const std::string& collection,
                   const std::vector<tf_proto::VariableDef>& variables) {
  auto* list = (*graph->mutable_collection_def())[collection].mutable_bytes_list();
  list->clear_value();
  for (const auto& variable : variables)
    list->add_value(serialize_tf(variable, fmt::format("collection \"{}\"", collection)));
}

namespace {

void check_parts(const std::string& directory, const SavedModelParts& parts) {
  std::error_code code;
  if (fs::exists(directory, code) &&
      (!fs::is_directory(directory, code) || !fs::is_empty(directory, code)))
    user_error("Export directory {} already exists, and isn't an empty directory", directory);
  std::set<std::set<std::string>> all_tags;
  for (const auto& graph : parts.proto.meta_graphs()) {
    const auto tags = tags_of(graph);
    if (tags.empty()) user_error("{}: every graph of a SavedModel needs a tag", directory);
    if (!all_tags.insert(tags).second)
      user_error("{}: two graphs have the tags {}", directory, quoted(tags));
  }
  for (const auto& asset : parts.assets)
    if (!is_plain_name(asset.first))
      user_error("{}: asset \"{}\": a name without directories expected", directory, asset.first);
}

void write_parts(const std::string& directory, const SavedModelParts& parts, TfForm form) {
  tf_proto::SavedModel proto = parts.proto;
  proto.set_saved_model_schema_version(kSchema);
  write_tf(directory + (form == TfForm::text ? kTextName : kBinaryName), proto, form);
  if (parts.variables) {
    CheckpointWriter writer(directory + "/variables/variables");
    parts.variables(writer);
    writer.finish();
  }
  if (!parts.assets.empty()) fs::create_directory(directory + "/assets");
  for (const auto& asset : parts.assets)
    write_file_atomically(directory + "/assets/" + asset.first, asset.second);
}

}  // namespace

void write_saved_model(const std::string& directory, const SavedModelParts& parts, TfForm form) {
  check_parts(directory, parts);
  fs::path target = fs::path(directory).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // a slash at the end
  std::error_code code;
  if (target.has_parent_path()) fs::create_directories(target.parent_path(), code);
  // It is built beside its place, and takes its name when it is complete.
  std::string temporary = target.string() + ".tmp.XXXXXX";
  if (code || !::mkdtemp(temporary.data()))
    environment_error("{}: cannot make a directory beside it", directory);
  try {
    write_parts(temporary, parts, form);
    fs::permissions(temporary, fs::perms(0755));
    fs::rename(temporary, target);  // also in place of an empty directory
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(temporary, code);
    environment_error("{}: {}", directory, error.what());
  } catch (...) {
    fs::remove_all(temporary, code);
    throw;
  }
}

}  // namespace trivium::formats
