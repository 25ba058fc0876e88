// The reference page of all ops, made from their records.
#pragma once

#include <string>

namespace trivium::ops {

/// Markdown, one section an op in alphabetical order. docs/ops.md is this text; `trivium ops
/// --markdown` prints it.
std::string ops_markdown();

}  // namespace trivium::ops
