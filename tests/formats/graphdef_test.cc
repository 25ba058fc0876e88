#include "trivium/formats/graphdef.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/checkpoint_file.h"

namespace trivium::formats {
namespace {

TEST(GraphDef, BinaryAndTextAreTheSameGraph) {
  const tf_proto::GraphDef binary = read_graph(golden("tf_files/graph/constants.pb"));
  const tf_proto::GraphDef text = read_graph(golden("tf_files/graph/constants.pbtxt"));
  EXPECT_EQ(serialize_tf(binary, "g"), serialize_tf(text, "g"));
  EXPECT_EQ(serialize_tf(parse_graph(as_bytes(text_of_tf(binary)), "g"), "g"),
            serialize_tf(binary, "g"));
  check_graph(binary, "constants");
}

TEST(GraphDef, WritesBothForms) {
  const Scratch dir;
  const tf_proto::GraphDef graph = read_graph(golden("tf_files/graph/training.pbtxt"));
  write_graph(dir / "g.pb", graph);
  write_graph(dir / "g.pbtxt", graph, TfForm::text);
  EXPECT_EQ(serialize_tf(read_graph(dir / "g.pb"), "g"), serialize_tf(graph, "g"));
  EXPECT_EQ(slurp(dir / "g.pbtxt"), slurp(golden("tf_files/graph/training.pbtxt")));
}

TEST(GraphDef, PublishedFrozenGraph) {
  const tf_proto::GraphDef graph = read_graph(golden("tf_files/published/fsrcnn/FSRCNN_x2.pb"));
  EXPECT_EQ(graph.node_size(), 92);
  check_graph(graph, "FSRCNN");
  int constants = 0;
  double sum = 0;
  for (const auto& node : graph.node()) {
    if (node.op() != "Const") continue;
    const Array value = constant_of(node);
    for (int64_t i = 0; i < value.count(); ++i) sum += std::abs(value.at(i));
    ++constants;
  }
  EXPECT_GT(constants, 22);
  EXPECT_TRUE(std::isfinite(sum) && sum > 0);
}

TEST(GraphDef, TextAcceptsWhatPeopleWrite) {
  const std::string text = R"(# a comment
node {
  name: "c"  op: 'Const'
  attr { key: "dtype" value { type: 1 } }
  attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } }
                                       tensor_content: "\000\000\200?\000\000\000@" } } }
  attr { key: "list" value { list { i: [1, 2, 3] } } }
}
versions < producer: 27 >)";
  const tf_proto::GraphDef graph = parse_graph(as_bytes(text), "g");
  EXPECT_EQ(constant_of(graph.node(0)).at(1), 2);
  EXPECT_EQ(find_attr(graph.node(0), "list")->list().i_size(), 3);
  EXPECT_EQ(find_attr(graph.node(0), "nothing"), nullptr);
  EXPECT_EQ(graph.versions().producer(), 27);
}

TEST(GraphDef, TextErrorsNameTheLine) {
  const auto error = [](const std::string& text) {
    return message_of<UserError>([&] { parse_graph(as_bytes(text), "g.pbtxt"); });
  };
  expect_contains(error("node {\n  name: \"a\"\n  opp: \"Const\"\n}\n"), "g.pbtxt");
  expect_contains(error("node {\n  name: \"a\"\n  opp: \"Const\"\n}\n"), "line 3");
  expect_contains(error("node {\n  name: \"a\n}"), "line 2");
  expect_contains(error("versions { producer: 99999999999 }"), "line 1");
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "node { attr { value { list { func { attr { value { ";
  EXPECT_THROW(parse_graph(as_bytes(deep), "g"), UserError);
}

TEST(GraphDef, UnknownFieldsAreKept) {
  tf_proto::GraphDef graph = read_graph(golden("tf_files/graph/frozen.pb"));
  // Field 5 (debug_info) is not in the schema; 7777 is not in anybody's.
  const std::string bytes = serialize_tf(graph, "g") +
                            "\x2a\x03"
                            "abc" +
                            "\xca\xe6\x03\x01x";
  EXPECT_EQ(serialize_tf(parse_graph(as_bytes(bytes), "g"), "g"), bytes);
}

TEST(GraphDef, DeepNestingIsRefused) {
  std::string bytes;
  for (int i = 0; i < 400; ++i) {  // a list of functions with attributes that are lists of …
    const auto wrap = [&](char tag) {
      std::string head(1, tag);
      for (size_t n = bytes.size();; n >>= 7) {
        head.push_back(static_cast<char>(n >= 0x80 ? (n & 0x7f) | 0x80 : n));
        if (n < 0x80) break;
      }
      bytes = head + bytes;
    };
    for (const char tag : {'\x12', '\x12', '\x4a', '\x0a', '\x12'}) wrap(tag);
  }
  EXPECT_THROW(parse_graph(as_bytes("\x0a" + bytes), "g"), UserError);
}

