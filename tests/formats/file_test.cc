#include "trivium/formats/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

int entries(const std::string& directory) {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

TEST(ReadFile, ReturnsEveryByteAndRefusesMoreThanTheLimit) {
  Scratch dir;
  const std::string bytes("a\0b\xff\n", 5);
  spill(dir / "f", bytes);
  EXPECT_EQ(read_file(dir / "f"), bytes);
  EXPECT_EQ(read_file(dir / "f", 5), bytes);
  EXPECT_EQ(read_file_start(dir / "f", 3), bytes.substr(0, 3));
  EXPECT_EQ(read_file_start(dir / "f", 300), bytes);
  expect_contains(message_of<UserError>([&] { read_file(dir / "f", 4); }), dir / "f");
  EXPECT_THROW(read_file("/dev/zero", 1 << 20), UserError);  // endless, yet bounded
}

TEST(ReadFile, MissingFilesAndDirectoriesAreEnvironmentErrorsWithTheName) {
  Scratch dir;
  expect_contains(message_of<EnvironmentError>([&] { read_file(dir / "no"); }), dir / "no");
  expect_contains(message_of<EnvironmentError>([&] { read_file(dir.path); }), "directory");
  expect_contains(message_of<EnvironmentError>([&] { MappedFile m(dir / "no"); }), dir / "no");
}

TEST(MappedFile, ShowsTheBytesAndAcceptsAnEmptyFile) {
  Scratch dir;
  spill(dir / "f", "hello");
  spill(dir / "empty", "");
  const MappedFile file(dir / "f"), empty(dir / "empty");
  EXPECT_EQ(std::string(file.bytes().begin(), file.bytes().end()), "hello");
  EXPECT_TRUE(empty.bytes().empty());
}

TEST(WriteFileAtomically, ReplacesTheOldFileAndLeavesNoOther) {
  Scratch dir;
  write_file_atomically(dir / "f", "old");
  std::string big(3'000'000, 'x');
  write_file_atomically(dir / "f", [&](FileSink& sink) {
    sink.write("head");
    sink.write(big);
    EXPECT_EQ(sink.written(), big.size() + 4);
    EXPECT_EQ(slurp(dir / "f"), "old");  // until the end the old one is there
  });
  EXPECT_EQ(slurp(dir / "f"), "head" + big);
  EXPECT_EQ(entries(dir.path), 1);
}

TEST(WriteFileAtomically, AFailingWriterLeavesTheOldFileWhole) {
  Scratch dir;
  write_file_atomically(dir / "f", "old");
  EXPECT_THROW(write_file_atomically(dir / "f",
                                     [](FileSink& sink) {
                                       sink.write(std::string(1 << 20, 'y'));
                                       user_error("changed my mind");
                                     }),
               UserError);
  EXPECT_THROW(replace_file_atomically(dir / "f",
                                       [](const std::string& temporary) {
                                         spill(temporary, "half");
                                         user_error("changed my mind");
                                       }),
               UserError);
  EXPECT_EQ(slurp(dir / "f"), "old");
  EXPECT_EQ(entries(dir.path), 1);
}

TEST(WriteFileAtomically, AFullDiskIsAnEnvironmentErrorWithNameAndBytes) {
  Scratch dir;
  write_file_atomically(dir / "f", "old");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit small = old_limit;
  small.rlim_cur = 100'000;  // writes beyond fail, as on a full disk
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = message_of<EnvironmentError>(
      [&] { write_file_atomically(dir / "f", std::string(1'000'000, 'z')); });
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  expect_contains(message, dir / "f");
  expect_contains(message, "900000 bytes at byte 100000");
  EXPECT_EQ(slurp(dir / "f"), "old");
  EXPECT_EQ(entries(dir.path), 1);
}

TEST(WriteFileAtomically, KeepsLinksAndWritesToDevices) {
  Scratch dir;
  spill(dir / "real", "old");
  std::filesystem::create_symlink(dir / "real", dir / "link");
  write_file_atomically(dir / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_EQ(slurp(dir / "real"), "new");
  write_file_atomically("/dev/null", "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  expect_contains(message_of<EnvironmentError>([] { write_file_atomically("/dev/full", "a"); }),
                  "1 bytes");
  EXPECT_THROW(write_file_atomically(dir / "no/such/dir", "a"), EnvironmentError);
}

}  // namespace
}  // namespace trivium::formats
