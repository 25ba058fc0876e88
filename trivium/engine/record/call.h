// Call: an op with its attributes, interned, so that recording it again is a pointer. Meta: a shape
// with a dtype, interned likewise. What an op makes of its operands' metas is remembered per Call:
// the shape rule runs once for each combination.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "trivium/engine/graph/op.h"

namespace trivium::record {

/// Shape and dtype, one object for all that are equal; lives for ever.
struct Meta {
  Shape shape;
  DType dtype = DType::f32;
  int64_t count = 1;
  uint32_t id = 0;
  std::string text() const;  ///< "float32[64, 10]"
};
const Meta* meta_of(const Shape& shape, DType dtype);

class GradRule;

/// The bit of operand or result i in a mask.
inline uint64_t mask_bit(size_t i) { return uint64_t{1} << (i < 63 ? i : 63); }

/// What the shape rule said about one combination of operand metas.
struct Inference {
  std::vector<const Meta*> operands, results;
  uint64_t floating_operands = 0, floating_results = 0;  // bit i; those beyond 63 share the last
  /// Rules already derived, by which operands want a gradient and which results have one.
  std::vector<std::unique_ptr<GradRule>> rules;
  std::atomic<const GradRule*> last_rule{nullptr};
  std::mutex* lock = nullptr;
  Inference();
  ~Inference();
};

/// An op and its completed attributes, one object for all that are equal; lives for ever.
struct Call {
  const OpDef* op = nullptr;
  std::shared_ptr<const Attrs> attrs;
  uint32_t id = 0;
  bool cuts_history = false;  // stop_gradient

  /// The shape rule's answer; UserError naming op, operands and the layer when they do not fit.
  Inference& infer(std::span<const Meta* const> operands) const;

  mutable std::atomic<Inference*> last{nullptr};  // the latest answer: mostly the next one too

  struct Memo;
  std::unique_ptr<Memo> memo;
  Call();
  ~Call();
};

/// The Call of `op` with these attributes. About a microsecond: keep the result where it is hot.
const Call* call(const OpDef& op, const Attrs& attrs = {});
const Call* call(const std::string& op, const Attrs& attrs = {});

/// The Call of an op whose attributes follow from a few integers (a shape, axes, starts and stops):
/// `make` runs only when (op, key) is new.
const Call* call_by_key(const OpDef& op, std::span<const int64_t> key,
                        Attrs (*make)(const OpDef&, std::span<const int64_t>));

// The view ops and others whose attributes change from call to call, by integers.
const Call* reshape_call(std::span<const int64_t> shape);
const Call* permute_call(std::span<const int64_t> perm);
const Call* broadcast_call(std::span<const int64_t> shape);
const Call* slice_call(std::span<const int64_t> starts, std::span<const int64_t> stops,
                       std::span<const int64_t> steps);
const Call* as_strided_call(std::span<const int64_t> shape, std::span<const int64_t> strides,
                            int64_t offset);
/// Reductions (sum, mean, prod, reduce_max, …) over axes (none: all).
const Call* reduce_call(const char* op, std::span<const int64_t> axes, bool keep_dims);

}  // namespace trivium::record
