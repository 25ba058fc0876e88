// Recorded behaviour of the original program, checked against Trivium. A folder has sections
// (layers, data, nets, …); each section is one file here that reads its part of the folder and
// reports every case.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"

namespace trivium::golden {

/// What became of each case, counted by group (a layer type, a kind of file).
class Report {
 public:
  void pass(const std::string& group) { ++groups_[group].passed; }
  void fail(const std::string& group, const std::string& name, const std::string& why);
  /// The original does something wrong here that Trivium does right.
  void mended(const std::string& group, const std::string& name, const std::string& reason);
  /// Trivium refuses the layer by name.
  void unsupported(const std::string& group, const std::string& name);
  /// Remembers the largest difference of a passing comparison.
  void difference(const std::string& group, double relative);

  /// Table, first failures, what was mended, and one closing line; the number of failures.
  int print(const std::string& folder, bool verbose) const;

 private:
  struct Group {
    int passed = 0, failed = 0, mended = 0, unsupported = 0;
    double worst = 0;
  };
  struct Note {
    std::string group, name, text;
  };
  std::map<std::string, Group> groups_;
  std::vector<Note> failures_, mended_, unsupported_;
};

/// Options of the comparison of one array.
struct Tolerance {
  double relative = 1e-4;
  double floor = 1e-2;  ///< smallest denominator
  double absolute = 0;  ///< allowed besides (image resizing: 1)
};

/// "" when `got` has the shape of `want` and its values within tolerance (NaN equals NaN,
/// infinities must be equal); else the first difference and the largest. `worst` receives the
/// largest relative one.
std::string compare(const Array& got, const Array& want, const Tolerance& tolerance, double* worst);

/// One line of a .tsv by column name.
using Row = std::map<std::string, std::string>;
std::vector<Row> read_tsv(const std::string& path);

struct Section {
  const char* name;
  /// File or folder below the golden folder whose presence means the section is there.
  const char* sign;
  void (*run)(const std::string& folder, Report& report);
};

void run_layers(const std::string& folder, Report& report);
void run_layer_refusals(const std::string& folder, Report& report);
void run_data(const std::string& folder, Report& report);
void run_nets(const std::string& folder, Report& report);
void run_repo_nets(const std::string& folder, Report& report);
void run_solvers(const std::string& folder, Report& report);
void run_training(const std::string& folder, Report& report);

}  // namespace trivium::golden
