// Formats in numbers: what a logical shape becomes in memory. The one idea: a blocked format is a
// plain row-major array of another shape, so buffers, views and copies need only `physical()`.
#include "trivium/engine/run/kernel.h"

#include "trivium/engine/core/error.h"

namespace trivium::run {
namespace {

int64_t blocks_of(int64_t size, int64_t lanes) { return (size + lanes - 1) / lanes; }

}  // namespace

std::string Format::text() const {
  switch (kind) {
    case plain:
      return "plain";
    case nblock:
      return fmt::format("n{}", lanes);
    case channels:
      return fmt::format("c{}", lanes);
  }
  internal_error("format of kind {}", static_cast<int>(kind));
}

Shape TensorDesc::physical() const {
  if (format.kind == Format::plain) return shape;
  const int axis = format.kind == Format::nblock ? 0 : 1;
  if (format.lanes == 0 || shape.rank() <= axis || shape.rank() >= Shape::kMaxRank)
    internal_error("format {} does not apply to shape {}", format.text(), shape.text());
  Shape out = shape;
  out.set(axis, blocks_of(shape[axis], format.lanes));
  out.push_back(format.lanes);
  return out;
}

size_t TensorDesc::bytes() const {
  return static_cast<size_t>(physical().count()) * size_of(dtype);
}

std::vector<const KernelEntry*> KernelTable::of(const std::string& op) const {
  std::vector<const KernelEntry*> found;
  for (const KernelEntry& entry : entries_)
    if (entry.op == op) found.push_back(&entry);
  return found;
}

}  // namespace trivium::run
