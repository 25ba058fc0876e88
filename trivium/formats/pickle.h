// Python pickles without Python: a stack machine over an allow-list of opcodes and of global names.
// A global never runs anything; each known one maps to a constructor of plain data below.
#pragma once

#include <functional>
#include <string>

#include "trivium/formats/bytes.h"
#include "trivium/formats/pickle_value.h"

namespace trivium::formats {

/// What happens at a global that is not plain data: strict refuses the file and names the global,
/// inspect keeps an inert record with its name, arguments and state.
enum class PickleMode { strict, inspect };

struct PickleLimits {
  uint64_t max_bytes = uint64_t{1} << 28;   ///< of the pickle itself
  uint64_t max_values = uint64_t{1} << 23;  ///< pushed onto the stack, all together
  int max_depth = 64;                       ///< of containers in containers
};

struct PickleOptions {
  PickleMode mode = PickleMode::strict;
  PickleLimits limits;
  /// Gives the value behind a persistent id; empty: persistent ids are refused.
  std::function<PickleValue(const PickleValue& id)> persistent;
};

/// Reads one pickle (protocols 2 to 5, and the opcodes Python 2 wrote); `in` stands behind it
/// afterwards. UserError with the byte for a broken pickle, an opcode or global outside the
/// allow-list, a passed limit, or containers that hold themselves.
PickleValue parse_pickle(ByteReader& in, const PickleOptions& options = {});

/// What a writer of tensors provides: the persistent id and the window of a tensor in its storage.
struct PickledTensor {
  TorchTensor tensor;  ///< storage, type, offset, size, stride to be written
  std::string key;     ///< of the storage among the records
};
using PlaceTensor = std::function<PickledTensor(const TorchTensor&)>;

/// The pickle (protocol 2) of `value`, restricted to what PyTorch's weights-only loader accepts.
/// A container or tensor that occurs twice is written once. UserError for records, globals and
/// nesting deeper than 64, and for tensors when `place` is empty.
std::string write_pickle(const PickleValue& value, const PlaceTensor& place = {});

/// True when the text is well-formed UTF-8 (surrogates refused).
bool is_utf8(std::string_view text);

}  // namespace trivium::formats