TEST(GraphDef, ManyEmptyPartsAreRefused) {
  std::string nodes, text;  // 34 MB that would take 4 GB
  for (int i = 0; i < (1 << 24) + 1; ++i) nodes += std::string("\x0a\0", 2);
  expect_contains(message_of<UserError>([&] { parse_graph(as_bytes(nodes), "g"); }),
                  "at most 16777216 parts");
  for (int i = 0; i < (1 << 24) + 1; ++i) text += "node{}";
  expect_contains(message_of<UserError>([&] { parse_graph(as_bytes(text), "g"); }),
                  "at most 16777216 parts");
  // A file above the size where counting starts, with a large string, is fine.
  tf_proto::GraphDef graph;
  graph.add_node()->set_name(std::string(3 << 20, 'x'));
  EXPECT_EQ(parse_graph(as_bytes(serialize_tf(graph, "g") + "\x20\x01"), "g").node_size(), 1);
}

TEST(GraphDef, TensorNames) {
  EXPECT_EQ(parse_tensor_name("a/b").node, "a/b");
  EXPECT_EQ(parse_tensor_name("a:12").port, 12);
  EXPECT_EQ(parse_tensor_name("f:out:1").node, "f:out");
  EXPECT_TRUE(parse_tensor_name("^a").control);
  for (const char* broken : {"", "^", ":0", "a:", "a:x", "a:-1", "a:99999999999"})
    EXPECT_THROW(parse_tensor_name(broken), UserError) << broken;
}

TEST(GraphDef, ChecksNamesAndInputs) {
  const auto error = [](const std::string& text) {
    return message_of<UserError>([&] { check_graph(parse_graph(as_bytes(text), "g"), "g"); });
  };
  const std::string weights = "node { name: 'weights' op: 'Const' } ";
  expect_contains(error(weights + weights), "node \"weights\" is there twice");
  expect_contains(error(weights + "node { name: 'y' op: 'Relu' input: 'weigths' }"),
                  "did you mean \"weights\"?");
  expect_contains(
      error(weights + "node { name: 'y' op: 'Relu' input: '^weights' input: 'weights' }"),
      "which must be last");
  expect_contains(error("node { op: 'Const' }"), "node 0 (Const) has no name");
  expect_contains(error("node { name: 'a' }"), "has no op");
  expect_contains(error("versions { min_consumer: 99999 }"), "asks for version 99999");
}

TEST(GraphDef, FreezingGivesTensorFlowsFrozenGraph) {
  const tf_proto::GraphDef training = read_graph(golden("tf_files/graph/training.pbtxt"));
  const tf_proto::GraphDef theirs = read_graph(golden("tf_files/graph/frozen.pb"));
  const CheckpointReader checkpoint(golden("tf_files/checkpoint/model-2"));
  const tf_proto::GraphDef ours =
      freeze_graph(training, {"y"}, [&](const std::string& key) { return checkpoint.read(key); });
  ASSERT_EQ(ours.node_size(), theirs.node_size());
  for (int i = 0; i < ours.node_size(); ++i) {
    EXPECT_EQ(ours.node(i).name(), theirs.node(i).name());
    EXPECT_EQ(ours.node(i).op(), theirs.node(i).op());
    EXPECT_EQ(
        std::vector<std::string>(ours.node(i).input().begin(), ours.node(i).input().end()),
        std::vector<std::string>(theirs.node(i).input().begin(), theirs.node(i).input().end()));
    if (ours.node(i).op() == "Const") {
      EXPECT_EQ(serialize_tf(ours.node(i), "n"), serialize_tf(theirs.node(i), "n"));
    }
  }
  check_graph(ours, "frozen");
}

TEST(GraphDef, FreezingChecksValues) {
  const tf_proto::GraphDef training = read_graph(golden("tf_files/graph/training.pbtxt"));
  const auto error = [&](const Array& value) {
    return message_of<UserError>(
        [&] { freeze_graph(training, {"y"}, [&](const std::string&) { return value; }); });
  };
  expect_contains(error(Array::zeros({3, 2})), "shape [2, 3] expected, the value is float32[3, 2]");
  expect_contains(error(Array::zeros({2, 3}, DType::f64)), "DT_FLOAT expected");
  expect_contains(error(Array()), "a value expected");
  expect_contains(message_of<UserError>([&] { extract_sub_graph(training, {"nope"}); }),
                  "output \"nope\" is not in the graph");
  EXPECT_THROW(freeze_graph(training, {"layer/weights/Assign"},
                            [](const std::string&) {
                              return Array::zeros({2, 3});
                            }),
               UserError);
}

TEST(GraphDef, SurvivesDamage) {
  for (const char* file : {"tf_files/graph/frozen.pb", "tf_files/graph/constants.pb"}) {
    damage(slurp(golden(file)), [](const std::string& bytes) {
      const tf_proto::GraphDef graph = parse_graph(as_bytes(bytes), "g");
      for (const auto& node : graph.node())
        if (find_attr(node, "value")) constant_of(node, 1 << 20);
      check_graph(graph, "g");
    });
  }
  damage(
      slurp(golden("tf_files/graph/constants.pbtxt")),
      [](const std::string& bytes) { parse_graph(as_bytes(bytes), "g"); }, 300, 300);
}

}  // namespace
}  // namespace trivium::formats
