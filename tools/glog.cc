#include "tools/glog.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string_view>

namespace trivium::tools {
namespace {

constexpr const char* kNames[] = {"INFO", "WARNING", "ERROR", "FATAL"};

std::tm local_now(timeval* now) {
  gettimeofday(now, nullptr);
  std::tm parts{};
  localtime_r(&now->tv_sec, &parts);
  return parts;
}

std::string log_folder(const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  for (const char* name : {"GOOGLE_LOG_DIR", "TEST_TMPDIR", "TMPDIR", "TMP"})
    if (const char* value = std::getenv(name); value && *value) return value;
  return "/tmp";
}

std::string host_name() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 && *name ? name : "(unknown)";
}

std::string user_name() {
  if (const char* user = std::getenv("USER"); user && *user) return user;
  const passwd* entry = getpwuid(geteuid());
  return entry ? entry->pw_name : "invalid-user";
}

/// The stable name `caffe.INFO` points to the newest file; failing to make it is no harm.
void link_newest(const std::string& folder, const std::string& program, const char* level,
                 const std::string& file) {
  const std::string link = fmt::format("{}/{}.{}", folder, program, level);
  unlink(link.c_str());
  if (symlink(file.c_str(), link.c_str()) != 0) return;
}

/// Which file of Caffe logs a line: tools that read logs sometimes look for solver.cpp.
struct Source {
  std::string_view start, file;
  int line;
};
constexpr Source kSources[] = {
    {"Iteration ", "solver.cpp", 101},
    {"    Train net output", "solver.cpp", 102},
    {"    Test net output", "solver.cpp", 103},
    {"Test loss", "solver.cpp", 104},
    {"Solving ", "solver.cpp", 105},
    {"Learning Rate Policy", "solver.cpp", 106},
    {"Snapshotting ", "solver.cpp", 107},
    {"Optimization ", "solver.cpp", 108},
    {"Initializing solver", "solver.cpp", 109},
    {"Creating training net", "solver.cpp", 110},
    {"Creating test net", "solver.cpp", 111},
    {"Solver scaffolding", "solver.cpp", 112},
    {"Finetuning from", "solver.cpp", 113},
    {"Test interrupted", "solver.cpp", 114},
    {"Restoring previous", "solver.cpp", 115},
    {"SGDSolver", "sgd_solver.cpp", 101},
    {"MultiStep", "sgd_solver.cpp", 102},
    {"Gradient clipping", "sgd_solver.cpp", 103},
    {"Attempting to upgrade", "upgrade_proto.cpp", 101},
    {"Successfully upgraded", "upgrade_proto.cpp", 102},
    {"snapshot_prefix", "upgrade_proto.cpp", 103},
    {"Creating layer", "layer_factory.hpp", 101},
};

}  // namespace

std::string glog_prefix(Severity severity, const std::string& file, int line) {
  timeval now{};
  const std::tm t = local_now(&now);
  return fmt::format("{}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:5} {}:{}] ",
                     kNames[static_cast<int>(severity)][0], t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec, now.tv_usec, syscall(SYS_gettid), file, line);
}

Glog::~Glog() {
  for (const auto& [severity, file] : files_)
    if (file) std::fclose(file);
}

std::FILE* Glog::file_of(Severity severity) {
  const auto known = files_.find(severity);
  if (known != files_.end()) return known->second;
  const char* level = kNames[static_cast<int>(severity)];
  timeval now{};
  const std::tm t = local_now(&now);
  const std::string folder = log_folder(options_.log_dir), host = host_name();
  const std::string name = fmt::format(
      "{}.{}.{}.log.{}.{:04}{:02}{:02}-{:02}{:02}{:02}.{}", options_.program, host, user_name(),
      level, t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, getpid());
  std::FILE* file = std::fopen((folder + "/" + name).c_str(), "ae");
  files_[severity] = file;
  if (!file) {
    fmt::print(
        stderr,
        "{}: no log file can be made in {}; lines go to stderr only (-log_dir chooses a folder)\n",
        options_.program, folder);
    return nullptr;
  }
  link_newest(folder, options_.program, level, name);
  fmt::print(file,
             "Log file created at: {:04}/{:02}/{:02} {:02}:{:02}:{:02}\nRunning on machine: {}\n"
             "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n",
             t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, host);
  return file;
}

void Glog::write(Severity severity, const std::string& file, int line, const std::string& text) {
  if (static_cast<int>(severity) < options_.min_level) return;
  std::string whole = glog_prefix(severity, file, line) + text;
  if (whole.back() != '\n') whole += '\n';
  if (options_.to_stderr_only || options_.to_stderr_too || severity >= Severity::error) {
    std::fwrite(whole.data(), 1, whole.size(), stderr);
    std::fflush(stderr);
  }
  if (options_.to_stderr_only) return;
  // A line stands in the file of its own severity and of every lower one.
  for (int level = static_cast<int>(severity); level >= options_.min_level; --level)
    if (std::FILE* out = file_of(static_cast<Severity>(level))) {
      std::fwrite(whole.data(), 1, whole.size(), out);
      std::fflush(out);
    }
}

void Glog::write_at(Severity severity, const std::string& text, const LogSite& at) {
  write(severity, std::filesystem::path(at.file).filename().string(), at.line, text);
}

void Glog::forward(caffe::LogLevel level, const std::string& text) {
  const Severity severity = static_cast<Severity>(static_cast<int>(level));
  for (const Source& source : kSources)
    if (text.starts_with(source.start))
      return write(severity, std::string(source.file), source.line, text);
  write(severity, "net.cpp", 100, text);
}

}  // namespace trivium::tools
