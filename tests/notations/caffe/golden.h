// The recorded behaviour of Caffe that tests of the notation compare with (tests/golden/caffe).
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "trivium/engine/core/error.h"
#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"

namespace trivium::caffe {

inline nlohmann::ordered_json load_golden(const std::string& name) {
  const std::string path = std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/caffe/" + name;
  std::ifstream in(path);
  if (!in) throw EnvironmentError("missing test data " + path);
  return nlohmann::ordered_json::parse(in);
}

/// The state of a run of nets.json, named like `TRAIN level 2 stages a,b` (`stages -`: none). As in
/// pycaffe, phase and level replace those of the file and the stages are added to its own.
inline proto::NetState state_of_run(const proto::NetParameter& net, const std::string& run) {
  std::istringstream in(run);
  std::string phase, word, stages;
  int level = 0;
  in >> phase >> word >> level >> word >> stages;
  proto::NetState state = net.state();
  state.set_phase(phase == "TRAIN" ? proto::TRAIN : proto::TEST);
  state.set_level(level);
  std::istringstream list(stages == "-" ? "" : stages);
  for (std::string stage; std::getline(list, stage, ',');) state.add_stage(stage);
  return state;
}

/// Log lines as the golden files write them: `I text`, `W text`, `E text`.
inline std::vector<std::string> marked(const LogLines& log) {
  std::vector<std::string> out;
  for (const LogLine& line : log) {
    out.push_back(std::string(1, "IWE"[static_cast<int>(line.level)]) + " " + line.text);
  }
  return out;
}

/// The message of the UserError that `action` throws; a test failure and "" when it throws none.
template <typename Action>
std::string user_error_of(Action&& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected a UserError";
  return "";
}

}  // namespace trivium::caffe
