// convert_mnist_data: two IDX files (plain or gzip-compressed) become a database of images with
// labels.
#include <fmt/format.h>

#include <cstring>

#include "tools/database_build.h"
#include "tools/tool_main.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/idx.h"

namespace trivium::tools {
namespace {

Array read_part(const std::string& path, int rank, const char* what) {
  const Array array = formats::read_idx(path).array;
  if (array.dtype() != DType::u8 || array.shape().rank() != rank)
    user_error("{}: expected {} (IDX of bytes with {} axes), the file holds {}", path, what, rank,
               array.text());
  return array;
}

int convert(const Gflags& flags, Glog& log) {
  if (flags.words().size() != 3) {
    fmt::print("{}", flags.help());
    return 0;
  }
  const std::string &images_file = flags.words()[0], &labels_file = flags.words()[1];
  const Array images = read_part(images_file, 3, "images"),
              labels = read_part(labels_file, 1, "labels");
  const int64_t count = images.shape()[0], rows = images.shape()[1], columns = images.shape()[2];
  if (labels.shape()[0] != count)
    user_error("{} has {} images but {} has {} labels; the files must belong together", images_file,
               count, labels_file, labels.shape()[0]);
  DatabaseBuild database(flags.words()[2], flags.text("backend"), log);
  log.info(fmt::format("A total of {} items.", count));
  log.info(fmt::format("Rows: {} Cols: {}", rows, columns));
  Array image(Shape{1, rows, columns}, DType::u8);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(image.raw(), images.data<uint8_t>() + i * rows * columns, image.bytes());
    formats::proto::Datum datum = formats::array_to_datum(image, labels.data<uint8_t>()[i]);
    datum.clear_encoded();
    database.put(fmt::format("{:08}", i), datum);
  }
  database.finish();
  return 0;
}

}  // namespace
}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  Gflags flags("convert_mnist_data",
               "turns the files of MNIST into a database\n"
               "usage: convert_mnist_data [flags] IMAGES LABELS DATABASE\n\n"
               "IMAGES and LABELS are IDX files, plain or .gz.\n"
               "example: convert_mnist_data -backend lmdb data/mnist/t10k-images-idx3-ubyte.gz\n"
               "         data/mnist/t10k-labels-idx1-ubyte.gz mnist_test_lmdb");
  flags.text("backend", "lmdb", "kind of database: lmdb or leveldb");
  return run_tool(std::move(flags), argc, argv, convert);
}
