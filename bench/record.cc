// What recording costs, and the two small training steps whose time it decides: nanoseconds an op
// with and without history, and milliseconds a step of mlp_sgd and mlp_adam (64 x 1000 x 100 x 10).
//
//   bench_record [rounds]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "trivium/nn.h"

namespace trivium {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

constexpr int kOps = 10000;

/// Seconds a recorded addition; the chain is run afterwards, outside the time.
double recording(bool history) {
  const nn::Tensor start = nn::rand({8}).requires_grad_(history), step = nn::rand({8});
  nn::Tensor x = start;
  const auto begin = Clock::now();
  for (int i = 0; i < kOps; ++i) x = x + step;
  const double time = seconds(begin) / kOps;
  record::submit();
  return time;
}

template <typename Optimizer>
double training(Optimizer& optimizer, nn::Module& model, const nn::Tensor& x, const nn::Tensor& y) {
  constexpr int kSteps = 200;
  const auto begin = Clock::now();
  for (int i = 0; i < kSteps; ++i) {
    const nn::Tensor loss = nn::mse_loss(model(x), y, nn::Reduction::sum);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  return seconds(begin) / kSteps;
}

}  // namespace

int bench_record(int rounds) {
  start();
  nn::manual_seed(0);
  const nn::Tensor x = nn::randn({64, 1000}), y = nn::randn({64, 10});
  nn::Sequential model{nn::Linear(1000, 100), nn::ReLU(), nn::Linear(100, 10)};
  optim::SGD sgd(model.parameters(), {.lr = 1e-6});
  optim::Adam adam(model.parameters(), {.lr = 1e-6});
  std::vector<double> plain, history, sgd_step, adam_step;
  for (int r = 0; r < rounds + 1; ++r) {  // the first warms up
    const double a = recording(false), b = recording(true), c = training(sgd, model, x, y),
                 d = training(adam, model, x, y);
    if (r == 0) continue;
    plain.push_back(a);
    history.push_back(b);
    sgd_step.push_back(c);
    adam_step.push_back(d);
  }
  std::printf("record an op            %8.1f ns\n", median(plain) * 1e9);
  std::printf("record an op, history   %8.1f ns\n", median(history) * 1e9);
  std::printf("mlp_sgd                 %8.3f ms a step\n", median(sgd_step) * 1e3);
  std::printf("mlp_adam                %8.3f ms a step\n", median(adam_step) * 1e3);
  return 0;
}

}  // namespace trivium

int main(int argc, char** argv) { return trivium::bench_record(argc > 1 ? std::atoi(argv[1]) : 5); }
