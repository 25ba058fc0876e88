// Sorted string tables: keys in byte order with their values, in checksummed blocks. The index of a
// TensorFlow checkpoint is one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trivium/formats/file.h"

namespace trivium::formats {

/// Whether the bytes end in the mark of a table.
bool is_table(Bytes bytes);

class TableReader {
 public:
  /// Reads the footer and the index of blocks in `bytes`, which must outlive the object. UserError
  /// naming `name` and the place when something is broken.
  TableReader(Bytes bytes, std::string name);

  /// Every key with its value, in order; the views are good during the call. Checks checksums and
  /// the order of keys. UserError when the file is broken, or when its keys, which are written
  /// as differences, would take more than 1 MiB + 64 times its size.
  void for_each(const std::function<void(std::string_view key, std::string_view value)>& f) const;
  /// The value of a key, found by the index of blocks.
  std::optional<std::string> find(std::string_view key) const;

 private:
  struct Block {
    std::string last_key;  ///< at least the last key inside, less than the next block's first
    uint64_t offset, size;
  };
  Bytes contents(uint64_t offset, uint64_t size, std::string* unpacked) const;
  void read_index();

  Bytes bytes_;
  std::string name_;
  std::vector<Block> blocks_;
};

/// Builds a table in memory, byte for byte as TensorFlow does (uncompressed).
class TableBuilder {
 public:
  /// Keys must come in increasing order; InternalError otherwise.
  void add(std::string_view key, std::string_view value);
  /// The whole table; the builder is used up.
  std::string finish();

 private:
  struct BlockBuilder {
    explicit BlockBuilder(int restart_every) : restart_every(restart_every) {}
    void add(std::string_view key, std::string_view value);
    size_t size_estimate() const { return buffer.size() + 4 * restarts.size() + 4; }
    std::string finish();
    int restart_every;
    int since_restart = 0;
    std::string buffer = {}, last_key = {};
    std::vector<uint32_t> restarts = {0};
  };
  std::string write_block(BlockBuilder* block);
  void close_block();
  void index_closed_block(const std::string& separator);

  std::string out_;
  BlockBuilder data_{16}, index_{1};
  std::string closed_last_key_, closed_handle_;  ///< a block that waits for its separator
  size_t added_ = 0;
};

}  // namespace trivium::formats
