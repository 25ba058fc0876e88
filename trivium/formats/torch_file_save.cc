// save_torch: which storages the tensors of a value need, what of them is written, and the records
// of the ZIP archive in the order PyTorch writes them.
#include <algorithm>
#include <map>
#include <set>

#include "trivium/formats/torch_file.h"
#include "trivium/formats/zip.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

/// Bytes [from, to) of a Buffer.
struct Range {
  uint64_t from = 0, to = 0;
};

/// Tensors of one dtype on one Buffer: one storage in the file.
struct Group {
  std::shared_ptr<Buffer> buffer;
  ElementType type = ElementType::f32;
  Range whole;
  std::vector<Range> used;       ///< of the tensors; after layout() merged and ascending
  std::vector<uint64_t> placed;  ///< where each used range begins in the record
  bool compact = false;
  std::string key;  ///< empty until the pickle names the storage

  uint64_t bytes() const;
  void layout();
  uint64_t position_of(uint64_t byte) const;
};

uint64_t Group::bytes() const {
  if (!compact) return whole.to - whole.from;
  return used.empty() ? 0 : placed.back() + used.back().to - used.back().from;
}

/// Merges overlapping ranges; when they cover less than half, only they are written.
void Group::layout() {
  std::sort(used.begin(), used.end(), [](Range a, Range b) { return a.from < b.from; });
  std::vector<Range> merged;
  for (const Range range : used) {
    if (!merged.empty() && range.from <= merged.back().to)
      merged.back().to = std::max(merged.back().to, range.to);
    else
      merged.push_back(range);
  }
  used = std::move(merged);
  uint64_t total = 0;
  for (const Range range : used) {
    placed.push_back(total);
    total += range.to - range.from;
  }
  compact = total < (whole.to - whole.from) / 2;
}

/// Where byte `byte` of the Buffer lies in the record.
uint64_t Group::position_of(uint64_t byte) const {
  if (!compact) return byte - whole.from;
  for (size_t i = used.size(); i-- > 0;)
    if (byte >= used[i].from) return placed[i] + byte - used[i].from;
  return 0;
}

class StoragePlan {
 public:
  explicit StoragePlan(const PickleValue& value) {
    collect(value, 1);
    for (auto& group : groups_) group.second.layout();
    check_types();
  }

  PickledTensor place(const TorchTensor& tensor) {
    Group& group = group_of(tensor);
    if (group.key.empty()) {
      group.key = std::to_string(order_.size());
      order_.push_back(&group);
    }
    PickledTensor out;
    out.key = group.key;
    out.tensor = tensor;
    auto storage = std::make_shared<TorchStorage>();
    storage->type = group.type;
    storage->count = static_cast<int64_t>(group.bytes() / size_of(group.type));
    out.tensor.storage = std::move(storage);
    out.tensor.offset =
        tensor.count() == 0
            ? 0
            : static_cast<int64_t>(group.position_of(first_byte(tensor)) / size_of(group.type));
    return out;
  }

  /// Hands each record to `write(key, bytes)`, in the order of the keys.
  template <typename F>
  void records(F&& write) const {
    for (const Group* group : order_) {
      const auto* base = static_cast<const uint8_t*>(group->buffer->data());
      if (!group->compact) {
        write(group->key, Bytes(base + group->whole.from, group->bytes()));
        continue;
      }
      std::string packed;
      for (const Range range : group->used)
        packed.append(reinterpret_cast<const char*>(base) + range.from, range.to - range.from);
      write(group->key, as_bytes(packed));
    }
  }

 private:
  // A storage that begins between two elements of another makes a group of its own.
  using Key = std::tuple<const Buffer*, ElementType, uint64_t>;

  static uint64_t first_byte(const TorchTensor& t) {
    return t.storage->offset_bytes + static_cast<uint64_t>(t.offset) * size_of(t.type);
  }

  static Key key_of(const TorchTensor& t) {
    return {t.storage->buffer.get(), t.type, t.storage->offset_bytes % size_of(t.type)};
  }

  Group& group_of(const TorchTensor& t) { return groups_.at(key_of(t)); }

