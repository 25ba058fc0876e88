// Digits with a small convolutional net: the MNIST program of the PyTorch examples. Without the
// data files it trains on noise, whose labels can only be learnt by heart.
//
//   example_mnist [--short] [folder with MNIST/raw]
#include <cstring>

#include "trivium/data.h"
#include "trivium/nn.h"

using namespace trivium;      // NOLINT: an example
using namespace trivium::nn;  // NOLINT
namespace F = functional;

struct Net : Module {
  Conv2d conv1 = add("conv1", Conv2d(1, 32, 3)), conv2 = add("conv2", Conv2d(32, 64, 3));
  Dropout dropout1 = add("dropout1", Dropout(0.25)), dropout2 = add("dropout2", Dropout(0.5));
  Linear fc1 = add("fc1", Linear(9216, 128)), fc2 = add("fc2", Linear(128, 10));
  Tensor forward(const Tensor& x) override {
    Tensor y = conv2(conv1(x).relu()).relu();
    y = dropout1(F::max_pool2d(y, 2)).flatten(1);
    return fc2(dropout2(fc1(y).relu())).log_softmax(1);
  }
};

data::DatasetRef digits(const std::string& root, bool train, bool brief) {
  const data::Transform transform =
      data::Compose({data::ToTensor(), data::Normalize({.1307}, {.3081})});
  if (!root.empty()) return data::MNIST({.root = root, .train = train, .transform = transform});
  return data::FakeData(
      {.size = brief ? 256 : 2048, .image_size = {1, 28, 28}, .transform = transform});
}

double accuracy(Net& net, const data::DataLoader& loader) {
  NoGradGuard no_grad;
  net.eval();
  double right = 0, seen = 0;
  for (const data::Batch& batch : loader) {
    const Tensor guess = net(Tensor(batch[0])).argmax(1);
    right += guess.eq(Tensor(batch[1])).sum().item();
    seen += static_cast<double>(guess.numel());
  }
  return right / seen;
}

int main(int argc, char** argv) {
  bool brief = false;
  std::string root;
  for (int i = 1; i < argc; ++i)
    std::strcmp(argv[i], "--short") == 0 ? void(brief = true) : void(root = argv[i]);
  start();
  manual_seed(1);
  const data::DataLoader train(
      {.dataset = digits(root, true, brief), .batch_size = 64, .shuffle = true});
  const data::DataLoader test({.dataset = digits(root, false, brief), .batch_size = 256});
  Net net;
  optim::Adadelta optimizer(net.parameters(), {.lr = 1});
  optim::lr_scheduler::StepLR scheduler(optimizer, 1, 0.7);
  for (int epoch = 1; epoch <= (brief ? 1 : 5); ++epoch) {
    net.train();
    int step = 0;
    for (const data::Batch& batch : train) {
      optimizer.zero_grad();
      const Tensor loss = nll_loss(net(Tensor(batch[0])), Tensor(batch[1]));
      loss.backward();
      optimizer.step();
      if (step++ % 100 == 0)
        fmt::print("epoch {} step {:4} loss {:.4f}\n", epoch, step, loss.item());
    }
    scheduler.step();
    fmt::print("epoch {}: {:.2f}% right\n", epoch, 100 * accuracy(net, test));
  }
  save(net.state_dict(), "mnist_cnn.pt");
}
