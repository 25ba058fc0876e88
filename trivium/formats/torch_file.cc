#include "trivium/formats/torch_file.h"

#include <map>

#include "trivium/formats/pickle_globals.h"
#include "trivium/formats/torch_file_storages.h"
#include "trivium/formats/zip.h"

namespace trivium::formats {
namespace {

constexpr std::string_view kPickleName = "data.pkl";

/// The folder all records lie in, with its slash: the one that holds data.pkl.
std::string folder_of(const ZipReader& zip) {
  std::string folder;
  int found = 0;
  for (const ZipEntry& entry : zip.entries()) {
    const size_t slash = entry.name.find('/');
    if (slash == std::string::npos || entry.name.substr(slash + 1) != kPickleName) continue;
    folder = entry.name.substr(0, slash + 1);
    ++found;
  }
  if (found == 1) return folder;
  if (found > 1) user_error("{}: {} folders hold a data.pkl: one expected", zip.name(), found);
  for (const ZipEntry& entry : zip.entries())
    if (entry.name.ends_with(".npy"))
      user_error("{}: a torch file expected, this looks like an .npz of NumPy", zip.name());
  user_error("{}: a ZIP archive without data.pkl: no torch file", zip.name());
}

bool is_big_endian(const ZipReader& zip, const std::string& folder) {
  const ZipEntry* entry = zip.find(folder + "byteorder");
  if (!entry) return false;
  const Bytes text = zip.read(*entry);
  const std::string order(text.begin(), text.end());
  if (order != "little" && order != "big")
    user_error("{}: byte order \"{:.20}\": little or big expected", zip.name(), order);
  return order == "big";
}

bool starts(Bytes bytes, std::string_view start, size_t at = 0) {
  return bytes.size() >= at + start.size() &&
         std::memcmp(bytes.data() + at, start.data(), start.size()) == 0;
}

/// A guess at what a file that is no torch file is.
const char* look_alike(Bytes bytes) {
  if (bytes.empty()) return "an empty file";
  if (starts(bytes, "version https://git-lfs"))
    return "a git-lfs pointer: the real file was not fetched (git lfs pull)";
  if (starts(bytes, "<!") || starts(bytes, "<html") || starts(bytes, "<HTML"))
    return "an HTML page: the download gave a web page instead of the file";
  if (starts(bytes, "\x89HDF\r\n\x1a\n")) return "an HDF5 file";
  if (starts(bytes, "\x1f\x8b")) return "a gzip file: unpack it first";
  if (starts(bytes, "\x93NUMPY")) return "an .npy array";
  if (starts(bytes, "ustar", 257))
    return "the tar container of PyTorch 0.1, which is not read: load and save it again with "
           "PyTorch 0.4 to 1.12";
  if (bytes.size() > 9 && bytes[8] == '{' && bytes[7] == 0 && bytes[6] == 0)
    return "a safetensors file: use load_safetensors";
  if (bytes[0] == '{' || bytes[0] == '[') return "JSON text";
  return "something else";
}

}  // namespace

StorageId parse_storage_id(const PickleValue& id, const std::string& where) {
  using Kind = PickleValue::Kind;
  if (!id.is(Kind::tuple) || id.size() < 5 || id.size() > 6 || !id.items()[0].is(Kind::string) ||
      id.items()[0].text() != "storage")
    user_error("{}: persistent id {}: ('storage', type, key, location, count) expected", where,
               id.describe());
  const std::vector<PickleValue>& parts = id.items();
  StorageId out;
  if (!parts[1].is(Kind::global) || !find_storage_type(parts[1].text(), &out.type, &out.untyped))
    user_error("{}: a storage of {}: a storage type expected", where, parts[1].describe());
  out.key = parts[2].as_string();
  out.location = parts[3].is_none() ? "cpu" : parts[3].as_string();
  out.count = parts[4].as_int();
  if (parts.size() == 6) out.view = parts[5];
  int64_t bytes = 0;
  if (out.key.size() > 256 || out.location.size() > 256 || out.count < 0 ||
      __builtin_mul_overflow(out.count, static_cast<int64_t>(size_of(out.type)), &bytes))
    user_error("{}: a storage \"{:.80}\" of {} elements", where, out.key, out.count);
  return out;
}

void fill_storage(TorchStorage* storage, Bytes data, bool big_endian) {
  storage->buffer = Buffer::allocate(data.size());
  storage->offset_bytes = 0;
  if (!data.empty()) std::memcpy(storage->buffer->data(), data.data(), data.size());
  const bool complex = storage->type == ElementType::c64 || storage->type == ElementType::c128;
  const size_t unit = size_of(storage->type) / (complex ? 2 : 1);
  if (big_endian) swap_bytes(storage->buffer->data(), data.size() / unit, unit);
  if (storage->type != ElementType::bool_) return;
  auto* flags = static_cast<uint8_t*>(storage->buffer->data());
  for (size_t i = 0; i < data.size(); ++i) flags[i] = flags[i] != 0;
}

TorchValue parse_torch_zip(Bytes bytes, const std::string& name, const PickleOptions& options) {
  const ZipReader zip(bytes, name);
  const std::string folder = folder_of(zip);
  const bool big_endian = is_big_endian(zip, folder);
  std::map<std::string, std::shared_ptr<TorchStorage>> storages;
  PickleOptions with_storages = options;
  with_storages.persistent = [&](const PickleValue& value) {
    const StorageId id = parse_storage_id(value, name);
    std::shared_ptr<TorchStorage>& storage = storages[id.key];
    if (storage) {
      if (storage->type != id.type || storage->count != id.count)
        user_error("{}: storage \"{}\" is named with two types or sizes", name, id.key);
      return PickleValue::storage(storage);
    }
    const ZipEntry* entry = zip.find(folder + "data/" + id.key);
    if (!entry) user_error("{}: no record for storage \"{}\"", name, id.key);
    auto made = std::make_shared<TorchStorage>();
    made->key = id.key;
    made->location = id.location;
    made->type = id.type;
    made->untyped = id.untyped;
    made->count = id.count;
    if (entry->bytes < made->bytes())
      user_error("{}: storage \"{}\" of {} {} needs {} bytes, its record has {}", name, id.key,
                 id.count, name_of(id.type), made->bytes(), entry->bytes);
    fill_storage(made.get(), zip.read(*entry).subspan(0, made->bytes()), big_endian);
    storage = std::move(made);
    return PickleValue::storage(storage);
  };
  const ZipEntry& entry = *zip.find(folder + std::string(kPickleName));
  ByteReader in(zip.read(entry), fmt::format("{} [{}]", name, entry.name));
  return parse_pickle(in, with_storages);
}

TorchValue parse_torch(Bytes bytes, const std::string& name, const PickleOptions& options) {
  if (starts(bytes, "PK\x03\x04")) return parse_torch_zip(bytes, name, options);
  if (starts(bytes, kStreamMagic)) return parse_torch_stream(bytes, name, options);
  if (bytes.size() >= 2 && bytes[0] == 0x80 && bytes[1] <= 5) {
    ByteReader in(bytes, name);
    return parse_pickle(in, options);
  }
  user_error("{}: a file of torch.save or a pickle expected; this looks like {}", name,
             look_alike(bytes));
}

TorchValue load_torch(const std::string& path, PickleMode mode) {
  const MappedFile file(path);
  PickleOptions options;
  options.mode = mode;
  return parse_torch(file.bytes(), path, options);
}

}  // namespace trivium::formats
