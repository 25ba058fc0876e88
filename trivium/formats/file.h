// Files: whole reads with a limit, read-only maps, and writes that a crash cannot leave half done.
// A missing or unreadable file is an EnvironmentError; what is wrong inside one is a UserError.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace trivium::formats {

using Bytes = std::span<const uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// The whole file. EnvironmentError when it cannot be read, UserError when it holds more than
/// `max_bytes` (nothing is allocated then). A pipe is read to its end under the same limit.
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);

/// The first `count` bytes, fewer when the file is shorter.
std::string read_file_start(const std::string& path, size_t count);

bool file_exists(const std::string& path);

/// A regular file mapped read-only. The mapping lives as long as the object. The file must not be
/// shortened meanwhile (the system would raise SIGBUS); files Trivium writes are replaced, never
/// cut.
class MappedFile {
 public:
  /// EnvironmentError when the file cannot be opened or mapped, or is no regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  Bytes bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  /// Lets go of the memory that what was read so far takes; it is fetched again when needed. A
  /// reader that walks a large file calls it now and then, so that the process stays small.
  void forget_pages() const;

 private:
  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// Where a writer puts its bytes. write() throws EnvironmentError naming the file and the position.
class FileSink {
 public:
  FileSink(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  uint64_t written() const { return written_ + pending_.size(); }
  /// Hands everything buffered to the system.
  void flush();

 private:
  void write_through(const char* data, size_t bytes);
  int descriptor_;
  std::string path_;
  std::string pending_;
  uint64_t written_ = 0;
};

/// Writes `path` so that at every moment either the old file or the complete new one is there: the
/// bytes go to a temporary name in the same directory, are flushed to the disk, and take the name
/// in one step. When anything fails (the writer may throw) the temporary file is removed and the
/// old file is untouched. A path that names a device or pipe is written directly.
void write_file_atomically(const std::string& path, const std::function<void(FileSink&)>& writer);
void write_file_atomically(const std::string& path, std::string_view bytes);

/// The same for libraries that insist on opening the file themselves: `writer` creates the file it
/// is given, which must not exist yet.
void replace_file_atomically(const std::string& path,
                             const std::function<void(const std::string& temporary)>& writer);

}  // namespace trivium::formats
