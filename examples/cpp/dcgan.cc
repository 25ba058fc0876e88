// Two nets against each other: one paints pictures from noise, the other tells them from real ones
// (here: soft blobs at random places). The losses are those of the DCGAN paper.
//
//   example_dcgan [--short]
#include <cstring>

#include "trivium/nn.h"

using namespace trivium;      // NOLINT: an example
using namespace trivium::nn;  // NOLINT

constexpr int64_t kNoise = 16;

Sequential generator() {
  const auto up = [](int64_t in, int64_t out, int64_t stride, int64_t padding) {
    return ConvTranspose2d(
        {.in = in, .out = out, .kernel = 4, .stride = stride, .padding = padding, .bias = false});
  };
  return Sequential{up(kNoise, 32, 1, 0), BatchNorm2d(32), ReLU(true),      up(32, 16, 2, 1),
                    BatchNorm2d(16),      ReLU(true),      up(16, 1, 2, 1), Tanh()};
}

Sequential critic() {
  return Sequential{Conv2d(1, 16, 4, {.stride = 2, .padding = 1, .bias = false}),
                    LeakyReLU(0.2, true),
                    Conv2d(16, 32, 4, {.stride = 2, .padding = 1, .bias = false}),
                    BatchNorm2d(32),
                    LeakyReLU(0.2, true),
                    Conv2d(32, 1, 4, {.bias = false}),
                    Flatten(0)};
}

void draw_weights(Module& m) {
  if (m.type_name().rfind("Conv", 0) == 0) init::normal_(m.get_parameter("weight"), 0, 0.02);
  if (m.type_name().rfind("BatchNorm", 0) == 0) init::normal_(m.get_parameter("weight"), 1, 0.02);
}

/// [n, 1, 16, 16] in [-1, 1]: a blob each.
Tensor blobs(int64_t n) {
  const Tensor axis = arange(16, {.dtype = float32});
  const Tensor x = axis.view(1, 16, 1) - rand({n, 1, 1}) * 16,
               y = axis.view(1, 1, 16) - rand({n, 1, 1}) * 16;
  return ((x.square() + y.square()) * -0.1).exp().unsqueeze(1) * 2 - 1;
}

int main(int argc, char** argv) {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  start();
  manual_seed(0);
  Sequential paint = generator(), judge = critic();
  paint.apply(draw_weights);
  judge.apply(draw_weights);
  optim::Adam paint_step(paint.parameters(), {.lr = 2e-3, .betas = {0.5, 0.999}});
  optim::Adam judge_step(judge.parameters(), {.lr = 2e-3, .betas = {0.5, 0.999}});
  BCEWithLogitsLoss loss;
  const int64_t n = 32;
  const Tensor real_label = ones({n}), fake_label = zeros({n});
  for (int step = 0; step < (brief ? 5 : 200); ++step) {
    const Tensor fake = paint(randn({n, kNoise, 1, 1}));
    judge_step.zero_grad();
    const Tensor wrong = loss(judge(blobs(n)), real_label) + loss(judge(fake.detach()), fake_label);
    wrong.backward();
    judge_step.step();
    paint_step.zero_grad();
    const Tensor seen_through = loss(judge(fake), real_label);
    seen_through.backward();
    paint_step.step();
    if (step % (brief ? 2 : 20) == 0)
      fmt::print("step {:3}  judge {:.4f}  painter {:.4f}\n", step, wrong.item(),
                 seen_through.item());
  }
  NoGradGuard no_grad;
  paint.eval();
  const Tensor picture = paint(randn({1, kNoise, 1, 1})).view(16, 16);
  for (int64_t r = 0; r < 16; r += 2) {
    for (int64_t c = 0; c < 16; ++c)
      fmt::print("{}", " .:*#"[static_cast<int>((picture[r][c].item() + 1) * 2.49)]);
    fmt::print("\n");
  }
}
