// The verbs of the program `trivium`, each in a file of its own: add_x() describes the verb's
// options and what it does. A verb throws trivium::Error; the program prints the message and exits
// with status 1.
#pragma once

#include <CLI/CLI.hpp>

namespace trivium::tools {

void add_train(CLI::App& program);
void add_test(CLI::App& program);
void add_time(CLI::App& program);
void add_check(CLI::App& program);
void add_explain(CLI::App& program);
void add_convert(CLI::App& program);
void add_inspect(CLI::App& program);
void add_bench(CLI::App& program);
void add_ops(CLI::App& program);

/// The command line this process was started with, quoted for a shell.
const std::string& command_line();
void set_command_line(int argc, const char* const* argv);

/// Adds --threads; the number is in force once the command line is parsed.
void add_threads_option(CLI::App& verb);

}  // namespace trivium::tools
