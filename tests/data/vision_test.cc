// Picture datasets: real MNIST, recorded CIFAR batches, folders and noise.
#include "trivium/data/vision.h"

#include <filesystem>

#include "tests/data/golden.h"
#include "trivium/formats/file.h"

namespace trivium::data {
namespace {

namespace fs = std::filesystem;

const std::string kMnist = TRIVIUM_SOURCE_DIR "/data/mnist";
const std::string kGolden = TRIVIUM_SOURCE_DIR "/tests/golden/data";

/// A folder that goes with the test.
class Folder {
 public:
  explicit Folder(const std::string& name) : path_(testing::TempDir() + "/data_" + name) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  void write(const std::string& file, const std::string& bytes) const {
    fs::create_directories(fs::path(path_ + "/" + file).parent_path());
    formats::write_file_atomically(path_ + "/" + file, bytes);
  }

 private:
  std::string path_;
};

TEST(Vision, MnistComesFromAnyOfItsPlaces) {
  const MNIST plain({.root = kMnist, .train = false});
  EXPECT_EQ(plain.size(), 10000);
  EXPECT_EQ(plain.data().shape(), (Shape{10000, 28, 28, 1}));
  EXPECT_EQ(plain.target(0), 7);
  EXPECT_EQ(plain.get(-1)[1].item(), 6);
  EXPECT_EQ(plain.classes()[7], "7 - seven");
  const Folder folder("mnist");
  for (const char* file : {"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"})
    folder.write(std::string("MNIST/raw/") + file, formats::read_file(kMnist + "/" + file));
  EXPECT_EQ(crc_of(MNIST({.root = folder.path(), .train = false}).data()), crc_of(plain.data()));
  EXPECT_THROW(MNIST({.root = folder.path()}), EnvironmentError);
  EXPECT_THROW(FashionMNIST({.root = folder.path(), .train = false}), EnvironmentError);
}

TEST(Vision, ABatchOfMnistIsItsSamplesStacked) {
  const Transform t = Compose({ToTensor(), Normalize({.1307}, {.3081})});
  const MNIST test(
      {.root = kMnist, .train = false, .transform = t, .target_transform = [](int64_t digit) {
         return digit + 100;
       }});
  const std::vector<int64_t> indices = {5, 9999, 0};
  const Batch batch = test.get_batch(indices);
  std::vector<Sample> samples;
  for (const int64_t i : indices) samples.push_back(test.get(i));
  const Batch expected = collate(samples);
  EXPECT_EQ(batch[0].shape(), (Shape{3, 1, 28, 28}));
  EXPECT_EQ(crc_of(batch[0]), crc_of(expected[0]));
  EXPECT_EQ(crc_of(batch[1]), crc_of(expected[1]));
  EXPECT_EQ(batch[1].at(2), 107);
  EXPECT_FLOAT_EQ(static_cast<float>(batch[0].at(0)), (0.f - .1307f) / .3081f);
  EXPECT_THROW(test.get_batch(std::vector<int64_t>{0, 10000}), UserError);
}

TEST(Vision, CifarReadsPythonBatches) {
  const Folder folder("cifar");
  const std::string batch = formats::read_file(kGolden + "/cifar10_batch");
  for (const char* file : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"})
    folder.write(std::string("cifar-10-batches-py/") + file, batch);
  const CIFAR10 test({.root = folder.path(), .train = false});
  EXPECT_EQ(test.data().shape(), (Shape{2, 32, 32, 3}));
  EXPECT_EQ(crc_text(test.data()), golden("cifar"));
  EXPECT_EQ(test.target(0), 3);
  EXPECT_EQ(test.target(1), 8);
  EXPECT_EQ(CIFAR10({.root = folder.path()}).size(), 10);
  EXPECT_THROW(CIFAR100({.root = folder.path()}), EnvironmentError);
  folder.write("cifar-10-batches-py/test_batch", batch.substr(0, 100));
  EXPECT_THROW(CIFAR10({.root = folder.path(), .train = false}), UserError);
}

TEST(Vision, CifarReadsBinaryBatches) {
  const Folder folder("cifar_binary");
  std::string record(3073, '\0'), fine(3074, '\0');
  for (size_t i = 1; i < record.size(); ++i) record[i] = static_cast<char>(i % 251);
  record[0] = 4;
  fine[0] = 19;
  fine[1] = 99;
  folder.write("test_batch.bin", record + record);
  folder.write("batches.meta.txt", "airplane\nautomobile\n\n");
  folder.write("train.bin", fine);
  const CIFAR10 ten({.root = folder.path(), .train = false});
  EXPECT_EQ(ten.size(), 2);
  EXPECT_EQ(ten.target(1), 4);
  EXPECT_EQ(ten.classes(), (std::vector<std::string>{"airplane", "automobile"}));
  EXPECT_EQ(ten.image(1).at(0), 1);                 // red of the first pixel
  EXPECT_EQ(ten.image(1).at(1), (1 + 1024) % 251);  // green
  EXPECT_EQ(CIFAR100({.root = folder.path()}).target(0), 99);
}

TEST(Vision, FoldersOfPicturesComeInTorchvisionsOrderAndColours) {
  const ImageFolder folder({.root = kGolden + "/folder"});
  EXPECT_EQ(folder.classes(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(folder.class_to_idx().at("dog"), 1);
  ASSERT_EQ(folder.size(), 6);
  for (int64_t i = 0; i < folder.size(); ++i) {
    const auto& [path, label] = folder.samples()[static_cast<size_t>(i)];
    EXPECT_EQ(
        fmt::format("{} {} {}", path.substr(kGolden.size() + 8), label, crc_text(folder.image(i))),
        golden(fmt::format("folder/{}", i)));
  }
}

TEST(Vision, FoldersWithoutPicturesAreRefused) {
  const Folder folder("empty");
  EXPECT_THROW(ImageFolder({.root = folder.path()}), EnvironmentError);
  EXPECT_THROW(ImageFolder({.root = folder.path() + "/none"}), EnvironmentError);
  folder.write("a/notes.txt", "x");
  EXPECT_THROW(ImageFolder({.root = folder.path()}), EnvironmentError);
  EXPECT_EQ(ImageFolder({.root = folder.path(), .allow_empty = true}).size(), 0);
  folder.write("a/broken.png", "no picture");
  folder.write("a/cut.ppm", "P6 4 4 255\nabc");
  folder.write("a/deep.pgm", "P5 2 2 65535\n12345678");
  const ImageFolder broken({.root = folder.path()});
  ASSERT_EQ(broken.size(), 3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_THROW(broken.get(i), UserError);
}

TEST(Vision, PicturesOfDifferentSizesInABatchAreNamed) {
  const ImageFolder folder({.root = kGolden + "/folder", .transform = ToTensor()});
  try {
    folder.get_batch(std::vector<int64_t>{0, 1});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("item 1"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("Resize"), std::string::npos) << e.what();
  }
}

TEST(Vision, FakeDataIsTorchvisions) {
  const FakeData fake({.size = 5, .image_size = {3, 9, 11}, .classes = 7, .random_offset = 3});
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_EQ(fmt::format("{} {}", crc_text(fake.image(i)), fake.target(i)),
              golden(fmt::format("fake/{}", i)));
  EXPECT_THROW(fake.get(5), UserError);
}

}  // namespace
}  // namespace trivium::data
