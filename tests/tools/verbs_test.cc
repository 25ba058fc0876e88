// The verbs of `trivium`: what they print, what they write, and what they refuse.
#include "tests/tools/run_program.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/npy.h"

#include <nlohmann/json.hpp>

namespace trivium::tools {
namespace {

const std::string kSource = TRIVIUM_SOURCE_DIR;
const fs::path kFiles = fs::path(kSource) / "tests/golden/cli/files";

Ran trivium(const Workplace& place, const std::vector<std::string>& arguments) {
  return run_program(place, "trivium", arguments);
}

TEST(Verbs, EachHasHelpWithAnExample) {
  const Workplace place("help");
  for (const char* verb :
       {"train", "test", "time", "check", "explain", "convert", "inspect", "bench", "ops"}) {
    const Ran ran = trivium(place, {verb, "--help"});
    EXPECT_EQ(ran.status, 0) << verb;
    EXPECT_NE(ran.out.find(std::string("example: trivium ") + verb), std::string::npos) << verb;
  }
  EXPECT_EQ(trivium(place, {}).status, 1);
  EXPECT_EQ(trivium(place, {"fly"}).status, 1);
  EXPECT_EQ(trivium(place, {"train"}).status, 1);
}

TEST(Train, ShowsPlainLinesOffTerminalsAndWritesReportAndTrace) {
  const Workplace place("train");
  fs::copy(kFiles, place.path());
  const Ran ran =
      trivium(place, {"train", "--solver", "solver.prototxt", "--weights", "init.caffemodel",
                      "--report", "r.html", "--trace", "trace.json", "--threads", "1"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_NE(ran.out.find("10/10  loss "), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find('\r'), std::string::npos);
  const std::string html = read_text(place / "r.html");
  for (const char* part : {"test accuracy", "Loss", "Accuracy", "Learning rate",
                           "trivium train --solver solver.prototxt", "InnerProduct"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  const auto trace = nlohmann::json::parse(read_text(place / "trace.json"));
  EXPECT_GT(trace["traceEvents"].size(), 10u);
  EXPECT_TRUE(fs::exists(place / "snap_iter_10.solverstate"));
  const Ran quiet = trivium(place, {"train", "--solver", "solver.prototxt", "--resume",
                                    "snap_iter_5.solverstate", "--quiet"});
  EXPECT_EQ(quiet.status, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
}

TEST(Train, GivesTheSameWeightsAsCaffesProgram) {
  const Workplace place("train_same");
  fs::copy(kFiles, place.path());
  ASSERT_EQ(trivium(place, {"train", "--solver", "solver.prototxt", "--weights", "init.caffemodel"})
                .status,
            0);
  const formats::WeightsFile ours = formats::load_weights(place / "snap_iter_10.caffemodel");
  ASSERT_EQ(run_program(place, "caffe",
                        words_of("train -solver solver.prototxt -weights init.caffemodel"))
                .status,
            0);
  const formats::WeightsFile theirs = formats::load_weights(place / "snap_iter_10.caffemodel");
  ASSERT_EQ(ours.layers.size(), theirs.layers.size());
  for (size_t l = 0; l < ours.layers.size(); ++l)
    for (size_t i = 0; i < ours.layers[l].blobs.size(); ++i)
      EXPECT_EQ(std::memcmp(ours.layers[l].blobs[i].raw(), theirs.layers[l].blobs[i].raw(),
                            ours.layers[l].blobs[i].bytes()),
                0);
}

TEST(Train, ReportThatCannotBeWrittenIsRefusedBeforeTraining) {
  const Workplace place("train_report");
  fs::copy(kFiles, place.path());
  const Ran ran =
      trivium(place, {"train", "--solver", "solver.prototxt", "--report", "missing/r.html"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("missing/r.html"), std::string::npos) << ran.err;
  EXPECT_FALSE(fs::exists(place / "snap_iter_5.caffemodel"));
}

TEST(Check, ShowsShapesParametersArithmeticAndMemoryWithoutData) {
  const Workplace place("check");
  const std::string net = kSource + "/examples/mnist/lenet_train_test.prototxt";
  const Ran ran = trivium(place, {"check", net, "--input-shape", "data=64,1,28,28"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  for (const char* part : {"conv1", "[64, 20, 24, 24]", "520", "431080", "[64, 500]",
                           "intermediate values", "lower bound"})
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << "\n" << ran.out;
  // conv1: 64 images, 20 x 24 x 24 outputs of 25 multiply-adds each: 36.9 MFLOP
  EXPECT_NE(ran.out.find("36.9 M"), std::string::npos) << ran.out;
  const Ran missing = trivium(place, {"check", net});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("--input-shape"), std::string::npos) << missing.err;
  EXPECT_NE(missing.err.find("mnist_train_lmdb"), std::string::npos) << missing.err;
  const Ran wrong = trivium(place, {"check", net, "--input-shape", "dta=64,1,28,28"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("data"), std::string::npos);
  EXPECT_EQ(trivium(place, {"check", net, "--input-shape", "data=64,x"}).status, 1);
}

TEST(Explain, ShowsThePlanOfNetAndSolver) {
  const Workplace place("explain");
  fs::copy(kFiles, place.path());
  const Ran net = trivium(place, {"explain", "net.prototxt", "--forward-only"});
  ASSERT_EQ(net.status, 0) << net.err;
  EXPECT_NE(net.out.find("steps"), std::string::npos);
  EXPECT_NE(net.out.find("# ip1"), std::string::npos) << net.out;
  const Ran solver = trivium(place, {"explain", "solver.prototxt"});
  ASSERT_EQ(solver.status, 0) << solver.err;
  EXPECT_GT(solver.out.size(), net.out.size());
}

TEST(Time, ListsLayersOrSteps) {
  const Workplace place("time");
  fs::copy(kFiles, place.path());
  const Ran layers = trivium(place, {"time", "--model", "net.prototxt", "--iterations", "3"});
  ASSERT_EQ(layers.status, 0) << layers.err;
  for (const char* part : {"ip1", "backward ms", "sum", "3 passes"})
    EXPECT_NE(layers.out.find(part), std::string::npos) << part;
  EXPECT_NE(trivium(place, {"time", "--model", "net.prototxt", "--by", "op"}).out.find("GFLOP/s"),
            std::string::npos);
}

TEST(Test, PrintsMeansOfEveryOutput) {
  const Workplace place("test_verb");
  fs::copy(kFiles, place.path());
  const Ran ran = trivium(place, {"test", "--model", "net.prototxt", "--weights", "init.caffemodel",
                                  "--iterations", "2"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_NE(ran.out.find("accuracy = 0.333333"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("per_class[2] = 0"), std::string::npos) << ran.out;
}

TEST(Convert, GoesRoundThroughEveryFormat) {
  const Workplace place("convert");
  fs::copy(kFiles, place.path());
  for (const auto& [in, out] :
       std::vector<std::pair<std::string, std::string>>{{"init.caffemodel", "a.npz"},
                                                        {"a.npz", "b.h5"},
                                                        {"b.h5", "c.caffemodel"},
                                                        {"c.caffemodel", "d.caffemodel"}}) {
    const Ran ran = trivium(place, {"convert", in, out});
    ASSERT_EQ(ran.status, 0) << in << " to " << out << ": " << ran.err;
    EXPECT_NE(ran.out.find("[4, 5]"), std::string::npos) << ran.out;
    EXPECT_NE(ran.out.find("39"), std::string::npos) << "parameters in all";
  }
  const formats::WeightsFile first = formats::load_weights(place / "init.caffemodel"),
                             last = formats::load_weights(place / "d.caffemodel");
  for (const auto& layer : first.layers) {
    if (layer.blobs.empty()) continue;
    const formats::LayerWeights* other = last.find(layer.name);
    ASSERT_NE(other, nullptr) << layer.name;
    for (size_t i = 0; i < layer.blobs.size(); ++i) {
      ASSERT_EQ(other->blobs[i].shape(), layer.blobs[i].shape());
      EXPECT_EQ(std::memcmp(other->blobs[i].raw(), layer.blobs[i].raw(), layer.blobs[i].bytes()),
                0);
    }
  }
  EXPECT_EQ(formats::NpzFile(place / "a.npz").read("ip1/0").shape(), (Shape{4, 5}));
  const Ran ran = run_program(
      place, "caffe", words_of("test -model net.prototxt -weights d.caffemodel -iterations 1"));
  EXPECT_EQ(ran.status, 0) << ran.err;
}

TEST(Convert, BringsOldDefinitionsToTheNewestFormat) {
  const Workplace place("convert_old");
  write_text(place / "old.prototxt",
             "layers { name: \"r\" type: RELU bottom: \"x\" top: \"y\" }\n");
  ASSERT_EQ(trivium(place, {"convert", "old.prototxt", "new.prototxt"}).status, 0);
  EXPECT_NE(read_text(place / "new.prototxt").find("type: \"ReLU\""), std::string::npos);
  EXPECT_EQ(trivium(place, {"convert", "old.prototxt", "weights.npz"}).status, 1);
  EXPECT_EQ(trivium(place, {"convert", "old.prototxt", "weights.xyz"}).status, 1);
  EXPECT_EQ(trivium(place, {"convert", "nothere.caffemodel", "weights.npz"}).status, 1);
  EXPECT_FALSE(fs::exists(place / "weights.npz"));
}

TEST(Ops, DescribesEveryOpAndSuggestsNames) {
  const Workplace place("ops");
  EXPECT_NE(trivium(place, {"ops"}).out.find("conv_bwd_data"), std::string::npos);
  const Ran one = trivium(place, {"ops", "softmax"});
  EXPECT_EQ(one.status, 0);
  EXPECT_TRUE(one.out.starts_with("## softmax\n")) << one.out;
  EXPECT_EQ(one.out.find("\n## "), std::string::npos);
  const Ran wrong = trivium(place, {"ops", "sofmax"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("softmax"), std::string::npos);
}

TEST(Bench, PrintsOneLineOfJsonAWorkloadAndAccountsForTheStep) {
  const Workplace place("bench");
  const Ran ran =
      trivium(place, {"bench", "lenet_train_b64", "--json", "--rounds", "3", "--seconds", "0.1",
                      "--threads", "1", "--nets", kSource + "/bench"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto line = nlohmann::json::parse(ran.out);
  EXPECT_EQ(line["peer"], "trivium");
  EXPECT_EQ(line["workload"], "lenet_train_b64");
  EXPECT_EQ(line["threads"], 1);
  EXPECT_GT(line["ms"].get<double>(), 0);
  EXPECT_LE(line["min"].get<double>(), line["ms"].get<double>());
  EXPECT_GT(line["first_s"].get<double>(), 0);
  const Ran gap = trivium(place, {"bench", "lenet_train_b64", "--explain-gap", "--seconds", "0.1",
                                  "--nets", kSource + "/bench"});
  ASSERT_EQ(gap.status, 0) << gap.err;
  double sum = 0, step = 0;
  for (const char* part :
       {"floor", "kernels above floor", "reorders", "dispatch", "outside", "step"}) {
    std::smatch match;
    const std::regex row(std::string("\n  ") + part + R"( +(-?[0-9.]+) ms)");
    ASSERT_TRUE(std::regex_search(gap.out, match, row)) << part << "\n" << gap.out;
    (std::string(part) == "step" ? step : sum) += std::stod(match[1]);
  }
  EXPECT_NEAR(sum, step, 0.005 + 0.001 * step) << gap.out;
  EXPECT_EQ(trivium(place, {"bench", "lenet_b64"}).status, 1);
}

}  // namespace
}  // namespace trivium::tools
