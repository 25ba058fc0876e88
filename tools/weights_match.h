// Finding for every tensor a target has room for the tensor of a source that belongs there: by the
// pairs a person wrote down, by name, and then by the order of the layers and their shapes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/weights_file.h"

namespace trivium::tools {

using NamePairs = std::vector<std::pair<std::string, std::string>>;

/// One "FROM TO" a line; empty lines and lines that start with # are skipped. UserError with the
/// line otherwise, and for a FROM given twice.
NamePairs read_name_pairs(const std::string& path);

/// Renames tensors (by full name) and modules (by name, with all inside: "a" also renames "a.b").
/// UserError for a pair that names nothing, with the nearest name.
void rename(WeightModules* modules, const NamePairs& pairs, const std::string& pairs_file);

/// Takes "module." away when every name starts with it: DataParallel puts it there.
void drop_parallel_prefix(WeightModules* modules);

/// Sorts by name with numbers by value, so that "features.10" follows "features.2".
void sort_naturally(WeightModules* modules);

struct MatchRow {
  enum class Kind : uint8_t { name, order, missing, unexpected, shape };
  Kind kind;
  std::string from, to;
  std::string note;  ///< the shape, or both where they differ
  int64_t count = 0;
};

struct Match {
  WeightModules modules;  ///< the target's, with values where there are any
  std::vector<MatchRow> rows;
  int64_t count(MatchRow::Kind kind) const;
  /// Nothing missing, left over or of another shape.
  bool complete() const;
};

Match match(const WeightModules& source, WeightModules target);

/// The table of a match and one line of sums.
std::string match_text(const Match& match);

}  // namespace trivium::tools
