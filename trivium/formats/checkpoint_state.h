// The file "checkpoint": which checkpoints of a training run there are, and which is the latest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/formats/file.h"

namespace trivium::formats {

struct CheckpointState {
  std::string latest;                 ///< prefix of the latest checkpoint
  std::vector<std::string> all = {};  ///< prefixes, oldest first
  std::vector<double> times = {};     ///< seconds since 1970 of each, or empty
  double last_preserved_time = 0;     ///< of the last that is kept for good
};

/// The state file of `directory`; relative paths inside come back relative to it. Nothing when
/// there is none; UserError naming the line when it is broken.
std::optional<CheckpointState> read_checkpoint_state(const std::string& directory,
                                                     const std::string& filename = "checkpoint");
CheckpointState parse_checkpoint_state(Bytes bytes, const std::string& name,
                                       const std::string& directory);
/// Writes it atomically. When `directory` is a relative path, relative prefixes are written
/// relative to it, otherwise as they are (they are then taken as relative to the directory);
/// absolute ones stay absolute. The latest is added to `all` when it is not there.
/// UserError when `filename` has a directory in it.
void write_checkpoint_state(const std::string& directory, const CheckpointState& state,
                            const std::string& filename = "checkpoint");

/// Whether the files of a checkpoint of either version are there.
bool checkpoint_exists(const std::string& prefix);
/// The latest checkpoint of a directory, if there is one and its files exist.
std::optional<std::string> latest_checkpoint(const std::string& directory,
                                             const std::string& filename = "checkpoint");
/// Removes the files of a checkpoint, ".meta" included; what is not there is left alone.
/// EnvironmentError when one cannot be removed.
void remove_checkpoint(const std::string& prefix);

}  // namespace trivium::formats
