// The program `caffe` against recordings of Caffe's own: the same command lines in the same folder,
// one after the other, must say the same things. Where Caffe aborts (status 134) ours must come to
// an F line and status 1, having said nothing that Caffe did not say before it.
#include <map>

#include "tests/tools/run_program.h"
#include "trivium/formats/caffemodel.h"

namespace trivium::tools {
namespace {

const fs::path kGolden = fs::path(TRIVIUM_SOURCE_DIR) / "tests/golden/cli";

struct Recording {
  std::string command;
  int status = 0;
  std::vector<std::string> out, log;
};

Recording load(const std::string& name) {
  Recording recording;
  for (const std::string& line : lines_of(read_text(kGolden / (name + ".txt")))) {
    if (line.starts_with("# caffe "))
      recording.command = line.substr(8);
    else if (line.starts_with("# exit "))
      recording.status = std::stoi(line.substr(7));
    else if (line.starts_with("> "))
      recording.out.push_back(line.substr(2));
    else if (!line.starts_with("#"))
      recording.log.push_back(line);
  }
  return recording;
}

/// Compares as many lines as both have, or all of them.
void expect_lines(const std::vector<std::string>& ours, const std::vector<std::string>& theirs,
                  bool all) {
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i)
    ASSERT_TRUE(same_line(ours[i], theirs[i]))
        << "line " << i << "\n  ours  " << ours[i] << "\n  Caffe " << theirs[i];
  if (all) {
    ASSERT_EQ(ours.size(), theirs.size());
  }
  ASSERT_LE(ours.size(), theirs.size()) << "said more than Caffe: " << ours[theirs.size()];
}

std::vector<std::string> before_death(const std::vector<std::string>& log) {
  std::vector<std::string> lines;
  for (const std::string& line : log) {
    if (line.starts_with("F ")) break;
    if (line.find("[libprotobuf ERROR") == std::string::npos) lines.push_back(line);
  }
  return lines;
}

class Cli : public testing::Test {
 protected:
  Cli() : place_("cli") { fs::copy(kGolden / "files", place_.path()); }

  Ran run(const std::string& name) {
    const Recording recording = load(name);
    return run_program(place_, "caffe", words_of(recording.command));
  }

  void replay(const std::string& name) {
    SCOPED_TRACE(name);
    const Recording recording = load(name);
    const Ran ran = run_program(place_, "caffe", words_of(recording.command));
    const std::vector<std::string> log = log_lines(ran.err);
    if (recording.status != 134) {
      EXPECT_EQ(ran.status, recording.status) << ran.err;
      expect_lines(log, recording.log, true);
      return;
    }
    EXPECT_EQ(ran.status, 1) << ran.err;
    expect_lines(before_death(log), before_death(recording.log), false);
    size_t fatal = 0;
    for (const std::string& line : log) fatal += line.starts_with("F ") && line.size() > 20;
    EXPECT_EQ(fatal, 1u) << ran.err;
  }

  /// Removes what Caffe's own state files do not have: generator and data position.
  void as_caffe_wrote(const std::string& state) {
    formats::SolverStateFile file = formats::load_solver_state(place_ / state);
    file.resume.clear();
    formats::save_solver_state(place_ / state, file);
  }

  Workplace place_;
};

TEST_F(Cli, TrainsResumesAndTestsAsCaffe) {
  replay("train");
  as_caffe_wrote("snap_iter_5.solverstate");
  replay("train_resume");
  replay("train_hdf5_snapshot");
  as_caffe_wrote("snaph_iter_4.solverstate.h5");
  replay("train_hdf5_resume");
  replay("test");
  replay("test_h5_weights");
  replay("test_two_losses");
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(place_.path())) {
    const std::string name = entry.path().filename();
    if (!fs::exists(kGolden / "files" / name) && entry.is_regular_file() && name != "out" &&
        name != "err")
      left.push_back(name);
  }
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, lines_of(read_text(kGolden / "files_after.txt")));
}

