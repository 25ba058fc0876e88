// ImageFolder: the walk over the folders, and reading one picture as RGB.
#include <algorithm>
#include <cctype>
#include <filesystem>

#include "trivium/data/vision.h"
#include "trivium/formats/file.h"
#include "trivium/formats/image.h"

namespace trivium::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 9> kEndings = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                 ".pgm", ".tif",  ".tiff", ".webp"};

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

/// The folders below `folder`, itself included, sorted by path; links are followed.
std::vector<std::string> folders_below(const std::string& folder) {
  std::vector<std::string> found = {folder};
  std::error_code error;
  for (fs::recursive_directory_iterator
           it(folder, fs::directory_options::follow_directory_symlink, error),
       end;
       !error && it != end; it.increment(error))
    if (it->is_directory(error)) found.push_back(it->path().string());
  if (error) environment_error("ImageFolder: {} cannot be read: {}", folder, error.message());
  std::sort(found.begin(), found.end());
  return found;
}

template <typename Keep>
std::vector<std::string> names_in(const std::string& folder, const Keep& keep) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (keep(*it)) names.push_back(it->path().filename().string());
  if (error) environment_error("ImageFolder: {} cannot be read: {}", folder, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

/// The header of a binary PPM or PGM: numbers between white space and comments.
class NetpbmHeader {
 public:
  NetpbmHeader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}
  int64_t number() {
    while (at_ < bytes_.size() && (is_space() || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    int64_t value = 0;
    const size_t start = at_;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9' && value < 1 << 20;
         ++at_)
      value = value * 10 + (bytes_[at_] - '0');
    if (at_ == start || at_ >= bytes_.size() || !is_space())
      user_error("{}: expected a number in the PPM header at byte {}", path_, start);
    return value;
  }
  std::string_view rest() const { return bytes_.substr(at_ + 1); }

 private:
  bool is_space() const { return std::isspace(static_cast<unsigned char>(bytes_[at_])) != 0; }
  std::string_view bytes_;
  const std::string& path_;
  size_t at_ = 2;
};

Array read_netpbm(const std::string& bytes, const std::string& path) {
  const int64_t channels = bytes[1] == '6' ? 3 : 1;
  NetpbmHeader header(bytes, path);
  const int64_t width = header.number(), height = header.number(), most = header.number();
  if (most != 255) user_error("{}: expected 8-bit values up to 255, received {}", path, most);
  const std::string_view pixels = header.rest();
  const int64_t needed = width * height * channels;
  if (static_cast<int64_t>(pixels.size()) < needed)
    user_error("{}: {} x {} x {} needs {} bytes, the file has {}", path, height, width, channels,
               needed, pixels.size());
  const Array image({height, width, channels}, DType::u8);
  std::copy_n(pixels.begin(), needed, image.data<uint8_t>());
  return image;
}

/// Any number of channels to RGB; `blue_first` for what the codecs give.
Array to_rgb(const Array& image, bool blue_first) {
  const int64_t channels = image.shape()[2], area = image.shape()[0] * image.shape()[1];
  if (channels == 3 && !blue_first) return image;
  const Array out({image.shape()[0], image.shape()[1], 3}, DType::u8);
  const uint8_t* from = image.data<uint8_t>();
  uint8_t* to = out.data<uint8_t>();
  for (int64_t i = 0; i < area; ++i, from += channels, to += 3)
    for (int64_t c = 0; c < 3; ++c) to[c] = channels == 1 ? from[0] : from[blue_first ? 2 - c : c];
  return out;
}

}  // namespace

Array read_rgb(const std::string& path) {
  const std::string start = formats::read_file_start(path, 2);
  if (start == "P5" || start == "P6")
    return to_rgb(read_netpbm(formats::read_file(path, formats::kMaxImageBytes), path), false);
  return to_rgb(formats::read_image(path, formats::ImageMode::as_stored), true);
}

ImageFolder::ImageFolder(const ImageFolderOptions& options)
    : ImageDataset(options.transform, options.target_transform) {
  classes_ = names_in(options.root, [](const fs::directory_entry& e) { return e.is_directory(); });
  if (classes_.empty())
    environment_error("ImageFolder: {} holds no class folders (one folder a class)", options.root);
  std::string empty;
  for (size_t i = 0; i < classes_.size(); ++i) {
    const int64_t label = static_cast<int64_t>(i);
    class_to_idx_[classes_[i]] = label;
    const size_t before = samples_.size();
    for (const std::string& folder : folders_below(options.root + "/" + classes_[i]))
      for (const std::string& name : names_in(folder, [](const fs::directory_entry& e) {
             return !e.is_directory() && is_picture(e.path());
           }))
        samples_.emplace_back(folder + "/" + name, label);
    if (samples_.size() == before) empty += (empty.empty() ? "" : ", ") + classes_[i];
  }
  if (!empty.empty() && !options.allow_empty)
    environment_error(
        "ImageFolder: no picture in the class folders {} of {}; remove them or set "
        "allow_empty",
        empty, options.root);
}

Array ImageFolder::image(int64_t index) const {
  return read_rgb(samples_[static_cast<size_t>(index)].first);
}

}  // namespace trivium::data
