// What the two files that translate loops and the arrays inside them share.
#pragma once

#include <memory>
#include <vector>

#include "trivium/notations/tf/translator.h"

namespace trivium::tf {

inline Edge edge_of(Value v) { return {v.node, v.output}; }

/// The context that an attribute of a While or an If numbers.
const Context& context_of(const Operation& op, const char* attribute);
/// Operations of a context that its results need, in order of creation.
std::vector<Operation*> needed_in(const Context& context);

/// What goes round in a loop: its variables, the session's variables that it writes, what happened
/// to the positions of the tensor arrays it touches, the token.
struct Translator::Carried {
  int count = 0;  // loop variables
  std::vector<Value> initial;
  std::vector<std::shared_ptr<Unwritten>> arrays;  // of the loop variables
  std::vector<Operation*> variables, touched;
  size_t first_mark() const { return count + variables.size(); }
};

}  // namespace trivium::tf
