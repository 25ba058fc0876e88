// convert_imageset: image files named in a list, with labels, become a database.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <vector>

#include "tools/database_build.h"
#include "tools/tool_main.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/image.h"

namespace trivium::tools {
namespace {

struct Entry {
  std::string file;
  int label = 0;
};

/// One `path label` a line, split at the last space, so that paths may hold spaces. What is no
/// number is label 0, as in Caffe.
std::vector<Entry> read_list(const std::string& path) {
  std::ifstream in(path);
  if (!in) environment_error("{}: the list of images cannot be opened", path);
  std::vector<Entry> entries;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t space = line.find_last_of(' ');
    entries.push_back({line.substr(0, space), std::atoi(line.substr(space + 1).c_str())});
  }
  return entries;
}

std::string extension_of(const std::string& file) {
  const size_t dot = file.rfind('.');
  std::string extension = dot == std::string::npos ? "" : file.substr(dot + 1);
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == "jpg" ? "jpeg" : extension;
}

struct Options {
  bool gray = false, check_size = false;
  int height = 0, width = 0;
  bool encode = false;
  std::string encoding;  ///< "": each file's own
};

std::string encode(const Array& image, const std::string& type, const std::string& file) {
  if (type == "png") return formats::encode_png(image);
  if (type == "jpeg") return formats::encode_jpeg(image);
  user_error("{}: cannot encode as \"{}\"; -encode_type expects png or jpg", file, type);
}

/// The record of one file. Files that are no readable image throw.
formats::proto::Datum datum_of(const std::string& path, const Entry& entry,
                               const Options& options) {
  const std::string bytes = formats::read_file(path);
  const bool resize = options.height > 0 && options.width > 0;
  Array image = formats::decode_image(
      formats::as_bytes(bytes), options.gray ? formats::ImageMode::grey : formats::ImageMode::color,
      path);
  if (options.encode) {
    const std::string type = options.encoding.empty() ? extension_of(entry.file) : options.encoding;
    if (!resize && extension_of(entry.file) == type)
      return formats::encoded_datum(bytes, entry.label);
    if (resize) image = formats::resize_linear(image, options.height, options.width);
    return formats::encoded_datum(encode(image, type, path), entry.label);
  }
  if (resize) image = formats::resize_linear(image, options.height, options.width);
  return formats::array_to_datum(formats::to_planar(image), entry.label);
}

Options options_of(const Gflags& flags) {
  Options options;
  options.gray = flags.boolean("gray");
  options.check_size = flags.boolean("check_size");
  options.height = std::max(0, flags.integer("resize_height"));
  options.width = std::max(0, flags.integer("resize_width"));
  options.encoding = extension_of("." + flags.text("encode_type"));
  options.encode = flags.boolean("encoded") || !options.encoding.empty();
  if (!options.encoding.empty() && options.encoding != "png" && options.encoding != "jpeg")
    user_error("-encode_type {}: expected png or jpg", flags.text("encode_type"));
  return options;
}

int convert(const Gflags& flags, Glog& log) {
  if (flags.words().size() != 3) {
    fmt::print("{}", flags.help());
    return 1;
  }
  const std::string& root = flags.words()[0];
  const Options options = options_of(flags);
  std::vector<Entry> entries = read_list(flags.words()[1]);
  if (flags.boolean("shuffle")) {
    log.info("Shuffling data");
    std::shuffle(entries.begin(), entries.end(), std::mt19937(std::random_device{}()));
  }
  log.info(fmt::format("A total of {} images.", entries.size()));
  DatabaseBuild database(flags.words()[2], flags.text("backend"), log);
  size_t first_size = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string path = root + entries[i].file;  // no slash is added between them
    formats::proto::Datum datum;
    try {
      datum = datum_of(path, entries[i], options);
    } catch (const EnvironmentError&) {
      log.error("Could not open or find file " + path);
      continue;
    } catch (const UserError& error) {
      log.error(fmt::format("Could not open or find file {}: {}", path, error.what()));
      continue;
    }
    if (options.check_size && !datum.encoded()) {
      if (!database.records()) first_size = datum.data().size();
      if (datum.data().size() != first_size)
        user_error(
            "{}: Incorrect data field size {}; the first image has {} values, and -check_size "
            "wants all alike",
            path, datum.data().size(), first_size);
    }
    database.put(fmt::format("{:08}_{}", i, entries[i].file), datum);
  }
  database.finish();
  return 0;
}

}  // namespace
}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  Gflags flags("convert_imageset",
               "turns PNG and JPEG files into a database\n"
               "usage: convert_imageset [flags] ROOT/ LIST DATABASE\n\n"
               "LIST has a line `path label` for each image; ROOT/ is put before every path.\n"
               "example: convert_imageset -resize_height 256 -resize_width 256 photos/ list.txt "
               "photos_lmdb");
  flags.boolean("gray", false, "store grey images")
      .boolean("shuffle", false, "store the images in random order")
      .text("backend", "lmdb", "kind of database: lmdb or leveldb")
      .integer("resize_width", 0, "width of the stored images; 0 with resize_height 0: as they are")
      .integer("resize_height", 0, "height of the stored images")
      .boolean("check_size", false, "end with an error when images differ in size")
      .boolean("encoded", false, "store image files instead of pixels")
      .text("encode_type", "", "store image files of this kind: png or jpg");
  return run_tool(std::move(flags), argc, argv, convert);
}
