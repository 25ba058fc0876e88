// GradRule: the derivative of one Call at one combination of metas, derived once from the op's
// record into a short list of nodes that a backward pass replays. It also says which operands and
// results the list reads: only those are kept alive between forward and backward.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trivium/engine/record/call.h"

namespace trivium::record {

class GradRule {
 public:
  /// What a node of the list reads: operand or result of the Call, arriving gradient, constant, or
  /// an earlier node's result.
  enum class Source : int8_t { none, operand, result, upstream, constant, node };
  struct Reference {
    Source source = Source::none;
    int32_t index = 0, output = 0;
  };
  struct Step {
    const Call* call;
    const Inference* inference;
    std::vector<Reference> operands;
  };

  uint64_t wanted = 0, upstream = 0;  // bit i: operand i wants, result i has, a gradient
  std::vector<Step> steps;
  std::vector<Array> constants;
  std::vector<Reference> results;  // one an operand
  uint64_t saved_operands = 0, saved_results = 0;
};

/// The rule for these operands; derived on first use. Masks as in GradRule (operands beyond 63
/// count as bit 63). UserError when the op has no derivative, with the reason its record gives.
const GradRule& grad_rule(const Call* call, Inference& inference, uint64_t wanted,
                          uint64_t upstream);

}  // namespace trivium::record
