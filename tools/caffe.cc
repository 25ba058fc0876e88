// The program `caffe`: Caffe's command line, flags, log and exit statuses on Trivium's engine.
// Where Caffe aborts, this logs one line of severity F and exits with status 1.
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "tools/caffe_commands.h"
#include "tools/solver_files.h"
#include "tools/tool_main.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

constexpr char kUsage[] =
    "trains and runs nets written as Caffe's text files\n"
    "usage: caffe <command> <args>\n\n"
    "commands:\n"
    "  train           train a model, from scratch, from weights or from a snapshot\n"
    "  test            score a model\n"
    "  device_query    show the GPUs\n"
    "  time            time a model, layer by layer\n\n"
    "example: caffe train -solver examples/mnist/lenet_solver.prototxt";

Gflags caffe_flags() {
  Gflags flags("caffe", kUsage);
  flags.text("gpu", "", "GPU numbers separated by commas, or all; without it the CPU computes")
      .text("solver", "", "train: the solver's prototxt")
      .text("model", "", "test, time: the net's prototxt")
      .text("phase", "", "time: TRAIN or TEST, TRAIN without it")
      .integer("level", 0, "level of the net's state")
      .text("stage", "", "stages of the net's state, separated by commas")
      .text("snapshot", "", "train: solver state to go on from")
      .text("weights", "", "train: weight files separated by commas; test: the weight file")
      .integer("iterations", 50, "test, time: number of iterations")
      .text("sigint_effect", "stop", "train: what Ctrl-C does: snapshot, stop or none")
      .text("sighup_effect", "snapshot", "train: what a hang-up does: snapshot, stop or none");
  return flags;
}

using Command = int (*)(const CaffeRun&);
const std::map<std::string, Command> kCommands = {{"device_query", caffe_device_query},
                                                  {"test", caffe_test},
                                                  {"time", caffe_time},
                                                  {"train", caffe_train}};

int run_command(const CaffeRun& run) {
  if (run.flags.words().size() != 1) {
    fmt::print("{}", run.flags.help());
    return 0;
  }
  const std::string& word = run.flags.words()[0];
  const auto command = kCommands.find(word);
  if (command != kCommands.end()) return command->second(run);
  run.log.error("Available caffe actions:");
  for (const auto& [name, function] : kCommands) run.log.error("\t" + name);
  run.log.fatal("Unknown action: " + word);
  return 1;
}

}  // namespace

std::vector<int> gpus_of(const std::string& flag) {
  std::vector<int> gpus;
  if (flag.empty() || flag == "all") return gpus;  // this build sees none
  for (const std::string& part : split_list(flag)) {
    int id = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), id);
    if (error != std::errc() || end != part.data() + part.size() || id < 0)
      user_error(
          "-gpu: \"{}\" is no GPU number; expected numbers separated by commas, as in 0,1, or all",
          part);
    gpus.push_back(id);
  }
  return gpus;
}

void choose_device(const CaffeRun& run, const std::vector<int>& gpus) {
  if (gpus.empty()) return run.log.info("Use CPU.");
  run.log.info(fmt::format("Using GPUs {}", fmt::join(gpus, ", ")));
  user_error(
      "Cannot use GPU {}: this build of Trivium computes on the CPU only; leave out -gpu, and say "
      "solver_mode: CPU in the solver",
      gpus[0]);
}

int caffe_device_query(const CaffeRun& run) {
  const std::string& flag = run.flags.text("gpu");
  run.log.info("Querying GPUs " + flag);
  for (int id : gpus_of(flag))
    user_error("Cannot use GPU {}: this build of Trivium computes on the CPU only", id);
  return 0;
}

std::unique_ptr<caffe::Net> model_net(const CaffeRun& run, caffe::proto::Phase phase) {
  caffe::LogLines upgrades;
  const auto print = [&] {
    for (const caffe::LogLine& line : upgrades) run.log.forward(line.level, line.text);
  };
  caffe::NetFile file;
  try {
    file = caffe::read_net_file(run.flags.text("model"), &upgrades);
  } catch (...) {
    print();
    throw;
  }
  print();
  caffe::NetOptions options;
  options.phase = phase;
  options.level = run.flags.integer("level");
  options.stages = split_list(run.flags.text("stage"));
  options.lines = std::move(file.lines);
  options.log = run.sink();
  return std::make_unique<caffe::Net>(file.net, std::move(options));
}

}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  return run_tool(caffe_flags(), argc, argv, [](const Gflags& flags, Glog& log) {
    return run_command({flags, log});
  });
}
