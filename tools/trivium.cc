// The program `trivium`: one verb a task. Each verb is a file of its own (verbs.h).
#include <fmt/format.h>

#include <cctype>
#include <memory>
#include <new>

#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::tools {
namespace {

std::string line_of_command;

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-./=:,+@%") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

const std::string& command_line() { return line_of_command; }

void set_command_line(int argc, const char* const* argv) {
  for (int i = 0; i < argc; ++i) line_of_command += (i ? " " : "") + quoted(argv[i]);
}

void add_threads_option(CLI::App& verb) {
  verb.add_option_function<int>(
          "--threads", [](int count) { set_threads(count); },
          "threads to compute with (default: all cores)")
      ->check(CLI::Range(1, 64));
}

}  // namespace trivium::tools

int main(int argc, char** argv) {
  using namespace trivium::tools;
  set_command_line(argc, argv);
  CLI::App program{"Trains, runs and explains networks written as text files.", "trivium"};
  program.require_subcommand(1);
  program.set_version_flag("--version", "trivium 0.1.0");
  program.footer("trivium VERB --help shows a verb's options and an example.");
  add_train(program);
  add_test(program);
  add_time(program);
  add_check(program);
  add_explain(program);
  add_convert(program);
  add_inspect(program);
  add_bench(program);
  add_ops(program);
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "trivium: out of memory; a smaller batch_size needs less\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "trivium: {}\n", error.what());
  }
  return 1;
}