TEST_F(Cli, LogsEverySolverOptionAsCaffe) {
  replay("train_extra");
  replay("train_two_losses");
  replay("train_two_losses_stage");
  replay("train_debug_info");
}

TEST_F(Cli, TimesEveryLayer) {
  replay("time");
  replay("time_test_phase");
}

TEST_F(Cli, RefusesWrongCommandLines) {
  for (const char* name :
       {"unknown_command", "unknown_flag", "bad_flag_value", "no_solver", "no_weights", "no_model",
        "bad_phase", "snapshot_and_weights", "bad_effect", "bad_gpu", "gpu_build", "device_query"})
    replay(name);
}

TEST_F(Cli, RefusesWrongFiles) {
  for (const char* name : {"missing_solver_file", "missing_weights_file", "bad_field",
                           "bad_required", "bad_twice", "bad_policy", "bad_type", "bad_both",
                           "bad_adagrad", "bad_nets", "bad_nonet", "bad_test_iter"})
    replay(name);
  for (const auto& entry : fs::directory_iterator(place_.path()))
    EXPECT_EQ(entry.path().filename().string().find("_iter_"), std::string::npos) << entry.path();
}

TEST_F(Cli, ErrorsNameFileAndLine) {
  EXPECT_NE(run("bad_field").err.find("bad_field.prototxt:2"), std::string::npos);
  EXPECT_NE(run("bad_field").err.find("nosuchfield"), std::string::npos);
  EXPECT_NE(run("bad_twice").err.find("bad_twice.prototxt:2"), std::string::npos);
  EXPECT_NE(run("missing_solver_file").err.find("nothere.prototxt"), std::string::npos);
  for (const char* type : {"AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD"})
    EXPECT_NE(run("bad_type").err.find(type), std::string::npos) << type;
}

TEST_F(Cli, ShowsHelpOnStdoutWithoutOneCommand) {
  for (const char* name : {"none", "two_words"}) {
    const Ran ran = run(name);
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.err, "");
    for (const char* part : {"usage: caffe <command> <args>", "  train ", "  test ",
                             "  device_query ", "  time ", "-sighup_effect"})
      EXPECT_NE(ran.out.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(run_program(place_, "caffe", {"-help"}).status, 1);
  const Ran version = run("version");
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, load("version").out[0] + "\n");
}

TEST_F(Cli, AcceptsEverySpellingOfAFlag) {
  for (const char* command :
       {"test -model net.prototxt --weights=init.caffemodel -iterations 1",
        "--iterations 1 -weights=init.caffemodel test --model net.prototxt -logtostderr -v 1"}) {
    const Ran ran = run_program(place_, "caffe", words_of(command));
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_NE(ran.err.find("Running for 1 iterations."), std::string::npos);
  }
  write_text(place_ / "flags",
             "# a comment\n-model=net.prototxt\n-weights=init.caffemodel\n-iterations=1\n");
  EXPECT_EQ(run_program(place_, "caffe", {"test", "-flagfile", "flags"}).status, 0);
}

TEST_F(Cli, WritesLogFilesWithALinkToTheNewest) {
  fs::create_directories(place_ / "here");
  const Ran ran = run_program(
      place_, "caffe",
      words_of("test -model net.prototxt -weights init.caffemodel -iterations 1 -log_dir here"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const std::string text = read_text(place_ / "here/caffe.INFO");
  EXPECT_TRUE(text.starts_with("Log file created at: "));
  EXPECT_NE(text.find(ran.err), std::string::npos) << "the file holds all that went to stderr";
  EXPECT_EQ(ran.out, "");
  bool named = false;
  for (const auto& entry : fs::directory_iterator(place_ / "here"))
    named |= std::regex_match(entry.path().filename().string(),
                              std::regex(R"(caffe\..+\..+\.log\.INFO\.\d{8}-\d{6}\.\d+)"));
  EXPECT_TRUE(named);
}

}  // namespace
}  // namespace trivium::tools