  void collect(const PickleValue& value, int depth) {
    if (depth > 64) user_error("a value nested deeper than 64 levels cannot be written");
    if (value.is(Kind::tensor)) return add(value.as_tensor());
    if (value.is(Kind::dict) && seen_.insert(value.identity()).second) {
      for (const PickleValue::Entry& entry : value.entries()) {
        collect(entry.first, depth + 1);
        collect(entry.second, depth + 1);
      }
      collect(value.attributes(), depth + 1);
    }
    const bool sequence = value.is(Kind::tuple) || value.is(Kind::list) || value.is(Kind::set);
    if (sequence && seen_.insert(value.identity()).second)
      for (const PickleValue& item : value.items()) collect(item, depth + 1);
  }

  void add(const TorchTensor& t) {
    check_window(t, "save_torch");
    if (!t.storage->buffer) user_error("save_torch: tensor {} has no data", t.text());
    Group& group = groups_[key_of(t)];
    const uint64_t from = t.storage->offset_bytes, to = from + t.storage->bytes();
    if (!group.buffer) {
      group.buffer = t.storage->buffer;
      group.type = t.type;
      group.whole = {from, to};
    }
    group.whole.from = std::min(group.whole.from, from);
    group.whole.to = std::max(group.whole.to, to);
    if (t.count() == 0) return;
    int64_t last = 0;
    for (size_t axis = 0; axis < t.size.size(); ++axis) last += (t.size[axis] - 1) * t.stride[axis];
    const uint64_t first = first_byte(t);
    group.used.push_back({first, first + (static_cast<uint64_t>(last) + 1) * size_of(t.type)});
  }

  /// Two dtypes on the same bytes have no place in the format.
  void check_types() const {
    std::map<const Buffer*, std::vector<std::pair<Range, const Group*>>> ranges;
    for (const auto& group : groups_)
      for (const Range range : group.second.used)
        ranges[group.second.buffer.get()].emplace_back(range, &group.second);
    for (auto& on_buffer : ranges) {
      auto& list = on_buffer.second;
      std::sort(list.begin(), list.end(),
                [](const auto& a, const auto& b) { return a.first.from < b.first.from; });
      for (size_t i = 1; i < list.size(); ++i)
        if (list[i].first.from < list[i - 1].first.to)
          user_error(
              "save_torch: tensors of {} and {} view the same memory; save a copy of one of them",
              name_of(list[i - 1].second->type), name_of(list[i].second->type));
    }
  }

  std::map<Key, Group> groups_;
  std::vector<const Group*> order_;
  std::set<const void*> seen_;
};

/// 40 decimal digits that tell two files apart: PyTorch's own are two hashes of names and data.
std::string serialization_id(const std::string& pickle, uint32_t crc) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : pickle) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return fmt::format("{:020}{:020}", hash, crc);
}

/// The top folder of the archive: the file's name without its ending.
std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string stem = slash == std::string::npos ? path : path.substr(slash + 1);
  const size_t dot = stem.rfind('.');
  if (dot != std::string::npos && dot > 0) stem.resize(dot);
  const bool plain = !stem.empty() && stem != ".." && stem.size() <= 200 && is_utf8(stem);
  return plain ? stem : "archive";
}

}  // namespace

void save_torch(const std::string& path, const TorchValue& value) {
  StoragePlan plan(value);
  const std::string pickle =
      write_pickle(value, [&](const TorchTensor& tensor) { return plan.place(tensor); });
  const std::string folder = folder_of(path) + "/";
  write_file_atomically(path, [&](FileSink& sink) {
    ZipWriter zip(sink);
    zip.add(folder + "data.pkl", as_bytes(pickle));
    zip.add(folder + ".format_version", as_bytes("1"));
    zip.add(folder + ".storage_alignment", as_bytes("64"));
    zip.add(folder + "byteorder", as_bytes("little"));
    plan.records(
        [&](const std::string& key, Bytes data) { zip.add(folder + "data/" + key, data); });
    zip.add(folder + "version", as_bytes("3\n"));
    zip.add(folder + ".data/serialization_id",
            as_bytes(serialization_id(pickle, zip.combined_crc())));
    zip.finish();
  });
}

}  // namespace trivium::formats
