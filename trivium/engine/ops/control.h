// Loops and choices as one reads them: the parts of a while node, and how notations record one.
#pragma once

#include <vector>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/region.h"

namespace trivium::ops {

/// The parts of a while node. Its operands are the carries, then what comes row by row (one stack
/// each, or one tape), then the captures; the inputs of its regions are carries, rows, captures.
struct Loop {
  std::shared_ptr<const Region> condition;  // null: the number of iterations is known, or a tape's
  std::shared_ptr<const Region> body;
  int carries = 0, rows = 0, captures = 0, saves = 0;
  int64_t trips = -1;
  bool reverse = false;

  Loop(const Attrs& attrs, int operands);
  bool known() const { return trips >= 0; }
  bool from_tape() const { return !known() && rows > 0; }
  bool to_tape() const { return !known() && saves > 0; }
  int row_operands() const { return from_tape() ? 1 : rows; }
  int first_capture() const { return carries + row_operands(); }  // among the operands
  int outputs() const { return carries + (to_tape() ? 1 : saves); }
};

/// The stacks of a loop whose number of iterations is known only when it has run: its own kind of
/// value, which only a while node reads.
inline constexpr DType kTapeType = DType::f64;

/// Repeats body while condition holds. Both drafts have one input per carry first; what they
/// capture belongs to initial's graph. Carries that never change leave the loop; where the number
/// of iterations follows from literals it becomes part of the node. Returns the last carries.
std::vector<Value> while_loop(const std::vector<Value>& initial, RegionDraft condition,
                              RegionDraft body);
/// A fixed number of times. `stacks` [trips, ...] come in row by row, after the carries; results
/// beyond the carries come out stacked.
std::vector<Value> repeat(int64_t trips, const std::vector<Value>& initial,
                          const std::vector<Value>& stacks, RegionDraft body, bool reverse = false);
/// The results of one of two regions.
std::vector<Value> choose(Value predicate, RegionDraft then, RegionDraft otherwise);

/// What a loop reads and writes row by row.
struct LoopRows {
  std::vector<Value> stacks;  // of the graph around; their rows are the body's last inputs
  std::vector<size_t> saved;  // carries, by their old places: their rows are the last results
};
/// Makes rows of what `body` gathers from stacks and writes into carried ones at a carry that
/// counts the iterations from 0. `carried` are the first values of the carries.
LoopRows take_rows(int64_t trips, const std::vector<Value>& carried, RegionDraft& body);

/// The value when it follows from literals alone (and is small).
bool follows_from_literals(Value value, RefTensor* result);

/// How the gradients are recorded (control_gradient.cc).
void grad_while(GradCtx& c);
void grad_cond(GradCtx& c);

}  // namespace trivium::ops
