// convert_cifar_data: the binary batches of CIFAR-10 become a database for training and one for
// testing.
#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "tools/database_build.h"
#include "tools/tool_main.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/cifar.h"

namespace trivium::tools {
namespace {

/// Planes of red, green and blue stay in the file's order.
void convert_files(const std::vector<std::string>& files, DatabaseBuild& database, Glog& log) {
  constexpr int64_t kPixels = 3 * 32 * 32;
  Array image(Shape{3, 32, 32}, DType::u8);
  for (const std::string& file : files) {
    const formats::CifarBatch batch = formats::read_cifar10(file);
    log.info(fmt::format("{}: {} images", file, batch.labels.count()));
    for (int64_t i = 0; i < batch.labels.count(); ++i) {
      std::memcpy(image.raw(), batch.images.data<uint8_t>() + i * kPixels, kPixels);
      formats::proto::Datum datum = formats::array_to_datum(image, batch.labels.data<int32_t>()[i]);
      datum.clear_encoded();
      database.put(fmt::format("{:05}", database.records()), datum);
    }
  }
}

int convert(const Gflags& flags, Glog& log) {
  if (flags.words().size() != 3) {
    fmt::print("{}", flags.help());
    return 0;
  }
  const std::string &in = flags.words()[0], &out = flags.words()[1], &kind = flags.words()[2];
  std::vector<std::string> training;
  for (int i = 1; i <= 5; ++i) training.push_back(fmt::format("{}/data_batch_{}.bin", in, i));
  DatabaseBuild train(fmt::format("{}/cifar10_train_{}", out, kind), kind, log);
  DatabaseBuild test(fmt::format("{}/cifar10_test_{}", out, kind), kind, log);
  log.info("Writing Training data");
  convert_files(training, train, log);
  log.info("Writing Testing data");
  convert_files({in + "/test_batch.bin"}, test, log);
  train.finish();
  test.finish();
  return 0;
}

}  // namespace
}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  Gflags flags("convert_cifar_data",
               "turns the binary files of CIFAR-10 into two databases\n"
               "usage: convert_cifar_data FOLDER OUT_FOLDER KIND\n\n"
               "FOLDER holds data_batch_1.bin to data_batch_5.bin and test_batch.bin; KIND is lmdb "
               "or leveldb.\n"
               "example: convert_cifar_data data/cifar10 examples/cifar10 lmdb");
  return run_tool(std::move(flags), argc, argv, convert);
}
