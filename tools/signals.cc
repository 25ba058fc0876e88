#include "tools/signals.h"

#include <csignal>

#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

volatile std::sig_atomic_t interrupted = 0, hung_up = 0;
struct sigaction old_interrupt, old_hangup;

void note(int signal) {
  if (signal == SIGINT)
    interrupted = 1;
  else
    hung_up = 1;
}

}  // namespace

SignalActions::SignalActions(caffe::SolverAction on_interrupt, caffe::SolverAction on_hangup)
    : on_interrupt_(on_interrupt), on_hangup_(on_hangup) {
  interrupted = 0;
  hung_up = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;  // reads and writes under way go on
  sigfillset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt);
  sigaction(SIGHUP, &action, &old_hangup);
}

SignalActions::~SignalActions() {
  sigaction(SIGINT, &old_interrupt, nullptr);
  sigaction(SIGHUP, &old_hangup, nullptr);
}

caffe::SolverAction SignalActions::poll() {
  if (hung_up) {
    hung_up = 0;
    return on_hangup_;
  }
  if (interrupted) {
    interrupted = 0;
    return on_interrupt_;
  }
  return caffe::SolverAction::none;
}

caffe::SolverAction parse_action(const std::string& flag, const std::string& text) {
  if (text == "stop") return caffe::SolverAction::stop;
  if (text == "snapshot") return caffe::SolverAction::snapshot;
  if (text == "none") return caffe::SolverAction::none;
  user_error("Invalid signal effect \"{}\" was specified by -{}; expected snapshot, stop or none",
             text, flag);
}

}  // namespace trivium::tools
