// .npz: a ZIP archive of .npy files.
#include <set>

#include "trivium/formats/npy.h"
#include "trivium/formats/npy_header.h"

namespace trivium::formats {

NpzFile::NpzFile(const std::string& path, uint64_t max_bytes)
    : file_(std::make_shared<MappedFile>(path)), zip_(file_->bytes(), path), max_bytes_(max_bytes) {
  index();
}

NpzFile::NpzFile(Bytes bytes, std::string name, uint64_t max_bytes)
    : zip_(bytes, std::move(name)), max_bytes_(max_bytes) {
  index();
}

void NpzFile::index() {
  for (const ZipEntry& entry : zip_.entries())
    if (entry.name.ends_with(".npy")) names_.push_back(entry.name.substr(0, entry.name.size() - 4));
}

Array NpzFile::read(const std::string& name) const {
  const ZipEntry* entry = zip_.find(name + ".npy");
  if (!entry) {
    const std::string near = closest_match(name, names_);
    user_error("{}: no array \"{}\" in the archive of {} arrays{}", zip_.name(), name,
               names_.size(), near.empty() ? "" : "; did you mean \"" + near + "\"?");
  }
  std::string unpacked;
  const Bytes data = zip_.read(*entry, max_bytes_, &unpacked);
  return parse_npy(data, fmt::format("{} [{}.npy]", zip_.name(), name), max_bytes_);
}

std::map<std::string, Array> read_npz(const std::string& path, uint64_t max_bytes) {
  const NpzFile file(path, max_bytes);
  std::map<std::string, Array> arrays;
  uint64_t total = 0;
  for (const std::string& name : file.names()) {
    arrays[name] = file.read(name);
    total += arrays[name].bytes();
    if (total > max_bytes)
      user_error("{}: the arrays together pass the limit of {} bytes; read them one by one", path,
                 max_bytes);
  }
  return arrays;
}

void write_npz(const std::string& path, const std::vector<std::pair<std::string, Array>>& arrays) {
  std::set<std::string> seen;
  for (const auto& [name, array] : arrays)
    if (!seen.insert(name).second || name.size() > 59000)
      user_error("{}: array \"{:.80}\": a name given once and of at most 59000 bytes expected",
                 path, name);
  write_file_atomically(path, [&](FileSink& sink) {
    ZipWriter zip(sink);
    for (const auto& [name, array] : arrays) {
      const std::string header = npy_header(array);
      zip.add(name + ".npy", as_bytes(header),
              {static_cast<const uint8_t*>(array.raw()), array.bytes()});
    }
    zip.finish();
  });
}

}  // namespace trivium::formats
