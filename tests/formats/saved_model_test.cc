#include "trivium/formats/saved_model.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

TEST(SavedModel, PublishedHalfPlusTwo) {
  const SavedModelDirectory model(golden("tf_files/published/half_plus_two"));
  const tf_proto::MetaGraphDef& graph = model.meta_graph({"serve"});
  check_graph(graph.graph_def(), "half_plus_two");
  const tf_proto::SignatureDef& signature = signature_of(graph);
  EXPECT_EQ(signature.method_name(), kPredictMethod);
  EXPECT_EQ(signature.inputs().at("x").name(), "x:0");
  EXPECT_EQ(signature.outputs().at("y").name(), "y:0");
  const CheckpointReader variables = model.variables();
  EXPECT_EQ(variables.read("a").item(), 0.5);
  EXPECT_EQ(variables.read("b").item(), 2);
  EXPECT_EQ(variables_of(graph).size(), 5u);
}

TEST(SavedModel, ReadsWhatTensorFlowWrote) {
  const SavedModelDirectory model(golden("tf_files/saved_model"));
  const tf_proto::MetaGraphDef& graph = model.meta_graph({"serve"});
  EXPECT_EQ(graph.saver_def().version(), tf_proto::SaverDef::V2);
  EXPECT_TRUE(graph.saver_def().sharded());
  ASSERT_EQ(variables_of(graph, "trainable_variables").size(), 2u);
  EXPECT_EQ(variables_of(graph)[0].variable_name(), "layer/weights:0");
  ASSERT_EQ(assets_of(graph).size(), 1u);
  EXPECT_EQ(slurp(model.asset_path(assets_of(graph)[0])), "a\nb\n");
  EXPECT_EQ(model.variables().read("layer/bias").at(1), -1);
}

TEST(SavedModel, ErrorsSayWhatIsThere) {
  const SavedModelDirectory model(golden("tf_files/saved_model"));
  expect_contains(message_of<UserError>([&] {
                    model.meta_graph({"train", "gpu"});
                  }),
                  "MetaGraphDef associated with tags 'gpu', 'train' could not be found in "
                  "SavedModel.");
  expect_contains(message_of<UserError>([&] { model.meta_graph({"foo"}); }), "['serve']");
  expect_contains(
      message_of<UserError>([&] { signature_of(model.meta_graph({"serve"}), "classify"); }),
      "'serving_default'");
  const Scratch dir;
  expect_contains(message_of<EnvironmentError>([&] { SavedModelDirectory(dir.path); }),
                  "SavedModel file does not exist at: ");
}

TEST(SavedModel, AssetsStayInTheirFolder) {
  const SavedModelDirectory model(golden("tf_files/saved_model"));
  tf_proto::AssetFileDef asset;
  for (const char* name : {"", "..", "../saved_model.pb", "/etc/passwd", "a/../../x"}) {
    asset.set_filename(name);
    EXPECT_THROW(model.asset_path(asset), UserError) << name;
  }
  const Scratch dir;
  std::filesystem::create_directories(dir / "assets");
  std::filesystem::create_symlink("/etc/passwd", dir / "assets/link");
  spill(dir / "saved_model.pb", "\x08\x01");
  asset.set_filename("link");
  EXPECT_THROW(SavedModelDirectory(dir.path).asset_path(asset), UserError);
}

SavedModelParts small_model() {
  SavedModelParts parts;
  tf_proto::MetaGraphDef& graph = *parts.proto.add_meta_graphs();
  graph.mutable_meta_info_def()->add_tags(kServeTag);
  *graph.mutable_graph_def() = read_graph(golden("tf_files/graph/frozen.pb"));
  tf_proto::SignatureDef& signature = (*graph.mutable_signature_def())[kDefaultSignature];
  signature.set_method_name(kPredictMethod);
  (*signature.mutable_outputs())["y"] = tensor_info("y:0", DType::f32, {1, 3});
  tf_proto::VariableDef variable;
  variable.set_variable_name("v:0");
  variable.set_trainable(true);
  set_variables(&graph, "variables", {variable});
  parts.variables = [](CheckpointWriter& writer) { writer.add("v", Array::full({3}, 4)); };
  add_asset(&graph, "words:0", "words.txt");
  parts.assets = {{"words.txt", "hello"}};
  return parts;
}

TEST(SavedModel, RoundTripInBothForms) {
  const Scratch dir;
  const SavedModelParts parts = small_model();
  std::filesystem::create_directory(dir / "text");  // an empty one may be there
  write_saved_model(dir / "deep/er/binary/", parts);
  write_saved_model(dir / "text", parts, TfForm::text);
  EXPECT_TRUE(file_exists(dir / "text/saved_model.pbtxt"));
  for (const char* name : {"deep/er/binary", "text"}) {
    const SavedModelDirectory model(dir / name);
    const auto& graph = model.meta_graph({"serve"});
    EXPECT_EQ(serialize_tf(graph, "g"), serialize_tf(parts.proto.meta_graphs(0), "g"));
    EXPECT_EQ(model.proto().saved_model_schema_version(), 1);
    EXPECT_EQ(model.variables().read("v").at(2), 4);
    EXPECT_TRUE(model.has_variables());
    EXPECT_EQ(signature_of(graph).outputs().at("y").tensor_shape().dim(1).size(), 3);
    EXPECT_EQ(slurp(model.asset_path(assets_of(graph)[0])), "hello");
  }
}

TEST(SavedModel, WrittenCompletelyOrNotAtAll) {
  const Scratch dir;
  SavedModelParts parts = small_model();
  write_saved_model(dir / "m", parts);
  expect_contains(message_of<UserError>([&] { write_saved_model(dir / "m", parts); }),
                  "already exists");
  parts.variables = [](CheckpointWriter&) { user_error("no value"); };
  EXPECT_THROW(write_saved_model(dir / "n", parts), UserError);
  parts = small_model();
  parts.assets = {{"../evil", ""}};
  EXPECT_THROW(write_saved_model(dir / "n", parts), UserError);
  parts = small_model();
  *parts.proto.add_meta_graphs() = parts.proto.meta_graphs(0);
  expect_contains(message_of<UserError>([&] { write_saved_model(dir / "n", parts); }),
                  "two graphs have the tags 'serve'");
  parts = SavedModelParts();
  parts.proto.add_meta_graphs();
  EXPECT_THROW(write_saved_model(dir / "n", parts), UserError);
  size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path)) left += entry.exists();
  EXPECT_EQ(left, 1u);
}

TEST(SavedModel, SurvivesDamage) {
  damage(
      slurp(golden("tf_files/saved_model/saved_model.pb")),
      [](const std::string& bytes) {
        const auto model = parse_saved_model(as_bytes(bytes), "m");
        for (const auto& graph : model.meta_graphs()) {
          variables_of(graph);
          main_op_of(graph);
          assets_of(graph);
        }
      },
      500, 500);
}

}  // namespace
}  // namespace trivium::formats
