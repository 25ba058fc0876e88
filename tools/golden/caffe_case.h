// A recorded Caffe net as Trivium builds it.
#pragma once

#include <memory>
#include <string>

#include "trivium/notations/caffe/net.h"

namespace trivium::golden {

/// Parses and upgrades `prototxt` (called `file` in messages) and builds the net. `log` may be
/// null.
std::unique_ptr<caffe::Net> build_net(const std::string& prototxt, const std::string& file,
                                      caffe::NetOptions options,
                                      caffe::LogLines* upgrade_log = nullptr);

/// "TRAIN" or "TEST".
caffe::proto::Phase phase_of(const std::string& name);

/// True when the message says that the layer is one Trivium does not support.
bool says_unsupported(const std::string& message);

}  // namespace trivium::golden
