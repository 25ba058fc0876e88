// kill -9 at random moments of a training run: the newest snapshot is whole every time, and the run
// that goes on from it ends with the very weights of a run that was never stopped.
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/tools/run_program.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"
#include "trivium/formats/idx.h"

namespace trivium::tools {
namespace {

constexpr char kNet[] = R"(
name: "mlp"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.00390625 mirror: true }
        data_param { source: "digits" batch_size: 16 backend: LMDB } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
        inner_product_param { num_output: 24 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "drop1" type: "Dropout" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
)";

constexpr char kSolver[] = R"(
net: "net.prototxt"
base_lr: 0.02
momentum: 0.9
weight_decay: 0.0005
lr_policy: "step"
gamma: 0.5
stepsize: 100
max_iter: 300
snapshot: 12
snapshot_prefix: "run"
random_seed: 3
)";

/// 500 digits of MNIST's test set, so that passes and snapshots do not line up.
void make_database(const fs::path& path) {
  const std::string folder = std::string(TRIVIUM_SOURCE_DIR) + "/data/mnist/";
  const Array images = formats::read_idx(folder + "t10k-images-idx3-ubyte.gz").array;
  const Array labels = formats::read_idx(folder + "t10k-labels-idx1-ubyte.gz").array;
  const auto writer = formats::DatabaseWriter::create(path, formats::DatabaseKind::lmdb);
  Array image(Shape{1, 28, 28}, DType::u8);
  for (int i = 0; i < 500; ++i) {
    std::memcpy(image.raw(), images.data<uint8_t>() + i * 784, 784);
    writer->put(fmt::format("{:08}", i), formats::serialize_datum(formats::array_to_datum(
                                             image, labels.data<uint8_t>()[i])));
  }
  writer->commit();
}

/// The state file of the highest iteration, "" when there is none. Every one there must be whole.
std::string newest_state(const Workplace& place) {
  std::string newest;
  int best = -1;
  for (const auto& entry : fs::directory_iterator(place.path())) {
    if (entry.path().extension() != ".solverstate") continue;
    const formats::SolverStateFile state = formats::load_solver_state(entry.path());
    EXPECT_NO_THROW(formats::load_weights(place / state.learned_net)) << entry.path();
    if (state.iter > best) {
      best = state.iter;
      newest = entry.path().filename();
    }
  }
  return newest;
}

void remove_snapshots(const Workplace& place) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(place.path()))
    if (entry.path().filename().string().starts_with("run_iter_")) files.push_back(entry.path());
  for (const fs::path& file : files) fs::remove(file);
}

TEST(Kill, AnyMomentLeavesAWholeSnapshotFromWhichTheRunEndsTheSame) {
  const Workplace place("kill");
  make_database(place / "digits");
  write_text(place / "net.prototxt", kNet);
  write_text(place / "solver.prototxt", kSolver);
  const std::vector<std::string> train = {"train", "-solver", "solver.prototxt", "-logtostderr"};
  const auto start = std::chrono::steady_clock::now();
  const Ran whole = run_program(place, "caffe", train);
  ASSERT_EQ(whole.status, 0) << whole.err;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string expected = read_text(place / "run_iter_300.caffemodel");
  ASSERT_FALSE(expected.empty());

  std::mt19937 random(20);
  int resumed = 0;
  for (int kill_number = 0; kill_number < 20; ++kill_number) {
    SCOPED_TRACE(kill_number);
    remove_snapshots(place);
    const pid_t child = start_program(place, "caffe", train);
    const double moment = seconds * std::uniform_real_distribution<double>(0.05, 1.0)(random);
    std::this_thread::sleep_for(std::chrono::duration<double>(moment));
    kill(child, SIGKILL);
    wait_for(child);
    const std::string state = newest_state(place);
    std::vector<std::string> again = train;
    if (!state.empty()) {
      ++resumed;
      again.insert(again.end(), {"-snapshot", state});
    }
    const Ran rest = run_program(place, "caffe", again);
    ASSERT_EQ(rest.status, 0) << rest.err;
    ASSERT_TRUE(read_text(place / "run_iter_300.caffemodel") == expected)
        << "resumed from " << state;
  }
  EXPECT_GE(resumed, 8) << "most moments should come after the first snapshot";
}

TEST(Signals, InterruptStopsWithASnapshotAndHangUpWritesOneAndGoesOn) {
  const Workplace place("signals");
  make_database(place / "digits");
  write_text(place / "net.prototxt", kNet);
  std::string solver = kSolver;
  solver.replace(solver.find("max_iter: 300"), 13, "max_iter: 1000000000");
  solver.replace(solver.find("snapshot: 12"), 12, "display: 1");
  write_text(place / "solver.prototxt", solver);
  const pid_t child =
      start_program(place, "caffe", {"train", "-solver", "solver.prototxt", "-logtostderr"});
  const auto wait_until = [&](const std::string& text) {
    for (int i = 0; i < 1500; ++i) {
      if (read_text(place / "err").find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  };
  EXPECT_TRUE(wait_until("Iteration 3,"));
  kill(child, SIGHUP);
  EXPECT_TRUE(wait_until("Snapshotting solver state"));
  kill(child, SIGINT);
  EXPECT_EQ(wait_for(child), 0);
  const std::string err = read_text(place / "err");
  EXPECT_NE(err.find("Optimization stopped early."), std::string::npos);
  EXPECT_NE(err.rfind("Snapshotting solver state"), err.find("Snapshotting solver state"))
      << "one for each signal";
}

}  // namespace
}  // namespace trivium::tools
