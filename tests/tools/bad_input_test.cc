// What goes wrong in real life, one program run each: a clear message that names file and place,
// exit status 1, nothing half-written and nothing lost.
#include "tests/tools/run_program.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"

namespace trivium::tools {
namespace {

const fs::path kFiles = fs::path(TRIVIUM_SOURCE_DIR) / "tests/golden/cli/files";

class BadInput : public testing::Test {
 protected:
  BadInput() : place_("bad") { fs::copy(kFiles, place_.path()); }

  /// Runs both programs on a solver; each must refuse it with every one of these parts in its
  /// message.
  void refused(const std::string& solver, const std::vector<std::string>& parts,
               std::vector<std::string> more = {}) {
    std::vector<std::string> caffe = {"train", "-solver", solver},
                             trivium = {"train", "--solver", solver};
    for (size_t i = 0; i + 1 < more.size(); i += 2) {
      caffe.insert(caffe.end(), {"-" + more[i], more[i + 1]});
      trivium.insert(trivium.end(), {"--" + more[i], more[i + 1]});
    }
    for (const bool ours : {true, false}) {
      const Ran ran = run_program(place_, ours ? "trivium" : "caffe", ours ? trivium : caffe);
      EXPECT_EQ(ran.status, 1) << ran.err;
      for (const std::string& part : parts)
        EXPECT_NE(ran.err.find(part), std::string::npos) << part << "\n" << ran.err;
    }
    for (const auto& entry : fs::directory_iterator(place_.path()))
      EXPECT_EQ(entry.path().filename().string().find("_iter_"), std::string::npos) << entry.path();
  }

  void net(const std::string& text) {
    write_text(place_ / "n.prototxt", text);
    write_text(place_ / "s.prototxt",
               "net: \"n.prototxt\"\nbase_lr: 0.1\nlr_policy: \"fixed\"\nmax_iter: 3\n");
  }

  void database(const std::string& name, int records, int label) {
    const auto writer = formats::DatabaseWriter::create(place_ / name, formats::DatabaseKind::lmdb);
    for (int i = 0; i < records; ++i)
      writer->put(fmt::format("{:08}", i), formats::serialize_datum(formats::array_to_datum(
                                               Array::zeros(Shape{1, 2, 2}, DType::u8), label)));
    writer->commit();
  }

  static std::string data_net(const std::string& source) {
    return "layer { name: \"data\" type: \"Data\" top: \"data\" top: \"label\" data_param { "
           "source: \"" +
           source +
           "\" batch_size: 2 backend: LMDB } }\n"
           "layer { name: \"ip\" type: \"InnerProduct\" bottom: \"data\" top: \"ip\" "
           "inner_product_param { num_output: 3 } }\n"
           "layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"ip\" bottom: \"label\" top: "
           "\"loss\" }\n";
  }

