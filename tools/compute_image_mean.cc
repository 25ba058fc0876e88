// compute_image_mean: the mean over all images of a database, as an image and as one number a
// channel.
#include <fmt/format.h>

#include <vector>

#include "tools/solver_files.h"
#include "tools/tool_main.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"

namespace trivium::tools {
namespace {

/// Sums in double: exact for bytes, however many records there are.
struct Sums {
  Shape shape;  // [channels, height, width]
  std::vector<double> values;
  int64_t records = 0;

  void add(const Array& image, const std::string& where) {
    if (!records) {
      shape = image.shape();
      values.assign(image.count(), 0);
    }
    if (image.shape() != shape)
      user_error(
          "{}: Incorrect data field size {}: an image of {} among images of {}; a mean needs one "
          "size, "
          "convert_imageset -resize_height -resize_width makes it",
          where, image.count(), image.shape().text(), shape.text());
    for (int64_t i = 0; i < image.count(); ++i) values[i] += image.at(i);
    ++records;
  }
};

void report_channels(const Array& mean, Glog& log) {
  const int64_t channels = mean.shape()[0], size = mean.shape().count(1);
  log.info(fmt::format("Number of channels: {}", channels));
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += mean.at(c * size + i);
    log.info(fmt::format("mean_value channel [{}]: {}", c,
                         number_text(sum / static_cast<double>(size))));
  }
}

int compute(const Gflags& flags, Glog& log) {
  if (flags.words().empty() || flags.words().size() > 2) {
    fmt::print("{}", flags.help());
    return 1;
  }
  const std::string& path = flags.words()[0];
  const auto kind = formats::parse_database_kind(flags.text("backend"));
  const auto database = formats::Database::open(path, kind);
  log.info(fmt::format("Opened {} {}", flags.text("backend"), path));
  Sums sums;
  for (; database->valid(); database->next()) {
    const std::string where = fmt::format("{}, record \"{}\"", path, database->key());
    const formats::proto::Datum datum = formats::parse_datum(database->value(), where);
    if (!sums.records) {
      if (datum.encoded()) log.info("Decoding Datum");
      log.info("Starting iteration");
    }
    sums.add(formats::datum_to_array(datum, formats::ImageMode::as_stored, where), where);
    if (sums.records % 10000 == 0) log.info(fmt::format("Processed {} files.", sums.records));
  }
  if (sums.records % 10000) log.info(fmt::format("Processed {} files.", sums.records));
  Array mean(sums.shape, DType::f32);
  for (int64_t i = 0; i < mean.count(); ++i)
    mean.set(i, sums.values[i] / static_cast<double>(sums.records));
  if (flags.words().size() == 2) {
    log.info("Write to " + flags.words()[1]);
    formats::write_mean_file(flags.words()[1], mean);
  }
  report_channels(mean, log);
  return 0;
}

}  // namespace
}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  Gflags flags("compute_image_mean",
               "writes the mean image of a database\n"
               "usage: compute_image_mean [flags] DATABASE [OUT.binaryproto]\n\n"
               "example: compute_image_mean -backend lmdb cifar10_train_lmdb mean.binaryproto");
  flags.text("backend", "lmdb", "kind of database: lmdb or leveldb");
  return run_tool(std::move(flags), argc, argv, compute);
}
