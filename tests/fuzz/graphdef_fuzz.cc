// Graphs in both forms, their constants and their checks.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/attempt.h"
#include "trivium/formats/graphdef.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  attempt([&] {
    const tf_proto::GraphDef graph = parse_graph(Bytes(data, size), "fuzz");
    for (const auto& node : graph.node()) {
      attempt([&] { constant_of(node, 1 << 20); });
      const auto* value = find_attr(node, "value");
      attempt([&] {
        tensor_to_strings(value ? value->tensor() : tf_proto::TensorProto(), "fuzz", 1 << 20);
      });
    }
    attempt([&] { check_graph(graph, "fuzz"); });
    attempt([&] {
      if (graph.node_size() > 0)
        freeze_graph(graph, {graph.node(graph.node_size() - 1).name()}, [](const std::string&) {
          return trivium::Array::zeros({2, 3});
        });
    });
  });
  return 0;
}
