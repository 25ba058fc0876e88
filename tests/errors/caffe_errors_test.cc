// What a person reads when a net, its data or its files are wrong: file, line, layer, both shapes,
// the remedy. After every refusal the folder holds what it held before.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/notations/caffe/golden.h"
#include "tests/notations/caffe/net_fixture.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium::caffe {
namespace {

namespace fs = std::filesystem;

/// A folder with a database of eight 1x2x2 records and a net of one InnerProduct layer on it.
class CaffeErrors : public ::testing::Test {
 protected:
  CaffeErrors()
      : place_(fs::temp_directory_path() / ("trivium_caffe_errors_" + std::to_string(getpid()))) {
    cpu::register_backend();
    fs::remove_all(place_);
    fs::create_directories(place_);
    database("db", 8, 1);
    net(kNet);
  }
  ~CaffeErrors() override {
    fs::permissions(place_, fs::perms::owner_all);
    fs::remove_all(place_);
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(place_ / name, std::ios::binary) << text;
  }
  std::string read(const std::string& name) {
    std::ifstream in(place_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void net(const std::string& text) { write("net.prototxt", text); }

  void database(const std::string& name, int records, int label, int height = 2) {
    const auto out =
        formats::DatabaseWriter::create((place_ / name).string(), formats::DatabaseKind::lmdb);
    for (int i = 0; i < records; ++i)
      out->put(fmt::format("{:08}", i),
               formats::serialize_datum(
                   formats::array_to_datum(Array::full(Shape{1, height, 2}, 1, DType::u8), label)));
    out->commit();
  }

  std::unique_ptr<Solver> solver(const std::string& more = "") {
    write("solver.prototxt", "net: \"net.prototxt\" lr_policy: \"fixed\" " + more);
    SolverOptions options;
    options.folder = place_.string();
    return std::make_unique<Solver>(read_solver_file((place_ / "solver.prototxt").string()),
                                    options);
  }
  void train(const std::string& more = "base_lr: 0.1 max_iter: 4") { solver(more)->solve(); }

  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(place_))
      if (entry.is_regular_file() && entry.path().extension() != ".prototxt" &&
          entry.path().filename() != "lock.mdb")
        out[entry.path().string()] = read(fs::relative(entry.path(), place_).string());
    return out;
  }

  /// `action` must throw a Kind whose message has every one of `parts`, and change no file.
  template <typename Kind = UserError, typename Action>
  void refused(Action&& action, const std::vector<std::string>& parts) {
    const auto before = files();
    std::string message;
    try {
      action();
    } catch (const Kind& error) {
      message = error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "another kind of error: " << error.what();
      return;
    }
    if (message.empty()) ADD_FAILURE() << "expected an error";
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "missing: " << part << "\n" << message;
    EXPECT_TRUE(files() == before) << "files changed";
    if (std::getenv("TRIVIUM_SHOW_ERRORS")) std::printf("%s\n\n", message.c_str());
  }

  inline static const std::string kNet =
      "layer { name: \"data\" type: \"Data\" top: \"data\" top: \"label\"\n"
      "  data_param { source: \"db\" batch_size: 4 backend: LMDB } }\n"
      "layer {\n"
      "  name: \"ip\" type: \"InnerProduct\" bottom: \"data\" top: \"ip\"\n"
      "  inner_product_param { num_output: 3 weight_filler { type: \"xavier\" } } }\n"
      "layer {\n"
      "  name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"ip\" bottom: \"label\"\n"
      "  top: \"loss\" }\n";
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    return text.replace(text.find(what), what.size(), by);
  }

  fs::path place_;
};

TEST_F(CaffeErrors, AnUnknownBottomIsReportedWordForWord) {
  std::ifstream in(std::string(TRIVIUM_SOURCE_DIR) + "/examples/mnist/lenet.prototxt");
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const size_t ip2 = text.find("type: \"InnerProduct\"", text.find("name: \"ip2\""));
  const size_t bottom = text.find("bottom: \"", ip2);
  ASSERT_NE(bottom, std::string::npos);
  const size_t end = text.find('"', bottom + 9);
  text.replace(bottom, end + 1 - bottom, "bottom: \"ip1x\"");
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(bottom), '\n');
  write("lenet.prototxt", text);
  const NetFile file = read_net_file((place_ / "lenet.prototxt").string());
  NetOptions options;
  options.lines = file.lines;
  const std::string message = user_error_of([&] { Net(file.net, options); });
  EXPECT_EQ(message,
            fmt::format("{}:{}: layer \"ip2\" (InnerProduct): no earlier layer makes the bottom "
                        "\"ip1x\"; did you mean \"ip1\"?",
                        (place_ / "lenet.prototxt").string(), line));
}

TEST_F(CaffeErrors, AnUnknownFieldNamesLineColumnAndNeighbour) {
  net(replaced(kNet, "num_output", "num_outputs"));
  refused([&] { train(); }, {"net.prototxt:5", "num_outputs", "did you mean \"num_output\"?"});
}

TEST_F(CaffeErrors, AnUnknownLayerNamesItsNeighbour) {
  net(replaced(kNet, "\"InnerProduct\"", "\"InnerProdukt\""));
  refused([&] { train(); },
          {"net.prototxt:", "layer \"ip\"", "InnerProdukt", "did you mean \"InnerProduct\"?"});
}

