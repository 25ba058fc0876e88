// Graph files added to a graph, and that graph written again: hostile shapes, attributes, inputs.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/attempt.h"
#include "trivium/notations/tf/graph_def.h"

using namespace trivium;

namespace {

void import_and_export(const tf::proto::GraphDef& def, bool strict) {
  const auto graph = tf::Graph::make();
  const tf::AsDefault scope(graph);
  tf::ImportOptions options;
  options.strict = strict;
  options.max_constant_bytes = 1 << 20;
  attempt([&] { tf::import_graph(def, options); });
  attempt([&] { tf::export_graph(*graph, {true, 0}); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  attempt([&] {
    const tf::proto::GraphDef def = formats::parse_graph(formats::Bytes(data, size), "fuzz");
    if (def.node_size() > 200) return;
    import_and_export(def, true);
    import_and_export(def, false);
  });
  return 0;
}
