// A value tree as a protocol 2 pickle, spelled as PyTorch's own pickler spells it.
#include <bit>
#include <unordered_map>

#include "trivium/engine/core/error.h"
#include "trivium/formats/pickle_globals.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;
constexpr int kMaxDepth = 64;

class Pickler {
 public:
  explicit Pickler(const PlaceTensor& place) : place_(place) {}

  std::string run(const PickleValue& value) {
    out_ = std::string("\x80\x02", 2);
    write(value, 1);
    out_ += '.';
    return std::move(out_);
  }

 private:
  template <typename T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }

  void write(const PickleValue& value, int depth) {
    if (depth > kMaxDepth)
      user_error("a value nested deeper than {} levels cannot be written", kMaxDepth);
    const bool shared = is_container(value) || value.is(Kind::tensor);
    if (shared && recall(value.identity())) return;
    if (is_container(value)) return write_container(value, depth);
    if (value.is(Kind::tensor)) return write_tensor(value);
    write_plain(value);
  }

  static bool is_container(const PickleValue& v) {
    return v.is(Kind::tuple) || v.is(Kind::list) || v.is(Kind::set) || v.is(Kind::dict);
  }

  void write_plain(const PickleValue& value) {
    switch (value.kind()) {
      case Kind::none:
        out_ += 'N';
        return;
      case Kind::boolean:
        out_ += value.as_bool() ? '\x88' : '\x89';
        return;
      case Kind::integer:
        return write_integer(value.as_int());
      case Kind::big_integer:
        return write_long(value.text());
      case Kind::real:
        out_ += 'G';
        return put(__builtin_bswap64(std::bit_cast<uint64_t>(value.as_double())));
      case Kind::string:
        return write_text(value.text());
      case Kind::bytes:
        return write_bytes(value.text());
      case Kind::dtype:
        return write_global("torch", name_of(value.as_dtype()));
      case Kind::device:
        write_global("torch", "device");
        write_text(value.text());
        out_ += "\x85R";
        return;
      default:
        user_error("{} cannot be written: only plain data and tensors can", value.describe());
    }
  }

  void write_integer(int64_t value) {
    if (value >= 0 && value <= 0xff) {
      out_ += 'K';
      return put(static_cast<uint8_t>(value));
    }
    if (value >= 0 && value <= 0xffff) {
      out_ += 'M';
      return put(static_cast<uint16_t>(value));
    }
    if (value >= INT32_MIN && value <= INT32_MAX) {
      out_ += 'J';
      return put(static_cast<int32_t>(value));
    }
    write_long(std::string(reinterpret_cast<const char*>(&value), sizeof(value)));
  }

  void write_long(const std::string& raw) {
    if (raw.size() < 256) {
      out_ += '\x8a';
      put(static_cast<uint8_t>(raw.size()));
    } else {
      out_ += '\x8b';
      put(static_cast<uint32_t>(raw.size()));
    }
    out_ += raw;
  }

  void write_text(const std::string& text) {
    if (!is_utf8(text) || text.size() > UINT32_MAX)
      user_error("a string of {} bytes cannot be written: it is not UTF-8, or longer than 4 GiB",
                 text.size());
    out_ += 'X';
    put(static_cast<uint32_t>(text.size()));
    out_ += text;
  }

  /// Protocol 2 has no bytes: the text whose latin1 encoding they are.
  void write_bytes(const std::string& raw) {
    std::string text;
    for (const char c : raw) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte >= 0x80) text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(byte >= 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    write_global("_codecs", "encode");
    write_text(text);
    write_text("latin1");
    out_ += "\x86R";
  }

  void write_global(const std::string& module, const std::string& name) {
    out_ += "c" + module + "\n" + name + "\n";
  }

  bool recall(const void* id) {
    const auto found = memo_.find(id);
    if (found == memo_.end()) return false;
    const uint32_t slot = found->second;
    if (slot < 256) {
      out_ += 'h';
      put(static_cast<uint8_t>(slot));
    } else {
      out_ += 'j';
      put(slot);
    }
    return true;
  }

  void remember(const void* id) {
    const auto slot = static_cast<uint32_t>(memo_.size());
    memo_.emplace(id, slot);
    if (slot < 256) {
      out_ += 'q';
      put(static_cast<uint8_t>(slot));
    } else {
      out_ += 'r';
      put(slot);
    }
  }

  void write_items(const std::vector<PickleValue>& items, int depth) {
    for (const PickleValue& item : items) write(item, depth + 1);
  }

  void write_container(const PickleValue& value, int depth) {
    switch (value.kind()) {
      case Kind::tuple:
        if (value.size() == 0) {
          out_ += ')';
          return;
        }
        if (value.size() > 3) out_ += '(';
        write_items(value.items(), depth);
        out_ += value.size() > 3 ? 't' : static_cast<char>(0x84 + value.size());
        return remember(value.identity());
      case Kind::list:
        out_ += ']';
        remember(value.identity());
        if (value.size() == 0) return;
        out_ += '(';
        write_items(value.items(), depth);
        out_ += 'e';
        return;
      case Kind::set:
        write_global("__builtin__", "set");
        out_ += "](";
        write_items(value.items(), depth);
        out_ += "e\x85R";
        return remember(value.identity());
      default:
        return write_dict(value, depth);
    }
  }

  void write_dict(const PickleValue& dict, int depth) {
    if (dict.ordered()) {
      write_global("collections", "OrderedDict");
      out_ += ")R";
    } else {
      out_ += '}';
    }
    remember(dict.identity());
    if (!dict.entries().empty()) {
      out_ += '(';
      for (const PickleValue::Entry& entry : dict.entries()) {
        write(entry.first, depth + 1);
        write(entry.second, depth + 1);
      }
      out_ += 'u';
    }
    if (!dict.ordered() || !dict.attributes().is(Kind::dict)) return;
    write(dict.attributes(), depth + 1);
    out_ += 'b';
  }

  void write_shape(const std::vector<int64_t>& sizes) {
    out_ += '(';
    for (const int64_t n : sizes) write_integer(n);
    out_ += 't';
  }

  void write_no_hooks() {
    write_global("collections", "OrderedDict");
    out_ += ")R";
  }

  void write_storage(const PickledTensor& placed, bool typed) {
    const TorchStorage& storage = *placed.tensor.storage;
    out_ += '(';
    write_text("storage");
    if (typed)
      write_global("torch", storage_global_of(placed.tensor.type));
    else
      write_global("torch.storage", "UntypedStorage");
    write_text(placed.key);
    write_text("cpu");
    write_integer(typed ? storage.count : static_cast<int64_t>(storage.bytes()));
    out_ += "tQ";
  }

  void write_tensor(const PickleValue& value) {
    if (!place_) user_error("{} cannot be written into a plain pickle", value.describe());
    const PickledTensor placed = place_(value.as_tensor());
    const TorchTensor& t = placed.tensor;
    // Types younger than the typed storages: bytes, and the dtype as an argument of its own.
    const bool typed = storage_global_of(t.type) != nullptr;
    if (t.parameter) {
      write_global("torch._utils", "_rebuild_parameter");
      out_ += '(';
    }
    write_global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    out_ += '(';
    write_storage(placed, typed);
    write_integer(t.offset);
    write_shape(t.size);
    write_shape(t.stride);
    out_ += t.requires_grad && !t.parameter ? '\x88' : '\x89';
    write_no_hooks();
    if (!typed) write_global("torch", name_of(t.type));
    out_ += "tR";
    if (t.parameter) {
      out_ += t.requires_grad ? '\x88' : '\x89';
      write_no_hooks();
      out_ += "tR";
    }
    remember(value.identity());
  }

  const PlaceTensor& place_;
  std::string out_;
  std::unordered_map<const void*, uint32_t> memo_;
};

}  // namespace

std::string write_pickle(const PickleValue& value, const PlaceTensor& place) {
  return Pickler(place).run(value);
}

}  // namespace trivium::formats
