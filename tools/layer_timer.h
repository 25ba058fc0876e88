// Time per layer and direction. A plan is fused across layers, so layers are not run one by one:
// the whole forward and backward plan runs as in training, each step is timed, and its time goes to
// the layer and the direction that recorded it. A layer that was fused into its neighbour shows
// (almost) no time of its own.
#pragma once

#include <memory>
#include <vector>

#include "tools/report.h"
#include "trivium/engine/run/profile.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::tools {

/// How programs explain their method in their help.
extern const char kLayerTimerMethod[];

class LayerTimer {
 public:
  /// With `backward`, gradients of all learnable parameters are computed as in training; nothing is
  /// updated.
  explicit LayerTimer(caffe::Net& net, bool backward = true);
  ~LayerTimer();

  /// Takes the next batch and runs once; returns the milliseconds of both. Warm up by one call and
  /// reset().
  double run();
  /// Forgets what was measured so far.
  void reset();

  /// The loss of the last run.
  double loss() const { return loss_; }
  int runs() const { return runs_; }
  /// Means over the runs since reset(), in the order of the net's layers.
  std::vector<LayerTime> layers() const;
  double forward_ms() const;
  double backward_ms() const;
  double total_ms() const { return runs_ ? wall_ms_ / runs_ : 0; }
  const run::Profile& profile() const { return *profile_; }

 private:
  void prepare();

  caffe::Net& net_;
  bool backward_;
  int64_t generation_ = -1;
  std::unique_ptr<caffe::Recording> recording_;
  std::unique_ptr<Graph> graph_;
  compile::Prepared prepared_;
  run::Bindings bindings_;
  std::vector<Array> outputs_;
  std::unique_ptr<run::Profile> profile_;
  double loss_ = 0, wall_ms_ = 0, data_ms_ = 0;
  int runs_ = 0;
};

}  // namespace trivium::tools
