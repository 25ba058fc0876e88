// The text format: everything legal is read as protobuf reads it, everything else fails with place
// and remedy.
#include "trivium/notations/caffe/prototxt.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

#include "tests/notations/caffe/golden.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/print.h"

namespace trivium::caffe {
namespace {

template <typename Message = proto::NetParameter>
Message parse(const std::string& text, NetLines* lines = nullptr) {
  Message message;
  parse_prototxt(text, "t.prototxt", &message, lines);
  return message;
}

template <typename Message = proto::NetParameter>
std::string error_of(const std::string& text) {
  return user_error_of([&] { parse<Message>(text); });
}

TEST(Prototxt, EveryFormOfSeparatorBracketAndComment) {
  const auto net = parse(
      "name: \"a\";  # a comment: { \" \n"
      "layer < name: 'x', type: \"T\" > layer: { name: \"y\" },\n"
      "layer [ { name: \"z\" }, < name: \"w\" > ]\r\n"
      "input: [\"i\", 'j'] input: [] input: \"k\"");
  ASSERT_EQ(net.layer_size(), 4);
  EXPECT_EQ(net.layer(0).name() + net.layer(1).name() + net.layer(2).name() + net.layer(3).name(),
            "xyzw");
  ASSERT_EQ(net.input_size(), 3);
  EXPECT_EQ(net.input(1), "j");
}

TEST(Prototxt, NumbersInEveryForm) {
  const auto state = parse<proto::SolverParameter>(
      "test_iter: 10 test_iter: 0x1F test_iter: 017 test_iter: -2147483648 test_iter: -0x10 "
      "random_seed: "
      "-9223372036854775808 base_lr: 1.5e-3f");
  EXPECT_EQ(state.test_iter(0), 10);
  EXPECT_EQ(state.test_iter(1), 31);
  EXPECT_EQ(state.test_iter(2), 15);
  EXPECT_EQ(state.test_iter(3), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(state.test_iter(4), -16);
  EXPECT_EQ(state.random_seed(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(state.base_lr(), 1.5e-3f);
  const auto layer = parse<proto::LayerParameter>(
      "loss_weight: [.5, 1., 3, 2f, -inf, nan, INFINITY, 1e400, -1e39, 1e-999, 3.4028235e38, "
      "100000000000000000000000]");
  EXPECT_EQ(layer.loss_weight(0), 0.5f);
  EXPECT_EQ(layer.loss_weight(1), 1.0f);
  EXPECT_EQ(layer.loss_weight(2), 3.0f);
  EXPECT_EQ(layer.loss_weight(3), 2.0f);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(layer.loss_weight(4), -infinity);
  EXPECT_TRUE(std::isnan(layer.loss_weight(5)));
  EXPECT_EQ(layer.loss_weight(6), infinity);
  EXPECT_EQ(layer.loss_weight(7), infinity);
  EXPECT_EQ(layer.loss_weight(8), -infinity);
  EXPECT_EQ(layer.loss_weight(9), 0.0f);
  EXPECT_EQ(layer.loss_weight(10), std::numeric_limits<float>::max());
  EXPECT_EQ(layer.loss_weight(11), 1e23f);
}

TEST(Prototxt, BooleansEnumsAndTexts) {
  const auto layer = parse<proto::LayerParameter>(
      "propagate_down: [true, false, t, f, True, False, 1, 0] phase: 1\n"
      "name: \"a\" 'b' \"\\x41\\102\\n\\t\\\\\\\"\\'\\u00e9\\U0001F600\"");
  const bool expected[] = {true, false, true, false, true, false, true, false};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(layer.propagate_down(i), expected[i]) << i;
  EXPECT_EQ(layer.phase(), proto::TEST);
  EXPECT_EQ(layer.name(), "abAB\n\t\\\"'\xC3\xA9\xF0\x9F\x98\x80");
}

TEST(Prototxt, MisspeltFieldNamesTheNearestOne) {
  EXPECT_EQ(error_of("name: \"x\"\nlayer { name: \"a\" botom: \"b\" }"),
            "t.prototxt:2:19: no field \"botom\" in LayerParameter; did you mean \"bottom\"?");
  EXPECT_EQ(error_of("layer { convolution_param { kernal_size: 3 } }"),
            "t.prototxt:1:29: no field \"kernal_size\" in ConvolutionParameter; did you mean "
            "\"kernel_size\"?");
  EXPECT_EQ(error_of("layer { num_output: 3 }"),
            "t.prototxt:1:9: no field \"num_output\" in LayerParameter; it belongs in "
            "convolution_param, embed_param, "
            "inner_product_param or recurrent_param");
  EXPECT_EQ(
      error_of<proto::NetState>("xyzzyplugh: 3"),
      "t.prototxt:1:1: no field \"xyzzyplugh\" in NetState; its fields are phase, level, stage");
}

TEST(Prototxt, WrongTypesSayWhatWasExpected) {
  EXPECT_EQ(error_of("layer { inner_product_param { num_output: \"ten\" } }"),
            "t.prototxt:1:43: num_output expects an integer from 0 to 4294967295, received the "
            "text \"ten\"");
  EXPECT_EQ(error_of("layer { inner_product_param { num_output: \"10\" } }"),
            "t.prototxt:1:43: num_output expects an integer from 0 to 4294967295, received the "
            "text \"10\"; remove "
            "the quotes");
  EXPECT_EQ(error_of("layer { inner_product_param { num_output: -1 } }"),
            "t.prototxt:1:43: num_output expects an integer from 0 to 4294967295, received the "
            "number -1");
  EXPECT_EQ(error_of("layer { inner_product_param { num_output: 4294967296 } }"),
            "t.prototxt:1:43: num_output expects an integer from 0 to 4294967295, received the "
            "number 4294967296");
  EXPECT_EQ(error_of("layer { inner_product_param { axis: 1.5 } }"),
            "t.prototxt:1:37: axis expects an integer from -2147483648 to 2147483647, received the "
            "number 1.5");
  EXPECT_EQ(error_of("layer { type: Convolution }"),
            "t.prototxt:1:15: type expects a text in quotes, received the word Convolution; put it "
            "in quotes: "
            "\"Convolution\"");
  EXPECT_EQ(error_of("force_backward: yes"),
            "t.prototxt:1:17: force_backward expects true or false, received the word yes");
  EXPECT_EQ(error_of("force_backward: 2"),
            "t.prototxt:1:17: force_backward expects true or false, received the number 2");
  EXPECT_EQ(error_of("layer { lrn_param: 3 }"),
            "t.prototxt:1:20: lrn_param expects a LRNParameter in braces: lrn_param { ... }, "
            "received the number 3");
  EXPECT_EQ(error_of("layer { loss_weight: 0x10 }"),
            "t.prototxt:1:22: loss_weight expects a decimal number, inf or nan, received the "
            "number 0x10");
}

TEST(Prototxt, BadEnumValueListsTheGoodOnes) {
  EXPECT_EQ(error_of("layer { pooling_param { pool: AVG } }"),
            "t.prototxt:1:31: pool expects one of MAX, AVE, STOCHASTIC (or 0, 1, 2), received AVG; "
            "did you mean AVE?");
  EXPECT_EQ(error_of("layer { pooling_param { pool: 7 } }"),
            "t.prototxt:1:31: pool expects one of MAX, AVE, STOCHASTIC (or 0, 1, 2), received 7");
  EXPECT_EQ(error_of("layer { phase: \"TEST\" }"),
            "t.prototxt:1:16: phase expects one of TRAIN, TEST (or 0, 1), received the text "
            "\"TEST\"; remove the "
            "quotes");
}

TEST(Prototxt, SingularFieldsGivenTwiceAreRefused) {
  EXPECT_EQ(
      error_of("name: \"x\"\nname: \"y\""),
      "t.prototxt:2:1: \"name\" may be given once and was already given at line 1; remove one");
  EXPECT_EQ(
      error_of("state { level: 1 }\nstate { level: 2 }"),
      "t.prototxt:2:1: \"state\" may be given once and was already given at line 1; remove one");
  EXPECT_EQ(error_of("name: [\"x\"]"),
            "t.prototxt:1:7: \"name\" takes one value, received a list; remove the brackets");
}

TEST(Prototxt, MissingRequiredFieldIsNamed) {
  EXPECT_EQ(error_of("layer { clip_param { min: 0 } }"),
            "t.prototxt:1:29: \"clip_param\" needs the field \"max\", which is missing; add it");
}

TEST(Prototxt, BracketsAndQuotesThatDoNotMatch) {
  EXPECT_EQ(
      error_of("layer {\n  name: \"a\"\n"),
      "t.prototxt:3:1: the file ends inside \"layer\", opened at line 1; add the missing \"}\"");
  EXPECT_EQ(error_of("layer { }\n}"),
            "t.prototxt:2:1: \"}\" without an opening bracket; remove it, or look for one too many "
            "above");
  EXPECT_EQ(error_of("layer < }"),
            "t.prototxt:1:9: \"layer\", opened at line 1 with \"<\", closes with \">\", "
            "received \"}\"");
  EXPECT_EQ(error_of("name: \"abc\nlayer {}"),
            "t.prototxt:1:7: the text that starts here is not closed; add the missing \" before "
            "the end of the line");
  EXPECT_EQ(error_of("name \"abc\""),
            "t.prototxt:1:6: expected \":\" and a value after \"name\", received the text "
            "\"abc\"");
  EXPECT_EQ(
      error_of("input: [\"a\" \"b\" 3]"),
      "t.prototxt:1:17: expected \",\" or \"]\" in the list of \"input\", received the number 3");
  EXPECT_EQ(error_of("name: \xE2\x80\x9Cx\xE2\x80\x9D"),
            "t.prototxt:1:7: typographic quotation mark; strings use the plain \" or '");
  EXPECT_EQ(error_of("name: \"\\q\""),
            "t.prototxt:1:7: unknown escape \\q; write \\\\ for a backslash");
  EXPECT_EQ(error_of("input_dim: 08"),
            "t.prototxt:1:12: a number with a leading zero is octal (digits 0 to 7); remove the "
            "leading zero");
}

TEST(Prototxt, FailureLeavesTheMessageUnchanged) {
  proto::NetParameter net;
  net.set_name("before");
  EXPECT_THROW(parse_prototxt("name: \"after\" nosuch: 1", "t", &net), UserError);
  EXPECT_EQ(net.name(), "before");
}

TEST(Prototxt, LinesOfLayersAndTheirFieldsAreKept) {
  NetLines lines;
  parse(
      "name: \"n\"\n"
      "layer {\n"
      "  name: \"a\"\n"
      "  bottom: \"x\" bottom: \"y\"\n"
      "  bottom: [\"z\",\n"
      "           \"w\"]\n"
      "}\n"
      "\n"
      "layer { name: \"b\" inner_product_param { num_output: 2 } }\n",
      &lines);
  const SourceMap& map = lines.at("");
  EXPECT_EQ(map.file, "t.prototxt");
  ASSERT_EQ(map.layers.size(), 2u);
  EXPECT_EQ(map.layers[0].line, 2);
  EXPECT_EQ(map.layers[0].line_of("bottom", 1), 4);
  EXPECT_EQ(map.layers[0].line_of("bottom", 3), 6);
  EXPECT_EQ(map.layers[0].line_of("top"), 2);
  EXPECT_EQ(map.layers[1].line, 9);
  proto::LayerParameter layer;
  layer.set_name("a");
  layer.set_type("Eltwise");
  EXPECT_EQ(describe_layer(&map, layer, 0, "bottom", 2), "t.prototxt:5: layer \"a\" (Eltwise)");
  EXPECT_EQ(describe_layer(nullptr, layer, 0), "layer \"a\" (Eltwise)");
}

TEST(Prototxt, NetsInsideASolverHaveTheirOwnLines) {
  NetLines lines;
  parse<proto::SolverParameter>(
      "base_lr: 1\n"
      "train_net_param {\n"
      "  layer { name: \"a\" } }\n"
      "test_net_param { layer { } }\n"
      "test_net_param {\n"
      "  layer { } }\n",
      &lines);
  EXPECT_EQ(lines.at("train_net_param").layers.at(0).line, 3);
  EXPECT_EQ(lines.at("test_net_param[0]").layers.at(0).line, 4);
  EXPECT_EQ(lines.at("test_net_param[1]").layers.at(0).line, 6);
}

// A printed message as Caffe logs it; the numbers need 6, 9 and exponent digits, the text octal
// escapes.
TEST(Print, MatchesCaffesText) {
  const std::string text =
      "name: \"a\\\"\\'\\\\\\n\\303\\251\"\n"
      "force_backward: false\n"
      "layer {\n"
      "  name: \"l\"\n"
      "  loss_weight: 0.1\n"
      "  loss_weight: 1e-08\n"
      "  loss_weight: 0.333333343\n"
      "  loss_weight: 100000\n"
      "  loss_weight: 1e+06\n"
      "  loss_weight: 16777217\n"
      "  loss_weight: -0\n"
      "  loss_weight: inf\n"
      "  loss_weight: nan\n"
      "  blobs {\n"
      "    shape {\n"
      "      dim: 2\n"
      "      dim: -3\n"
      "    }\n"
      "    double_data: 0.1\n"
      "    double_data: 0.33333333333333331\n"
      "  }\n"
      "  pooling_param {\n"
      "  }\n"
      "}\n";
  std::string expected = text;
  expected.replace(expected.find("16777217"), 8, "16777216");  // the nearest float
  EXPECT_EQ(to_prototxt(parse(text)), expected);
}

// The messages inside Caffe's recorded logs: lines `. ...` after `... from parameters: `.
TEST(Print, ReproducesTheMessagesOfRecordedLogs) {
  int messages = 0;
  for (const std::string name : {"train.txt", "train_extra.txt"}) {
    std::ifstream in(std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/caffe/cli/" + name);
    ASSERT_TRUE(in) << name;
    std::string line;
    while (std::getline(in, line)) {
      if (!line.ends_with("from parameters: ")) continue;
      const bool solver = line.find("solver") != std::string::npos;
      std::string text;
      while (in.peek() == '.' && std::getline(in, line)) text += line.substr(2) + "\n";
      EXPECT_EQ(
          solver ? to_prototxt(parse<proto::SolverParameter>(text)) : to_prototxt(parse(text)),
          text);
      ++messages;
    }
  }
  EXPECT_EQ(messages, 6);
}

TEST(Print, FieldsOfOtherVersionsAreShownByNumber) {
  proto::NetState state;
  state.set_level(3);
  auto* unknown = state.GetReflection()->MutableUnknownFields(&state);
  unknown->AddVarint(90, 7);
  unknown->AddFixed32(91, 255);
  unknown->AddFixed64(92, 1);
  unknown->AddLengthDelimited(93, "\xff!");
  unknown->AddLengthDelimited(94)->assign("\x08\x05");
  EXPECT_EQ(
      to_prototxt(state),
      "level: 3\n90: 7\n91: 0x000000ff\n92: 0x0000000000000001\n93: \"\\377!\"\n94 {\n  1: 5\n}\n");
  EXPECT_EQ(to_prototxt(state), state.DebugString());
}

class NetFileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    const std::string path = ::testing::TempDir() + "trivium_net_file_" + name;
    std::ofstream(path, std::ios::binary) << content;
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const std::string& path : paths_) std::remove(path.c_str());
  }
  std::vector<std::string> paths_;
};

TEST_F(NetFileTest, ReadsTextAndBinaryOfTheSameNet) {
  const std::string text =
      "name: \"n\"\nlayer {\n  name: \"a\"\n  type: \"Input\"\n  top: \"x\"\n}\n";
  const NetFile from_text = read_net_file(write("a.prototxt", text));
  const NetFile from_binary =
      read_net_file(write("a.caffemodel", from_text.net.SerializeAsString()));
  EXPECT_EQ(to_prototxt(from_text.net), text);
  EXPECT_EQ(to_prototxt(from_binary.net), text);
  EXPECT_EQ(from_text.lines.layers.at(0).line, 2);
  EXPECT_TRUE(from_binary.lines.layers.empty());
  EXPECT_TRUE(from_text.log.empty());
}

TEST_F(NetFileTest, UpgradeKeepsLinesParallel) {
  const NetFile file =
      read_net_file(write("v1.prototxt",
                          "input: \"d\" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 1\n"
                          "layers { name: \"r\" type: RELU bottom: \"d\" top: \"r\" }\n"
                          "layers { name: \"s\" type: TANH bottom: \"r\" top: \"s\" }\n"));
  ASSERT_EQ(file.net.layer_size(), 3);
  ASSERT_EQ(file.lines.layers.size(), 3u);
  EXPECT_EQ(file.lines.layers[0].line, 0);
  EXPECT_EQ(file.lines.layers[1].line, 2);
  EXPECT_EQ(file.lines.layers[2].line, 3);
  EXPECT_EQ(file.log.size(), 5u);
}

TEST_F(NetFileTest, MissingAndDamagedFilesAreNamed) {
  try {
    read_net_file("nowhere/lenet.prototxt");
    FAIL() << "a missing file was read";
  } catch (const EnvironmentError& error) {
    EXPECT_EQ(std::string(error.what()),
              "nowhere/lenet.prototxt: cannot open: No such file or directory");
  }
  EXPECT_THROW(read_net_file(::testing::TempDir()), EnvironmentError);
  const std::string cut = write("cut.caffemodel", std::string("\x0a\x05"
                                                              "ab\x01",
                                                              5));
  EXPECT_EQ(user_error_of([&] { read_net_file(cut); }),
            cut +
                ": the content is binary but not a serialised NetParameter; the file is damaged, "
                "cut short or of "
                "another kind");
}

}  // namespace
}  // namespace trivium::caffe