  Workplace place_;
};

TEST_F(BadInput, UnknownFieldAndLayer) {
  net("name: \"x\"\nlayer { name: \"a\" typ: \"ReLU\" }\n");
  refused("s.prototxt", {"n.prototxt:2", "typ", "did you mean"});
  net("name: \"x\"\nlayer { name: \"a\" type: \"Rellu\" bottom: \"b\" top: \"a\" }\n");
  refused("s.prototxt", {"n.prototxt:2", "Rellu"});
}

TEST_F(BadInput, UnknownBottomAndWrongShape) {
  net(data_net("db") + "layer { name: \"r\" type: \"ReLU\" bottom: \"ipp\" top: \"r\" }\n");
  database("db", 4, 1);
  refused("s.prototxt", {"n.prototxt:4", "ipp", "did you mean \"ip\"?"});
  net(data_net("db") +
      "layer { name: \"e\" type: \"Eltwise\" bottom: \"ip\" bottom: \"data\" top: \"e\" }\n");
  refused("s.prototxt", {"n.prototxt:4", "\"e\" (Eltwise)", "[2, 3]", "[2, 1, 2, 2]"});
}

TEST_F(BadInput, DatabaseThatIsMissingOrEmpty) {
  net(data_net("nothere"));
  refused("s.prototxt", {"n.prototxt:1", "nothere"});
  database("empty", 0, 0);
  net(data_net("empty"));
  refused("s.prototxt", {"empty"});
}

TEST_F(BadInput, LabelOutOfRange) {
  database("db", 4, 7);
  net(data_net("db"));
  refused("s.prototxt", {"7", "loss"});
}

TEST_F(BadInput, WeightsOfAnotherNet) {
  database("db", 4, 1);
  net(data_net("db"));
  std::string text = read_text(place_ / "n.prototxt");
  text.replace(text.find("name: \"ip\""), 10, "name: \"ip1\"");
  write_text(place_ / "n.prototxt", text);
  refused("s.prototxt", {"init.caffemodel", "ip1", "[4, 5]", "[3, 4]"},
          {"weights", "init.caffemodel"});
}

TEST_F(BadInput, SnapshotThatIsCutShortOrNoSnapshot) {
  ASSERT_EQ(run_program(place_, "caffe", words_of("train -solver solver_two.prototxt")).status, 0);
  write_text(place_ / "solver_two.prototxt",
             read_text(place_ / "solver_two.prototxt") + "snapshot: 1\n");
  ASSERT_EQ(run_program(place_, "caffe", words_of("train -solver solver_two.prototxt")).status, 0);
  const std::string state = read_text(place_ / "solver_two_iter_1.solverstate");
  for (const char* name : {"solver_two_iter_1.caffemodel", "solver_two_iter_2.caffemodel",
                           "solver_two_iter_2.solverstate"})
    fs::rename(place_ / name,
               place_ / (std::string("kept_") + name[16] + (name[18] == 'c' ? "m" : "s")));
  fs::remove(place_ / "solver_two_iter_1.solverstate");
  write_text(place_ / "cut.state", state.substr(0, state.size() / 2));
  refused("solver_two.prototxt", {"cut.state"}, {"snapshot", "cut.state"});
  refused("solver_two.prototxt", {"train.h5"}, {"snapshot", "train.h5"});
  refused("solver_two.prototxt", {"nothere.solverstate"}, {"snapshot", "nothere.solverstate"});
}

TEST_F(BadInput, LossThatIsNotANumber) {
  std::string solver = read_text(place_ / "solver_two.prototxt");
  solver.replace(solver.find("base_lr: 0.05"), 13, "base_lr: 1e30");
  solver.replace(solver.find("max_iter: 2"), 11, "max_iter: 9");
  write_text(place_ / "solver_two.prototxt", solver);
  refused("solver_two.prototxt", {"loss", "two.prototxt:", "base_lr"},
          {"weights", "init.caffemodel"});
}

TEST_F(BadInput, FolderOfSnapshotsThatIsNotThere) {
  std::string solver = read_text(place_ / "solver.prototxt");
  solver.replace(solver.find("\"snap\""), 6, "\"missing/snap\"");
  write_text(place_ / "s.prototxt", solver);
  refused("s.prototxt", {"missing/snap", "snapshot_prefix"});
}

TEST_F(BadInput, FullDiskLosesNothing) {
  // A limit on the size of files stands in for a full disk: writing the model fails part of the
  // way.
  ASSERT_EQ(run_program(place_, "caffe",
                        words_of("train -solver solver.prototxt -weights init.caffemodel"))
                .status,
            0);
  const std::string before = read_text(place_ / "snap_iter_5.caffemodel");
  write_text(place_ / "full.sh", "trap '' XFSZ\nulimit -f 0\n'" + program("caffe") +
                                     "' train -solver solver.prototxt -weights init.caffemodel "
                                     "-logtostderr 2>/dev/null\n");
  const int status = std::system(("cd '" + place_.path().string() + "' && sh full.sh").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(read_text(place_ / "snap_iter_5.caffemodel"), before);
  for (const auto& entry : fs::directory_iterator(place_.path()))
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
}

}  // namespace
}  // namespace trivium::tools
