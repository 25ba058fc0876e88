// Solvers on small nets: one plan for a whole training run, schedules, snapshots that continue bit
// for bit.
#include "trivium/notations/caffe/solver.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "trivium/notations/caffe/lr_policy.h"
#include "trivium/notations/caffe/prototxt.h"

namespace trivium::caffe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNet = R"(
  name: "small"
  layer { name: "data" type: "DummyData" top: "data" top: "label"
    dummy_data_param { shape { dim: 16 dim: 1 dim: 12 dim: 12 } shape { dim: 16 }
      data_filler { type: "gaussian" } data_filler { type: "constant" value: 3 } } }
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3
    weight_filler { type: "xavier" } } }
  layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
  layer { name: "relu" type: "ReLU" bottom: "pool" top: "pool" }
  layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
  layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 10
    weight_filler { type: "xavier" } } }
  layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
)";

SolverFile solver_file(const std::string& fields) {
  SolverFile file;
  parse_prototxt("net_param {" + std::string(kNet) + "} " + fields, "solver.prototxt", &file.solver,
                 &file.nets);
  return file;
}

constexpr const char* kTraining =
    "base_lr: 0.05 momentum: 0.9 weight_decay: 0.001 lr_policy: \"exp\" gamma: 0.999 random_seed: "
    "5 max_iter: 4000 "
    "snapshot_after_train: false test_iter: 2 test_interval: 250 ";

std::vector<float> weights(Solver& solver) {
  std::vector<float> all;
  for (int p : solver.net().learnable()) {
    const Array& a = solver.net().params()[p].cell->value();
    all.insert(all.end(), a.span<float>().begin(), a.span<float>().end());
  }
  return all;
}

TEST(Solver, AThousandStepsUseOnePlanPerNetAndAllocateNothing) {
  std::vector<float> rates;
  SolverOptions options;
  options.on_step = [&](const StepInfo& s) { rates.push_back(s.rate); };
  rates.reserve(2000);
  Solver solver(solver_file(kTraining), options);
  const auto before = compile::cache_counters();
  solver.step(10);
  EXPECT_LE(compile::cache_counters().built - before.built,
            2);      // the train net's and the test net's
  solver.step(240);  // 250 done: the next step begins with a test
  const auto warm = compile::cache_counters();
  for (int block = 0; block < 4; ++block) {
    const int64_t before_test = buffer_allocations();
    solver.step(1);
    EXPECT_LE(buffer_allocations() - before_test, 8);  // the results a test hands out
    const int64_t start = buffer_allocations();
    for (int i = 0; i < 249; ++i) solver.step(1);
    EXPECT_EQ(buffer_allocations(), start) << "block " << block;
  }
  EXPECT_EQ(compile::cache_counters().built, warm.built);
  EXPECT_GT(rates.size(), 1000u);
  EXPECT_LT(rates.back(), rates.front() * 0.5f);
}

TEST(Solver, LossFallsWhenTheLabelIsAlwaysTheSame) {
  float last = 0;
  SolverOptions options;
  options.on_step = [&](const StepInfo& s) { last = s.loss; };
  Solver solver(solver_file(kTraining), options);
  solver.step(200);
  EXPECT_LT(last, 0.05f);
}

TEST(Solver, OneSeedIsOneResult) {
  std::vector<float> results[2];
  for (auto& r : results) {
    Solver solver(solver_file(kTraining));
    solver.step(30);
    r = weights(solver);
  }
  EXPECT_EQ(results[0], results[1]);
}

struct SnapshotTest : ::testing::TestWithParam<const char*> {
  fs::path folder = fs::temp_directory_path() / ("trivium_solver_test_" + std::to_string(getpid()));
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
};

TEST_P(SnapshotTest, AResumedRunEndsWithTheBitsOfOneThatNeverStopped) {
  const std::string fields =
      std::string(kTraining) + "snapshot_prefix: \"" + (folder / "s").string() + "\" " + GetParam();
  Solver whole(solver_file(fields));
  whole.step(20);
  const std::string state = whole.snapshot();
  whole.step(20);
  Solver resumed(solver_file(fields));
  resumed.restore(state);
  EXPECT_EQ(resumed.iter(), 20);
  resumed.step(20);
  EXPECT_EQ(weights(whole), weights(resumed));
}

INSTANTIATE_TEST_SUITE_P(Formats, SnapshotTest,
                         ::testing::Values("", "snapshot_format: HDF5", "type: \"Adam\"",
                                           "iter_size: 2"));

TEST(LrPolicy, EveryPolicyFollowsItsFormula) {
  proto::SolverParameter s;
  s.set_base_lr(0.5f);
  s.set_gamma(0.5f);
  s.set_power(2);
  s.set_stepsize(4);
  s.set_max_iter(10);
  s.add_stepvalue(3);
  int step = 0;
  const auto rate = [&](const char* policy, int iter) {
    s.set_lr_policy(policy);
    return learning_rate(s, iter, &step, nullptr);
  };
  EXPECT_FLOAT_EQ(rate("fixed", 7), 0.5f);
  EXPECT_FLOAT_EQ(rate("step", 9), 0.125f);
  EXPECT_FLOAT_EQ(rate("exp", 2), 0.125f);
  EXPECT_FLOAT_EQ(rate("inv", 2), 0.125f);
  EXPECT_FLOAT_EQ(rate("poly", 5), 0.125f);
  EXPECT_FLOAT_EQ(rate("sigmoid", 4), 0.25f);
  step = 0;
  EXPECT_FLOAT_EQ(rate("multistep", 2), 0.5f);
  EXPECT_FLOAT_EQ(rate("multistep", 3), 0.25f);
  EXPECT_FLOAT_EQ(rate("multistep", 8), 0.25f);
  EXPECT_THROW(rate("nosuch", 0), UserError);
}

TEST(Solver, OptionsThatMakeNoSenseAreRefused) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"base_lr: 1 lr_policy: \"fixed\" type: \"Adm\"", "did you mean \"Adam\"?"},
      {"base_lr: 1 lr_policy: \"fixed\" type: \"AdaGrad\" momentum: 0.9",
       "AdaGrad takes no momentum"},
      {"base_lr: 1 lr_policy: \"fixed\" iter_size: 0", "iter_size"},
      {"base_lr: 1 lr_policy: \"fixed\" test_iter: 1", "test_interval"},
      {"base_lr: 1 lr_policy: \"fixed\" snapshot: 5", "snapshot_prefix"},
      {"base_lr: 1 lr_policy: \"fixed\" net: \"also.prototxt\"", "exactly one"},
      {"base_lr: 1 lr_policy: \"fixed\" weight_decay: 1 regularization_type: \"L3\"", "L1 L2"}};
  for (const auto& [fields, expected] : cases) {
    try {
      Solver solver(solver_file(fields));
      ADD_FAILURE() << fields;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace trivium::caffe
