// Published Caffe models give the numbers that other programs get from the same files
// (tests/golden/models, where each README says where its numbers come from).
#include <cstdlib>
#include <filesystem>

#include "tests/notations/caffe/net_fixture.h"
#include "trivium/formats/cifar.h"
#include "trivium/notations/caffe/net_file.h"

namespace trivium::caffe {
namespace {

const std::string kModels = std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/models/";

/// The input of the recorded numbers: [1, channels, size, size], 256 steps within [-1, 1).
Array ramp(int channels, int size) {
  Array x = Array::zeros(Shape{1, channels, size, size});
  float* out = x.data<float>();
  for (int c = 0; c < channels; ++c)
    for (int h = 0; h < size; ++h)
      for (int w = 0; w < size; ++w)
        *out++ = (static_cast<float>((31 * c + 7 * h + 3 * w) % 256) - 127.5f) / 128;
  return x;
}

std::unique_ptr<Net> open(const NetFile& file) {
  cpu::register_backend();
  NetOptions options;
  options.phase = proto::TEST;
  options.lines = file.lines;
  return std::make_unique<Net>(file.net, std::move(options));
}

std::unique_ptr<Net> open_mtcnn(const std::string& name) {
  auto net = open(read_net_file(kModels + "mtcnn/" + name + ".prototxt"));
  net->copy_trained_from(kModels + "mtcnn/" + name + ".caffemodel");
  return net;
}

/// Compares with numbers printed with six significant digits: half a unit of the last one, and
/// 2e-6 for the rounding of f32 sums in another order (values around 0.1 to 1).
void expect_printed(const Array& got, const std::vector<double>& want) {
  ASSERT_EQ(got.count(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(got.at(static_cast<int64_t>(i)), want[i], 5e-6 * std::abs(want[i]) + 2e-6) << i;
}

void expect_outputs(const std::string& name, int size,
                    const std::vector<std::pair<std::string, std::vector<double>>>& want) {
  const auto net = open_mtcnn(name);
  net->set_input("data", ramp(3, size));
  std::vector<std::string> names;
  for (const auto& [blob, values] : want) names.push_back(blob);
  const std::vector<Array> got = net->forward(names);
  for (size_t i = 0; i < want.size(); ++i) {
    SCOPED_TRACE(name + " " + want[i].first);
    expect_printed(got[i], want[i].second);
  }
}

TEST(Models, MtcnnProposalNetGivesItsReferenceNumbers) {
  expect_outputs("det1", 12,
                 {{"prob1", {0.992073, 0.0079265}},
                  {"conv4-2", {0.0214871, -0.0958362, -0.0106633, 0.0857765}}});
}

TEST(Models, MtcnnRefinementNetGivesItsReferenceNumbers) {
  expect_outputs(
      "det2", 24,
      {{"prob1", {0.957935, 0.0420654}}, {"conv5-2", {0.03595, -0.145227, -0.00348596, 0.149162}}});
}

TEST(Models, MtcnnOutputNetGivesItsReferenceNumbers) {
  expect_outputs("det3", 48,
                 {{"prob1", {0.999837, 0.000163077}},
                  {"conv6-2", {0.0539804, -0.209857, -0.0404806, 0.130007}},
                  {"conv6-3",
                   {0.454911, 0.78056, 0.558306, 0.33898, 0.589898, 0.214605, 0.30927, 0.60017,
                    0.766316, 0.861535}}});
}

// P-Net slides over pictures of any size: the cell at (0, 0) sees the same 12x12 window.
TEST(Models, MtcnnProposalNetIsFullyConvolutional) {
  const auto net = open_mtcnn("det1");
  net->set_input("data", ramp(3, 32));
  const Array prob = net->forward({"prob1"})[0];
  EXPECT_EQ(prob.shape(), (Shape{1, 2, 11, 11}));
  EXPECT_NEAR(prob.at(0), 0.992073, 1e-5);
}

/// The m4 net with its two Data layers (which name databases of their authors' machine) replaced by
/// inputs of `batch` pictures.
std::unique_ptr<Net> open_m4(int batch) {
  const std::string folder = kModels + "caffe_h5_cifar10_m4/";
  NetFile file = read_net_file(folder + "cifar10_m4_train_test.prototxt");
  proto::NetParameter net;
  net.set_name(file.net.name());
  for (const auto& [top, shape] :
       {std::pair{"data", Shape{batch, 3, 32, 32}}, std::pair{"label", Shape{batch}}}) {
    proto::LayerParameter* input = net.add_layer();
    input->set_name(top);
    input->set_type("Input");
    input->add_top(top);
    for (int i = 0; i < shape.rank(); ++i)
      if (i == 0)
        input->mutable_input_param()->add_shape()->add_dim(shape[0]);
      else
        input->mutable_input_param()->mutable_shape(0)->add_dim(shape[i]);
  }
  for (const proto::LayerParameter& layer : file.net.layer())
    if (layer.type() != "Data") *net.add_layer() = layer;
  file.net = net;
  file.lines = {};
  auto built = open(file);
  built->copy_trained_from(folder + "cifar10_m4_iter_70000.caffemodel.h5");
  return built;
}

TEST(Models, CifarM4LoadsFromHdf5) {
  const auto net = open_m4(1);
  Array x = ramp(3, 32);
  for (float& value : x.span<float>()) value *= 100;
  net->set_input("data", x);
  const std::vector<Array> out = net->forward({"ip1", "pool3"});
  EXPECT_EQ(out[1].shape(), (Shape{1, 32, 4, 4}));
  // Computed from the file's arrays in double precision by a few lines of NumPy.
  expect_printed(out[0], {2.366944, -0.5503748, 1.41117, -0.758353, -2.401088, -3.244231, 1.658836,
                          -3.227487, 5.053928, -0.3093418});
}

/// Mean of the training pictures, per pixel and channel, values 0 to 255.
std::vector<double> mean_image(const std::string& folder) {
  std::vector<double> mean(3 * 32 * 32, 0.0);
  for (int file = 1; file <= 5; ++file) {
    const Array images =
        formats::read_cifar10(folder + "/data_batch_" + std::to_string(file) + ".bin").images;
    const uint8_t* pixel = images.data<uint8_t>();
    for (int64_t n = 0; n < images.shape()[0]; ++n)
      for (double& sum : mean) sum += *pixel++;
  }
  for (double& sum : mean) sum /= 50000;
  return mean;
}

TEST(Models, CifarM4ScoresAsPublished) {
  const char* folder = std::getenv("TRIVIUM_CIFAR10");
  if (!folder) GTEST_SKIP() << "set TRIVIUM_CIFAR10 to a folder with CIFAR-10's six .bin files";
  const std::vector<double> mean = mean_image(folder);
  const formats::CifarBatch test = formats::read_cifar10(std::string(folder) + "/test_batch.bin");
  constexpr int kBatch = 100, kPixels = 3 * 32 * 32;
  const auto net = open_m4(kBatch);
  double right = 0;
  for (int64_t first = 0; first < test.images.shape()[0]; first += kBatch) {
    Array x = Array::zeros(Shape{kBatch, 3, 32, 32}), y = Array::zeros(Shape{kBatch});
    for (int i = 0; i < kBatch * kPixels; ++i)
      x.data<float>()[i] =
          static_cast<float>(test.images.data<uint8_t>()[first * kPixels + i] - mean[i % kPixels]);
    for (int i = 0; i < kBatch; ++i)
      y.data<float>()[i] = static_cast<float>(test.labels.data<int32_t>()[first + i]);
    net->set_input("data", x);
    net->set_input("label", y);
    right += net->forward({"accuracy"})[0].at(0) * kBatch;
  }
  // 76.46 % by another implementation; one picture may sit on the fence between two classes.
  EXPECT_NEAR(right, 7646, 1.5);
  RecordProperty("right_of_10000", static_cast<int>(right + 0.5));
  std::printf("m4: %.0f of 10,000 right\n", right);
}

}  // namespace
}  // namespace trivium::caffe
