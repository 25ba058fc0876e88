// The stream that torch.save wrote before 1.6: pickles one after the other (magic number, protocol,
// system, object, storage keys), then the storages in the order of their keys.
#include <map>
#include <vector>

#include "trivium/formats/torch_file_storages.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;
constexpr int64_t kStreamProtocol = 1001;

/// While the object is read, storages have sizes only; their data follows.
class StreamStorages {
 public:
  StreamStorages(std::string name, uint64_t file_bytes)
      : name_(std::move(name)), file_bytes_(file_bytes) {}

  PickleValue find(const PickleValue& value) {
    // ('module', class, file, source): the class alone, its source is never looked at.
    if (value.is(Kind::tuple) && value.size() == 4 && value.items()[0].is(Kind::string) &&
        value.items()[0].text() == "module")
      return value.items()[1];
    const StorageId id = parse_storage_id(value, name_);
    std::shared_ptr<TorchStorage>& root = roots_[id.key];
    if (!root) root = declare(id);
    if (root->type != id.type || root->count != id.count)
      user_error("{}: storage \"{}\" is named with two types or sizes", name_, id.key);
    if (id.view.is_none()) return PickleValue::storage(root);
    return PickleValue::storage(view_of(root, id.view));
  }

  void read_data(ByteReader& in, const PickleValue& keys, bool big_endian) {
    if (!keys.is(Kind::list)) in.fail("a list of storage keys expected, {} found", keys.describe());
    for (const PickleValue& key : keys.items()) {
      const auto found = roots_.find(key.as_string());
      if (found == roots_.end() || found->second->buffer)
        in.fail("storage \"{:.80}\" is unknown or there twice", key.as_string());
      TorchStorage& storage = *found->second;
      const uint64_t count =
          big_endian ? __builtin_bswap64(in.u64("a storage size")) : in.u64("a storage size");
      if (count != static_cast<uint64_t>(storage.count))
        in.fail("storage \"{}\" of {} elements expected, {} found", storage.key, storage.count,
                count);
      fill_storage(&storage, in.take(storage.bytes(), "a storage"), big_endian);
    }
    for (const auto& root : roots_)
      if (!root.second->buffer) user_error("{}: no data for storage \"{}\"", name_, root.first);
    for (const View& view : views_) {
      view.part->buffer = view.root->buffer;
      view.part->offset_bytes += view.root->offset_bytes;
    }
  }

 private:
  struct View {
    std::shared_ptr<TorchStorage> part, root;
  };

  std::shared_ptr<TorchStorage> declare(const StorageId& id) {
    auto storage = std::make_shared<TorchStorage>();
    storage->key = id.key;
    storage->location = id.location;
    storage->type = id.type;
    storage->untyped = id.untyped;
    storage->count = id.count;
    if (storage->bytes() > file_bytes_)
      user_error("{}: storage \"{}\" of {} {} does not fit in a file of {} bytes", name_, id.key,
                 id.count, name_of(id.type), file_bytes_);
    return storage;
  }

  std::shared_ptr<TorchStorage> view_of(const std::shared_ptr<TorchStorage>& root,
                                        const PickleValue& view) {
    if (!view.is(Kind::tuple) || view.size() != 3)
      user_error("{}: a storage view (key, offset, size) expected, {} found", name_,
                 view.describe());
    const std::string& key = view.items()[0].as_string();
    const int64_t offset = view.items()[1].as_int(), count = view.items()[2].as_int();
    if (key.size() > 256 || offset < 0 || count < 0 || offset > root->count ||
        count > root->count - offset)
      user_error("{}: a storage view of {} elements at {} outside \"{}\"", name_, count, offset,
                 root->key);
    std::shared_ptr<TorchStorage>& part = parts_[key];
    if (!part) {
      part = std::make_shared<TorchStorage>(*root);
      part->key = key;
      part->count = count;
      part->offset_bytes = static_cast<uint64_t>(offset) * size_of(root->type);
      View made;
      made.part = part;
      made.root = root;
      views_.push_back(made);
    }
    return part;
  }

  std::string name_;
  uint64_t file_bytes_;
  std::map<std::string, std::shared_ptr<TorchStorage>> roots_, parts_;
  std::vector<View> views_;
};

bool is_big_endian(const PickleValue& system, const ByteReader& in) {
  const PickleValue* little = system.is(Kind::dict) ? system.find("little_endian") : nullptr;
  if (!little) in.fail("a dict with little_endian expected, {} found", system.describe());
  return !little->as_bool();
}

}  // namespace

TorchValue parse_torch_stream(Bytes bytes, const std::string& name, const PickleOptions& options) {
  ByteReader in(bytes, name);
  in.expect(kStreamMagic, "the magic number of torch.save");
  PickleOptions plain;
  plain.limits = options.limits;
  const PickleValue protocol = parse_pickle(in, plain);
  if (!protocol.is(Kind::integer) || protocol.as_int() != kStreamProtocol)
    in.fail("stream protocol {} expected, {} found", kStreamProtocol, protocol.describe());
  const bool big_endian = is_big_endian(parse_pickle(in, plain), in);
  StreamStorages storages(name, bytes.size());
  PickleOptions with_storages = options;
  with_storages.persistent = [&](const PickleValue& id) { return storages.find(id); };
  const TorchValue value = parse_pickle(in, with_storages);
  storages.read_data(in, parse_pickle(in, plain), big_endian);
  return value;
}

}  // namespace trivium::formats
