// The single steps of upgrade.h. Each needs_* says whether a net uses the old form, each step
// replaces it.
#pragma once

#include <string>

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

/// V0: a `layers` entry with a flat `layer` inside. Padding layers dissolve into the next layer's
/// `pad`. Returns false when a field does not belong to its layer's type; each such field is an
/// error line.
bool needs_v0_upgrade(const proto::NetParameter& net);
bool upgrade_v0(const std::string& file, proto::NetParameter* net, LogLines* log, SourceMap* lines);

/// V1 data layers with scale, mean_file, crop_size or mirror outside transform_param.
bool needs_transform_upgrade(const proto::NetParameter& net);
void upgrade_transform(proto::NetParameter* net);

/// V1: `layers` with enum types. Throws UserError when `layer` entries are present too.
bool needs_v1_upgrade(const proto::NetParameter& net);
void upgrade_v1(const std::string& file, proto::NetParameter* net);

/// `input` with `input_shape` or `input_dim` becomes an Input layer in front; without shapes it is
/// dropped.
bool needs_input_upgrade(const proto::NetParameter& net);
void upgrade_input(const std::string& file, proto::NetParameter* net, SourceMap* lines);

/// BatchNorm with three params: all get lr_mult 0 and decay_mult 0, as its statistics are not
/// learned.
bool needs_batch_norm_upgrade(const proto::NetParameter& net);
void upgrade_batch_norm(proto::NetParameter* net);

}  // namespace trivium::caffe
