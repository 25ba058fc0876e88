// ResNet-18 on 32x32 pictures: momentum, weight decay, one cycle of learning rates, checkpoints of
// model and optimizer. Without the data files it trains on noise.
//
//   example_cifar_resnet [--short] [folder with cifar-10-batches-py]
#include <cstring>

#include "trivium/data.h"
#include "trivium/models.h"

using namespace trivium;      // NOLINT: an example
using namespace trivium::nn;  // NOLINT

data::DatasetRef pictures(const std::string& root, bool brief) {
  const data::Transform transform =
      data::Compose({data::RandomHorizontalFlip(), data::ToTensor(),
                     data::Normalize({.4914, .4822, .4465}, {.2470, .2435, .2616})});
  if (!root.empty()) return data::CIFAR10({.root = root, .transform = transform});
  return data::FakeData(
      {.size = brief ? 16 : 1024, .image_size = {3, 32, 32}, .transform = transform});
}

int main(int argc, char** argv) {
  bool brief = false;
  std::string root;
  for (int i = 1; i < argc; ++i)
    std::strcmp(argv[i], "--short") == 0 ? void(brief = true) : void(root = argv[i]);
  start();
  manual_seed(0);
  const int64_t epochs = brief ? 1 : 10, batch_size = brief ? 8 : 128;
  const data::DataLoader loader({.dataset = pictures(root, brief),
                                 .batch_size = batch_size,
                                 .shuffle = true,
                                 .drop_last = true});
  auto net = models::resnet18({.num_classes = 10});
  optim::SGD optimizer(net.parameters(),
                       {.lr = 0.1, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
  optim::lr_scheduler::OneCycleLR schedule(optimizer, 0.1,
                                           {.epochs = epochs, .steps_per_epoch = loader.size()});
  CrossEntropyLoss criterion({.label_smoothing = 0.1});
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    int step = 0;
    for (const data::Batch& batch : loader) {
      const Tensor loss = criterion(net(Tensor(batch[0])), Tensor(batch[1]));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      schedule.step();
      if (step++ % 50 == 0)
        fmt::print("epoch {} step {:4} loss {:.4f} lr {:.4f}\n", epoch, step, loss.item(),
                   schedule.get_last_lr()[0]);
    }
    save(net.state_dict(), "cifar_resnet.safetensors");
    save(optimizer.state_dict(), "cifar_resnet.optim.pt");
  }
}
