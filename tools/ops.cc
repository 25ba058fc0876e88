// trivium ops: what each op of the engine means, from the records the engine itself works by.
#include <fmt/format.h>

#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/docs.h"

namespace trivium::tools {
namespace {

struct OpsOptions {
  std::string name;
  bool markdown = false;
};

/// The part of the reference page under the heading of one op.
std::string section_of(const std::string& name) {
  const std::string page = ops::ops_markdown(),
                    heading = "\n## " + OpRegistry::instance().get(name).name() + "\n";
  const size_t start = page.find(heading);
  if (start == std::string::npos) internal_error("ops: the page has no section \"{}\"", name);
  return page.substr(start + 1, page.find("\n## ", start + 1) - start);
}

void run_ops(const OpsOptions& options) {
  ops::register_all();
  if (!options.name.empty()) {
    fmt::print("{}", section_of(options.name));
  } else if (options.markdown) {
    fmt::print("{}", ops::ops_markdown());
  } else {
    for (const auto& op : OpRegistry::instance().all())
      fmt::print("{:28} {}\n", op->name(), op->summary());
  }
}

}  // namespace

void add_ops(CLI::App& program) {
  auto options = std::make_shared<OpsOptions>();
  CLI::App* verb = program.add_subcommand("ops", "list the engine's operations, or describe one");
  verb->add_option("name", options->name, "the op to describe");
  verb->add_flag("--markdown", options->markdown, "the page docs/ops.md");
  verb->footer("example: trivium ops conv");
  verb->callback([options] { run_ops(*options); });
}

}  // namespace trivium::tools
