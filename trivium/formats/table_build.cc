// Writing a table: a block is closed when it is full, and indexed by the shortest key that lies
// between its last key and the next block's first.
#include <algorithm>

#include "trivium/formats/crc32c.h"
#include "trivium/formats/table.h"
#include "trivium/formats/table_coding.h"

namespace trivium::formats {
namespace {

constexpr size_t kBlockBytes = 262144;

size_t shared_prefix(std::string_view a, std::string_view b) {
  const size_t most = std::min(a.size(), b.size());
  size_t n = 0;
  while (n < most && a[n] == b[n]) ++n;
  return n;
}

/// The shortest key >= a and < b.
std::string separator(const std::string& a, std::string_view b) {
  const size_t n = shared_prefix(a, b);
  if (n >= a.size() || n >= b.size()) return a;  // one is a prefix of the other
  const auto byte = static_cast<uint8_t>(a[n]);
  if (byte == 0xff || byte + 1 >= static_cast<uint8_t>(b[n])) return a;
  return a.substr(0, n) + static_cast<char>(byte + 1);
}

/// A short key >= a.
std::string successor(const std::string& a) {
  for (size_t i = 0; i < a.size(); ++i)
    if (static_cast<uint8_t>(a[i]) != 0xff)
      return a.substr(0, i) + static_cast<char>(static_cast<uint8_t>(a[i]) + 1);
  return a;
}

}  // namespace

void TableBuilder::BlockBuilder::add(std::string_view key, std::string_view value) {
  size_t shared = 0;
  if (since_restart < restart_every) {
    shared = shared_prefix(last_key, key);
  } else {
    restarts.push_back(static_cast<uint32_t>(buffer.size()));
    since_restart = 0;
  }
  put_varint(&buffer, shared);
  put_varint(&buffer, key.size() - shared);
  put_varint(&buffer, value.size());
  buffer += key.substr(shared);
  buffer += value;
  last_key = key;
  ++since_restart;
}

std::string TableBuilder::BlockBuilder::finish() {
  std::string block = std::move(buffer);
  for (const uint32_t restart : restarts) put_fixed32(&block, restart);
  put_fixed32(&block, static_cast<uint32_t>(restarts.size()));
  *this = BlockBuilder(restart_every);
  return block;
}

std::string TableBuilder::write_block(BlockBuilder* block) {
  std::string handle;
  std::string contents = block->finish();
  put_varint(&handle, out_.size());
  put_varint(&handle, contents.size());
  contents.push_back('\0');  // plain
  out_ += contents;
  put_fixed32(&out_, masked_crc32c(as_bytes(contents)));
  return handle;
}

void TableBuilder::close_block() {
  if (data_.buffer.empty()) return;
  closed_last_key_ = data_.last_key;
  closed_handle_ = write_block(&data_);
}

void TableBuilder::index_closed_block(const std::string& separator) {
  index_.add(separator, closed_handle_);
  closed_handle_.clear();
}

void TableBuilder::add(std::string_view key, std::string_view value) {
  const std::string& last = closed_handle_.empty() ? data_.last_key : closed_last_key_;
  if (added_++ > 0 && key <= std::string_view(last))
    internal_error("table: key \"{}\" is added after \"{}\"", key, last);
  if (!closed_handle_.empty()) index_closed_block(separator(closed_last_key_, key));
  if (key.size() + value.size() >= 2 * kBlockBytes && !data_.buffer.empty()) {
    close_block();
    index_closed_block(separator(closed_last_key_, key));
  }
  data_.add(key, value);
  if (data_.size_estimate() >= kBlockBytes) close_block();
}

std::string TableBuilder::finish() {
  close_block();
  BlockBuilder nothing(16);
  std::string footer = write_block(&nothing);
  if (!closed_handle_.empty()) index_closed_block(successor(closed_last_key_));
  footer += write_block(&index_);
  footer.resize(40, '\0');
  put_fixed64(&footer, 0xdb4775248b80fb57u);
  return std::move(out_) + footer;
}

}  // namespace trivium::formats
