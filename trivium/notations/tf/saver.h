// Saves and restores the variables of a session, in TensorFlow's checkpoint files.
//
//   tf::train::Saver saver;                       // of all variables there are now
//   const std::string path = saver.save(session, "logs/model", step);
//   saver.restore(session, path);
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/tf/session.h"
#include "trivium/notations/tf/variables.h"

namespace trivium::tf::train {

/// The operations that save and restore when a session runs them, as files of graphs name them.
struct SaverNodes {
  Tensor filename;  ///< fed the prefix of the checkpoint
  Tensor save;      ///< the prefix, after the files have been written
  std::shared_ptr<Operation> restore;
};

using KeyedVariables = std::vector<std::pair<std::string, Variable>>;

/// Adds them to the default graph under the scope `name` ("save", "save_1", …); `variables` by the
/// names they have in the files.
SaverNodes add_saver_nodes(KeyedVariables variables, const std::string& name = "save");
/// What a restore operation restores: names in the files -> names of variables. Empty when it is
/// not made of RestoreV2 and Assign.
std::vector<std::pair<std::string, std::string>> restored_variables(Operation& restore);

class Saver {
 public:
  /// Of these variables; empty: of all there are now. ValueError when there is none.
  explicit Saver(std::vector<Variable> variables = {});
  /// Writes <path>[-step].index and .data-…; gives the prefix. OpError for a variable without a
  /// value.
  std::string save(Session& session, const std::string& path, std::optional<int64_t> step = {});
  /// OpError when a variable is missing there or has another shape or dtype.
  void restore(Session& session, const std::string& prefix);

 private:
  KeyedVariables variables_;
};

}  // namespace trivium::tf::train
