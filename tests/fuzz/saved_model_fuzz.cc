// SavedModels and MetaGraphs in both forms.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/attempt.h"
#include "trivium/formats/saved_model.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  const Bytes bytes(data, size);
  attempt([&] {
    const tf_proto::SavedModel model = parse_saved_model(bytes, "fuzz");
    for (const auto& graph : model.meta_graphs()) {
      attempt([&] { variables_of(graph); });
      attempt([&] { assets_of(graph); });
      attempt([&] { signature_of(graph); });
      attempt([&] { check_graph(graph.graph_def(), "fuzz"); });
      main_op_of(graph);
    }
    serialize_tf(model, "fuzz");
  });
  attempt([&] { parse_meta_graph(bytes, "fuzz"); });
  return 0;
}
