// A net of two layers fitted to random numbers: the program that is written four ways in the
// README, here in the notation that computes as you write. With a seed the losses are PyTorch's.
//
//   example_four_ways_mlp [--short] [seed]
#include <cstdlib>
#include <cstring>

#include "trivium/nn.h"

namespace tv = trivium;

int main(int argc, char** argv) {
  bool brief = false;
  int64_t seed = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--short") == 0)
      brief = true;
    else
      seed = std::atoll(argv[i]);
  }
  tv::start();
  tv::manual_seed(seed);
  const auto x = tv::randn({64, 1000}), y = tv::randn({64, 10});
  auto model =
      tv::nn::Sequential{tv::nn::Linear(1000, 100), tv::nn::ReLU(), tv::nn::Linear(100, 10)};
  auto adam = tv::optim::Adam(model.parameters(), {.lr = 1e-4});
  for (int step = 0; step < (brief ? 20 : 500); ++step) {
    const auto loss = tv::nn::mse_loss(model(x), y, tv::nn::Reduction::sum);
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step % (brief ? 5 : 50) == 0) fmt::print("step {:3}  loss {:.6f}\n", step, loss.item());
  }
}
