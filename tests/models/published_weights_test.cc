// Weights that others trained and published, read from their PyTorch files, give the accuracy that
// PyTorch gets with them. ResNet-20 needs its file and CIFAR-10, named by environment variables.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "trivium/formats/cifar.h"
#include "trivium/formats/idx.h"
#include "trivium/models.h"

namespace trivium::models {
namespace {

using nn::Tensor;

class PublishedWeights : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

/// Pixels of 0 to 255 as the nets were trained on them: scaled to [0, 1], then per channel less
/// mean and divided by deviation.
Tensor normalised(const Array& pixels, const std::vector<double>& mean,
                  const std::vector<double>& deviation) {
  const auto channels = static_cast<int64_t>(mean.size());
  const Tensor x = nn::from_array(pixels).to(nn::float32) / 255.0;
  const Tensor m = nn::tensor(mean, {1, channels, 1, 1}).to(nn::float32);
  const Tensor d = nn::tensor(deviation, {1, channels, 1, 1}).to(nn::float32);
  return (x - m) / d;
}

/// How many of the labels are the net's first choice; `first` receives the logits of image 0.
int64_t right(nn::Module& net, const Tensor& images, const std::vector<int64_t>& labels,
              std::vector<float>* first) {
  constexpr int64_t kBatch = 500;
  net.eval();
  nn::NoGradGuard no_grad;
  int64_t count = 0;
  for (int64_t at = 0; at < images.size(0); at += kBatch) {
    const Tensor logits = net(images.narrow(0, at, kBatch));
    if (at == 0) *first = logits.narrow(0, 0, 1).to_vector<float>();
    const std::vector<int64_t> best = logits.argmax(1).to_vector<int64_t>();
    for (int64_t i = 0; i < kBatch; ++i)
      count += best[static_cast<size_t>(i)] == labels[static_cast<size_t>(at + i)];
  }
  return count;
}

template <typename T>
std::vector<int64_t> labels_of(const Array& labels) {
  return {labels.data<T>(), labels.data<T>() + labels.count()};
}

void expect_logits(const std::vector<float>& logits, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double scale = std::max(1.0, std::abs(expected[i]));
    EXPECT_NEAR(logits[i], expected[i], 2e-5 * scale) << i;
  }
}

TEST_F(PublishedWeights, LeNetOnMnist) {
  const std::string root = TRIVIUM_SOURCE_DIR;
  const Array images = formats::read_idx(root + "/data/mnist/t10k-images-idx3-ubyte.gz").array;
  const Array labels = formats::read_idx(root + "/data/mnist/t10k-labels-idx1-ubyte.gz").array;
  LeNet5 net;
  net.load_state_dict(nn::load_state_dict(root + "/tests/golden/convert/lenet.pth"));
  std::vector<float> first;
  const Tensor x = normalised(images.reshaped({10000, 1, 28, 28}), {.1307}, {.3081});
  const int64_t count = right(net, x, labels_of<uint8_t>(labels), &first);
  expect_logits(first, {-93.5782, -77.1122, -40.1646, -182.068, -190.979, -144.917, -166.892,
                        4.45139, -69.3825, -32.9081});
  RecordProperty("right_of_10000", static_cast<int>(count));
  EXPECT_EQ(count, 9813);
}

TEST_F(PublishedWeights, ResNet20OnCifar10) {
  const char* weights = std::getenv("TRIVIUM_RESNET20");
  const char* folder = std::getenv("TRIVIUM_CIFAR10");
  if (!weights || !folder)
    GTEST_SKIP() << "needs TRIVIUM_RESNET20, the path of resnet20-12fca82f.th, and "
                    "TRIVIUM_CIFAR10, the folder of test_batch.bin";
  const formats::CifarBatch batch = formats::read_cifar10(std::string(folder) + "/test_batch.bin");
  nn::StateDict state;  // the file's names start with "module.", which DataParallel adds
  for (const nn::NamedTensor& entry : nn::load_state_dict(weights))
    state.set(entry.first.substr(7), entry.second);
  CifarResNet net = resnet20();
  const nn::LoadResult loaded = net.load_state_dict(state, false);
  EXPECT_TRUE(loaded.unexpected_keys.empty()) << loaded.text();
  for (const std::string& name : loaded.missing_keys)
    EXPECT_TRUE(name.ends_with("num_batches_tracked")) << name;
  std::vector<float> first;
  const Tensor x = normalised(batch.images, {.485, .456, .406}, {.229, .224, .225});
  const int64_t count = right(net, x, labels_of<int32_t>(batch.labels), &first);
  RecordProperty("right_of_10000", static_cast<int>(count));
  std::printf("ResNet-20: %lld of 10000 right\n", static_cast<long long>(count));
  const double original = 9178;  // on the original pixels, as the file itself says
  if (count > 9000) {
    EXPECT_NEAR(static_cast<double>(count), original, 3);
    return;
  }
  // CIFAR-10 decoded from JPEG copies: what PyTorch measures on them.
  EXPECT_NEAR(static_cast<double>(count), 8103, 1);
  expect_logits(first, {-1.86076, -3.5722, 2.78959, -4.65824, 4.39462, -0.327338, -10.8402, 13.1744,
                        0.18354, 0.675321});
}

}  // namespace
}  // namespace trivium::models
