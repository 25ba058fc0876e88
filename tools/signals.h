// What Ctrl-C and a hang-up ask of a training run. The handlers only set a flag; the solver asks
// for it between steps.
#pragma once

#include <string>

#include "trivium/notations/caffe/solver.h"

namespace trivium::tools {

/// While it lives, SIGINT and SIGHUP are answered by the given actions instead of ending the
/// program. One at a time; the destructor puts the old handlers back.
class SignalActions {
 public:
  SignalActions(caffe::SolverAction on_interrupt, caffe::SolverAction on_hangup);
  ~SignalActions();
  SignalActions(const SignalActions&) = delete;
  SignalActions& operator=(const SignalActions&) = delete;

  /// The action of one pending signal (hang-ups first), which is then settled; none when nothing
  /// came.
  caffe::SolverAction poll();

 private:
  caffe::SolverAction on_interrupt_, on_hangup_;
};

/// "stop", "snapshot" or "none"; UserError naming the flag otherwise.
caffe::SolverAction parse_action(const std::string& flag, const std::string& text);

}  // namespace trivium::tools
