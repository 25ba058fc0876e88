// What a program may ask backward to watch: tensors changed in place after an op had them, and
// derivatives that are not numbers. Both are off; a recorded op then pays one branch.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>

#include "trivium/engine/record/var.h"

namespace trivium::record {

/// PyTorch's rule. Derivatives here read what an op was given, so a later write in place does no
/// harm; under this switch it is an error in backward all the same, for programs that must also run
/// where it does.
inline std::atomic<bool> strict_on{false}, anomaly_on{false};
inline constinit thread_local int unwatched = 0;
inline bool strict_inplace() { return strict_on.load(std::memory_order_relaxed) && unwatched == 0; }
/// TRIVIUM_STRICT_INPLACE=1 sets what a process starts with.
void set_strict_inplace(bool on);
/// While it lives (and `on`), strict_inplace is off for what the thread does: in functions made of
/// ops that keep what the original does not.
class Unwatched {
 public:
  explicit Unwatched(bool on) : on_(on) { unwatched += on; }
  ~Unwatched() { unwatched -= on_; }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;

 private:
  bool on_;
};
/// Under strict_inplace: what the derivative of `function` reads in PyTorch, in place of what the
/// op that made `result` keeps here. `function` lives for ever.
void watch_instead(const char* function, const Var& result, std::initializer_list<Named> operands,
                   bool and_result);
/// Another handle on v, without history, whose writes strict_inplace does not see: what PyTorch's
/// `.data` is.
Var uncounted(const Var& v);

/// While on, backward looks at every derivative as soon as it is recorded and stops at the first
/// NaN, naming the op and where the program called it. Slow.
inline bool detect_anomaly() { return anomaly_on.load(std::memory_order_relaxed); }
/// `call_site` says where the program is now ("file.py:12, in loss"); it may be empty.
void set_detect_anomaly(bool on, std::function<std::string()> call_site = {});

// ---- for recording and backward
/// Recording has more to do than to append.
inline bool watching() { return strict_inplace() || detect_anomaly(); }
/// Remembers the versions of the tensors whose content the node keeps.
void watch_kept(GradNode& node, std::span<const Var> operands, std::span<const Var> results);
/// `node` computed what is now written in place into `place`, which was `source` until then.
void watch_written(GradNode& node, const VarImpl& source, VarImpl& place);
/// The storage was written through an uncounted handle.
void uncounted_write(Storage& storage);
/// UserError when a tensor the node keeps was changed in place since.
void require_unchanged(GradNode& node);
/// Where the program calls, for detect_anomaly.
std::string call_site();
/// UserError when the gradient for operand `i` of the node holds NaN.
void require_numbers(GradNode& node, int32_t i, const Val& gradient);

}  // namespace trivium::record
