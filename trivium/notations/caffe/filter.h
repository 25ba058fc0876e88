// Which layers of a definition belong to a net: include and exclude rules against phase, level and
// stages.
#pragma once

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

/// True when every condition of `rule` holds in `state`; an empty rule always does. The first
/// condition that fails is logged, naming `layer`.
bool meets_rule(const proto::NetState& state, const proto::NetStateRule& rule,
                const std::string& layer, LogLines* log = nullptr);

/// The net without the layers that `state` rules out; its `state` field becomes `state`. A layer
/// without include rules stays unless an exclude rule is met; with include rules it stays when one
/// of them is met. `lines` (may be null) stays parallel to the layers. Throws UserError for a layer
/// with both kinds of rules; the arguments are then unchanged.
proto::NetParameter filter_net(const proto::NetParameter& net, const proto::NetState& state,
                               LogLines* log = nullptr, SourceMap* lines = nullptr);

}  // namespace trivium::caffe