TEST_F(CaffeErrors, AWrongShapeShowsOperandsRuleAndLayer) {
  net(kNet +
      "layer { name: \"sum\" type: \"Eltwise\" bottom: \"ip\" bottom: \"data\" top: \"sum\" }\n");
  refused([&] { train(); }, {"net.prototxt:9: layer \"sum\" (Eltwise)", "[4, 3]", "[4, 1, 2, 2]"});
  net(kNet +
      "layer { name: \"c\" type: \"Convolution\" bottom: \"data\" top: \"c\"\n"
      "  convolution_param { num_output: 2 kernel_size: 5 } }\n");
  refused([&] { train(); }, {"net.prototxt:", "layer \"c\" (Convolution)", "5", "[4, 1, 2, 2]"});
}

TEST_F(CaffeErrors, AMissingDatabaseIsNamedWithItsLayer) {
  net(replaced(kNet, "\"db\"", "\"nowhere\""));
  refused<EnvironmentError>([&] { train(); },
                            {"net.prototxt:", "layer \"data\" (Data)", "nowhere"});
  EXPECT_FALSE(fs::exists(place_ / "nowhere"));
}

TEST_F(CaffeErrors, AnEmptyDatabaseIsNamedWithItsLayer) {
  database("empty", 0, 0);
  net(replaced(kNet, "\"db\"", "\"empty\""));
  refused([&] { train(); }, {"net.prototxt:", "layer \"data\" (Data)", "empty"});
}

TEST_F(CaffeErrors, ALabelOutOfRangeNamesLayerValueAndWhatIsAllowed) {
  database("labels", 8, 7);
  net(replaced(kNet, "\"db\"", "\"labels\""));
  refused([&] { train("base_lr: 0.1 max_iter: 4 snapshot: 1 snapshot_prefix: \"s\""); },
          {"net.prototxt:", "layer \"loss\" (SoftmaxWithLoss)", "label 7", "0", "2"});
}

TEST_F(CaffeErrors, WeightsOfAnotherNetShowBothShapesAndTheRemedy) {
  solver("base_lr: 0.1 snapshot_prefix: \"w\"")->snapshot();
  net(replaced(kNet, "num_output: 3", "num_output: 5"));
  refused([&] { train("base_lr: 0.1 max_iter: 4 weights: \"w_iter_0.caffemodel\""); },
          {"w_iter_0.caffemodel: layer \"ip\"", "[3, 4]", "[5, 4]",
           "net.prototxt:", "layer \"ip\" (InnerProduct)", "rename the layer"});
}

TEST_F(CaffeErrors, ARefusedWeightFileChangesNoWeight) {
  const std::string two =
      kNet +
      "layer { name: \"ip2\" type: \"InnerProduct\" bottom: \"data\" top: \"ip2\"\n"
      "  inner_product_param { num_output: 2 weight_filler { type: \"xavier\" } } }\n"
      "layer { name: \"end\" type: \"Silence\" bottom: \"ip2\" }\n";
  net(two);
  solver("base_lr: 0.1 snapshot_prefix: \"w\"")->snapshot();
  net(replaced(two, "num_output: 2", "num_output: 6"));
  const auto other = solver("base_lr: 0.1");
  const Array before = other->net().params()[0].cell->value().clone();
  refused([&] { other->net().copy_trained_from((place_ / "w_iter_0.caffemodel").string()); },
          {"ip2"});
  const Array after = other->net().params()[0].cell->value();
  for (int64_t i = 0; i < before.count(); ++i) EXPECT_EQ(after.at(i), before.at(i));
}

TEST_F(CaffeErrors, ATruncatedSnapshotIsNamedAndRefused) {
  for (const std::string format : {"BINARYPROTO", "HDF5"}) {
    const std::string settings =
        "base_lr: 0.1 momentum: 0.9 snapshot_prefix: \"cut\" snapshot_format: " + format;
    const std::string state = solver(settings)->snapshot();
    const std::string whole = read(state);
    for (const size_t keep : {whole.size() / 2, size_t{0}}) {
      write("broken_" + state, whole.substr(0, keep));
      const auto again = solver(settings);
      refused<Error>([&] { again->restore("broken_" + state); }, {"broken_" + state});
      EXPECT_EQ(again->iter(), 0);
    }
  }
}

TEST_F(CaffeErrors, ASnapshotThatIsMissingIsNamed) {
  refused<EnvironmentError>([&] { solver("base_lr: 0.1")->solve("none.solverstate"); },
                            {"none.solverstate"});
}

TEST_F(CaffeErrors, ALossThatIsNotANumberNamesIterationLayerAndRemedy) {
  net(replaced(replaced(kNet, "\"SoftmaxWithLoss\"", "\"EuclideanLoss\""), "num_output: 3",
               "num_output: 1"));
  refused([&] { train("base_lr: 1e30 snapshot: 50 snapshot_prefix: \"nan\" max_iter: 40"); },
          {"the loss of iteration", "net.prototxt:", "layer \"loss\" (EuclideanLoss)",
           "nothing was written", "lower base_lr"});
}

TEST_F(CaffeErrors, AFolderOfSnapshotsThatIsMissingStopsTrainingBeforeItStarts) {
  refused<EnvironmentError>(
      [&] { train("base_lr: 0.1 max_iter: 4 snapshot: 2 snapshot_prefix: \"missing/run\""); },
      {"snapshot_prefix \"missing/run\"", "make the folder"});
}

}  // namespace
}  // namespace trivium::caffe
