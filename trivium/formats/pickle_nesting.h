// The check that makes values from a pickle safe to walk and to destroy. Used by pickle.cc only.
#pragma once

#include <vector>

#include "trivium/formats/pickle_value.h"

namespace trivium::formats {

/// Walks everything that was made, each container once, without recursion. What holds itself, or
/// nests deeper than `max_depth`, is a UserError: later walks and destructors then need no care.
void check_nesting(const std::vector<PickleValue>& made, int max_depth);

}  // namespace trivium::formats
