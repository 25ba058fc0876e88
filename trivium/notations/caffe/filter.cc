// Rules of NetState. The log lines are Caffe's own words: tools read them.
#include "trivium/notations/caffe/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

bool has_stage(const proto::NetState& state, const std::string& stage) {
  return std::find(state.stage().begin(), state.stage().end(), stage) != state.stage().end();
}

// Why `rule` is not met, or "" when it is.
std::string failed_condition(const proto::NetState& state, const proto::NetStateRule& rule) {
  if (rule.has_phase() && rule.phase() != state.phase()) {
    return fmt::format("phase ({}) differed from the phase ({})", static_cast<int>(state.phase()),
                       static_cast<int>(rule.phase()));
  }
  if (rule.has_min_level() && state.level() < rule.min_level()) {
    return fmt::format("level ({}) is above the min_level ({})", state.level(), rule.min_level());
  }
  if (rule.has_max_level() && state.level() > rule.max_level()) {
    return fmt::format("level ({}) is above the max_level ({})", state.level(), rule.max_level());
  }
  for (const std::string& stage : rule.stage()) {
    if (!has_stage(state, stage)) return fmt::format("did not contain stage '{}'", stage);
  }
  for (const std::string& stage : rule.not_stage()) {
    if (has_stage(state, stage)) return fmt::format("contained a not_stage '{}'", stage);
  }
  return "";
}

template <typename Rules>
bool meets_any(const proto::NetState& state, const Rules& rules, const std::string& layer,
               LogLines* log) {
  return std::any_of(rules.begin(), rules.end(), [&](const proto::NetStateRule& rule) {
    return meets_rule(state, rule, layer, log);
  });
}

bool is_included(const proto::NetState& state, const proto::LayerParameter& layer, LogLines* log) {
  if (layer.include_size() > 0) return meets_any(state, layer.include(), layer.name(), log);
  return !meets_any(state, layer.exclude(), layer.name(), log);
}

void check_rules(const proto::NetParameter& net, const SourceMap* lines) {
  for (int i = 0; i < net.layer_size(); ++i) {
    const proto::LayerParameter& layer = net.layer(i);
    if (layer.include_size() > 0 && layer.exclude_size() > 0) {
      user_error("{}: has both include and exclude rules; give only one kind",
                 describe_layer(lines, layer, i, "exclude"));
    }
  }
}

}  // namespace

bool meets_rule(const proto::NetState& state, const proto::NetStateRule& rule,
                const std::string& layer, LogLines* log) {
  const std::string why = failed_condition(state, rule);
  if (why.empty()) return true;
  add_line(log, LogLevel::info,
           fmt::format("The NetState {} specified by a rule in layer {}", why, layer));
  return false;
}

proto::NetParameter filter_net(const proto::NetParameter& net, const proto::NetState& state,
                               LogLines* log, SourceMap* lines) {
  check_rules(net, lines);
  proto::NetParameter kept = net;
  kept.clear_layer();
  *kept.mutable_state() = state;
  SourceMap kept_lines{lines ? lines->file : "", {}};
  for (int i = 0; i < net.layer_size(); ++i) {
    if (!is_included(state, net.layer(i), log)) continue;
    *kept.add_layer() = net.layer(i);
    const LayerSource* source = lines ? lines->find(i) : nullptr;
    kept_lines.layers.push_back(source ? *source : LayerSource{});
  }
  if (lines) *lines = std::move(kept_lines);
  return kept;
}

}  // namespace trivium::caffe
