// The commands of the program `caffe`, each in a file of its own. They return the exit status and
// throw trivium::Error, which the program turns into a line of severity F and status 1.
#pragma once

#include "tools/gflags.h"
#include "tools/glog.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::tools {

struct CaffeRun {
  const Gflags& flags;
  Glog& log;

  /// Passes lines of nets and solvers to the log.
  caffe::LogSink sink() const {
    return [this](caffe::LogLevel level, const std::string& text) { log.forward(level, text); };
  }
};

int caffe_train(const CaffeRun& run);
int caffe_test(const CaffeRun& run);
int caffe_time(const CaffeRun& run);
int caffe_device_query(const CaffeRun& run);

/// Device numbers of -gpu: "0,2", "all" (none on a machine without them). UserError when one is no
/// number.
std::vector<int> gpus_of(const std::string& flag);
/// Logs the device and throws UserError when it is a GPU: this build computes on the CPU.
void choose_device(const CaffeRun& run, const std::vector<int>& gpus);
/// The net of -model under -level and -stage.
std::unique_ptr<caffe::Net> model_net(const CaffeRun& run, caffe::proto::Phase phase);

}  // namespace trivium::tools
