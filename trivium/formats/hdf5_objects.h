// The lower half of the HDF5 reader: superblock, object headers and groups, straight from the
// bytes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "trivium/formats/bytes.h"

namespace trivium::formats::h5 {

inline constexpr uint64_t kUndefined = ~uint64_t{0};

/// Numbers of the header messages that are looked at.
enum MessageType : uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kOldFill = 0x04,
  kFill = 0x05,
  kLink = 0x06,
  kLayout = 0x08,
  kGroupInfo = 0x0A,
  kFilters = 0x0B,
  kContinuation = 0x10,
  kSymbolTable = 0x11
};

struct Message {
  uint16_t type = 0;
  uint8_t flags = 0;
  Bytes data;
  uint64_t at = 0;  ///< byte in the file
};

using Messages = std::vector<Message>;
using Links = std::map<std::string, uint64_t>;  ///< name -> address of the object header

/// The file: its bytes and the widths the superblock fixes.
class Image {
 public:
  Image(Bytes bytes, std::string name);

  uint64_t size() const { return bytes_.size(); }
  const std::string& name() const { return name_; }
  uint64_t root() const { return root_; }

  /// A reader that stands at an address of the file.
  ByteReader at(uint64_t address, const char* what) const;
  /// The same over a message's data.
  ByteReader in(const Message& message) const { return {message.data, name_, message.at}; }
  uint64_t address(ByteReader& r, const char* what) const {
    return widened(r, offset_bytes_, what);
  }
  uint64_t length(ByteReader& r, const char* what) const { return widened(r, length_bytes_, what); }

  /// All messages of the object whose header lies at `address`.
  Messages messages(uint64_t address) const;
  /// Hard links of a group; UserError for dense storage. Soft and external links are left out.
  Links links(const Messages& group) const;

 private:
  static uint64_t widened(ByteReader& r, int bytes, const char* what);
  void read_superblock();
  void messages_v1(ByteReader block, uint64_t end, Messages* out, std::set<uint64_t>* seen) const;
  void messages_v2(ByteReader block, uint64_t end, bool ordered, Messages* out,
                   std::set<uint64_t>* seen) const;
  void continue_at(const Message& message, bool second, bool ordered, Messages* out,
                   std::set<uint64_t>* seen) const;
  void read_tree(uint64_t address, int level, Bytes names, std::set<uint64_t>* seen,
                 Links* out) const;
  void read_symbols(uint64_t address, Bytes names, std::set<uint64_t>* seen, Links* out) const;
  void read_link(const Message& message, Links* out) const;
  Bytes local_heap(uint64_t address) const;

  Bytes bytes_;
  std::string name_;
  uint64_t base_ = 0, root_ = 0;
  int offset_bytes_ = 8, length_bytes_ = 8;
};

/// The first message of a type, or null.
const Message* find(const Messages& messages, uint16_t type);
bool is_group(const Messages& messages);
bool is_dataset(const Messages& messages);

/// Reads the head of a version 1 B-tree node: signature, type, level, entries, siblings. Levels
/// must fall by one a step and no node may come twice, so a broken tree cannot be walked for ever.
/// `level` is -1 at the root; gives back the node's level.
int tree_node(const Image& image, ByteReader& r, int type, int level, uint64_t address,
              std::set<uint64_t>* seen, uint16_t* entries);

}  // namespace trivium::formats::h5
