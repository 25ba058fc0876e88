// Long training loops: memory stays flat while every loss is kept, and looking at losses changes no
// number.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "trivium/nn.h"
#include "trivium/notations/nn/print.h"

namespace trivium::nn {
namespace {

class LongRun : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

/// Resident memory of this process in bytes.
int64_t resident_bytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

struct Training {
  Training() {
    manual_seed(3);
    x = randn({16, 32});
    y = randn({16, 4});
  }
  Tensor step() {
    const Tensor loss = mse_loss(net(x), y);
    adam.zero_grad();
    loss.backward();
    adam.step();
    return loss;
  }
  Tensor x, y;
  Sequential net{Linear(32, 32), ReLU(), Linear(32, 4)};
  optim::Adam adam{net.parameters(), {.lr = 1e-3}};
};

TEST_F(LongRun, KeepingEveryLossKeepsMemoryFlat) {
  constexpr int kWarm = 1000, kSteps = 10000;
  Training training;
  std::vector<Tensor> losses;
  losses.reserve(kSteps);
  for (int i = 0; i < kWarm; ++i) losses.push_back(training.step());
  const int64_t warm = resident_bytes();
  for (int i = kWarm; i < kSteps; ++i) losses.push_back(training.step());
  const int64_t grown = resident_bytes() - warm;
#ifdef TRIVIUM_SANITIZED
  const int64_t held_back = int64_t{1} << 29;  // freed memory that a sanitizer keeps from reuse
#else
  const int64_t held_back = 0;
#endif
  // A kept loss is a number, its handle and the history's nodes without their tensors; tensors that
  // stayed alive would be 2 kB each.
  EXPECT_LT(grown, int64_t{(kSteps - kWarm) * 2048} + held_back)
      << "bytes for " << kSteps - kWarm << " losses";
  EXPECT_LT(losses.back().item(), losses.front().item());
  EXPECT_EQ(losses.front().grad_op(), "mean");
}

TEST_F(LongRun, PrintingEveryLossChangesNoNumber) {
  constexpr int kSteps = 200;
  std::vector<double> quiet, printed;
  {
    Training training;
    std::vector<Tensor> losses;
    for (int i = 0; i < kSteps; ++i) losses.push_back(training.step());
    for (const Tensor& loss : losses) quiet.push_back(loss.item());
  }
  {
    Training training;
    for (int i = 0; i < kSteps; ++i) {
      const Tensor loss = mse_loss(training.net(training.x), training.y);
      EXPECT_NE(to_string(loss).find("tensor("), std::string::npos);  // before the backward pass
      training.adam.zero_grad();
      loss.backward();
      EXPECT_NE(to_string(training.net.parameters()[0].grad()).find("tensor("), std::string::npos);
      training.adam.step();
      printed.push_back(loss.item());
    }
  }
  EXPECT_EQ(printed, quiet);
}

}  // namespace
}  // namespace trivium::nn
