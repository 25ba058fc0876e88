#include "trivium/formats/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

constexpr size_t kSinkBuffer = size_t{1} << 18;

/// A file descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int fd) : fd(fd) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd;
};

int open_to_read(const std::string& path, struct stat* info) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) environment_error("{}: cannot open: {}", path, std::strerror(errno));
  if (::fstat(fd, info) != 0) {
    const int code = errno;
    ::close(fd);
    environment_error("{}: cannot stat: {}", path, std::strerror(code));
  }
  if (S_ISDIR(info->st_mode)) {
    ::close(fd);
    environment_error("{}: a file is expected, this is a directory", path);
  }
  return fd;
}

/// Reads until `bytes` are there or the file ends; returns how many came.
size_t read_fully(int fd, char* to, size_t bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(fd, to + done, std::min(bytes - done, size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) environment_error("{}: reading at byte {}: {}", path, done, std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

[[noreturn]] void too_big(const std::string& path, uint64_t max_bytes) {
  user_error("{}: at most {} bytes are read here, the file holds more", path, max_bytes);
}

/// The file behind a symbolic link, so that a link stays a link; the path itself otherwise.
std::string resolved(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::is_symlink(path, code)) return path;
  const auto target = std::filesystem::canonical(path, code);
  return code ? path : target.string();
}

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}.tmp.{}.{}", path, ::getpid(), counter++);
}

/// Without it the rename may be lost in a power failure. Some file systems refuse; that is no
/// error.
void sync_directory(const std::string& path) {
  Descriptor directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd >= 0) ::fsync(directory.fd);
}

void sync_and_rename(int fd, const std::string& temporary, const std::string& path) {
  if (::fsync(fd) != 0)
    environment_error("{}: cannot flush to the disk: {}", path, std::strerror(errno));
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    environment_error("{}: cannot take the place of the old file: {}", path, std::strerror(errno));
  sync_directory(path);
}

bool is_special(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

void write_directly(const std::string& path, const std::function<void(FileSink&)>& writer) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.fd < 0) environment_error("{}: cannot open for writing: {}", path, std::strerror(errno));
  FileSink sink(file.fd, path);
  writer(sink);
  sink.flush();
}

}  // namespace

std::string read_file(const std::string& path, uint64_t max_bytes) {
  struct stat info;
  Descriptor file(open_to_read(path, &info));
  if (S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) > max_bytes)
    too_big(path, max_bytes);
  std::string bytes;
  size_t step = S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) + 1 : size_t{1} << 16;
  for (;;) {  // one byte more than stated, so that the end is seen at the first read
    const size_t before = bytes.size();
    bytes.resize(before + step);
    const size_t got = read_fully(file.fd, bytes.data() + before, step, path);
    bytes.resize(before + got);
    if (bytes.size() > max_bytes) too_big(path, max_bytes);
    if (got < step) return bytes;
    step = std::max(bytes.size(), size_t{1} << 16);
  }
}

std::string read_file_start(const std::string& path, size_t count) {
  struct stat info;
  Descriptor file(open_to_read(path, &info));
  std::string bytes(count, '\0');
  bytes.resize(read_fully(file.fd, bytes.data(), count, path));
  return bytes;
}

bool file_exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  struct stat info;
  Descriptor file(open_to_read(path, &info));
  if (!S_ISREG(info.st_mode)) environment_error("{}: a regular file is expected", path);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED)
    environment_error("{}: cannot map {} bytes: {}", path, size_, std::strerror(errno));
  data_ = static_cast<const uint8_t*>(data);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::forget_pages() const {
  if (data_) ::madvise(const_cast<uint8_t*>(data_), size_, MADV_DONTNEED);
}

void FileSink::write(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  if (pending_.size() + bytes > kSinkBuffer) flush();
  if (bytes >= kSinkBuffer) return write_through(from, bytes);
  pending_.append(from, bytes);
}

void FileSink::flush() {
  const std::string buffered = std::move(pending_);
  pending_.clear();
  write_through(buffered.data(), buffered.size());
}

void FileSink::write_through(const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t put = ::write(descriptor_, data, std::min(bytes, size_t{1} << 30));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      environment_error("{}: writing {} bytes at byte {}: {}", path_, bytes, written_,
                        std::strerror(errno));
    data += put;
    bytes -= static_cast<size_t>(put);
    written_ += static_cast<uint64_t>(put);
  }
}

void write_file_atomically(const std::string& path, const std::function<void(FileSink&)>& writer) {
  if (is_special(path)) return write_directly(path, writer);
  const std::string target = resolved(path);
  const std::string temporary = temporary_name(target);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.fd < 0) environment_error("{}: cannot create: {}", path, std::strerror(errno));
  try {
    FileSink sink(file.fd, path);
    writer(sink);
    sink.flush();
    sync_and_rename(file.fd, temporary, target);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  write_file_atomically(path, [&](FileSink& sink) { sink.write(bytes); });
}

void replace_file_atomically(const std::string& path,
                             const std::function<void(const std::string&)>& writer) {
  const std::string target = resolved(path);
  const std::string temporary = temporary_name(target);
  try {
    writer(temporary);
    Descriptor file(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd < 0) environment_error("{}: cannot create: {}", path, std::strerror(errno));
    sync_and_rename(file.fd, temporary, target);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace trivium::formats
