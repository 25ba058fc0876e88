// What a recording knows about a net.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "trivium/notations/caffe/net.h"

namespace trivium::golden {

/// The first fact of `want` (layers, blobs, params, inputs, outputs, loss_weights, needs_backward)
/// that the net does not share; "" when there is none.
std::string net_difference(caffe::Net& net, const nlohmann::json& want);

}  // namespace trivium::golden
