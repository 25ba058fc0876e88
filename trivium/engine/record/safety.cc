#include "trivium/engine/record/safety.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

#include "trivium/engine/record/var_impl.h"

namespace trivium::record {
namespace {

bool strict_at_start() {
  const char* text = std::getenv("TRIVIUM_STRICT_INPLACE");
  return text && *text && std::string(text) != "0";
}

[[maybe_unused]] const bool strict_is_set = (set_strict_inplace(strict_at_start()), true);

std::mutex site_lock;  // guards `site`
std::function<std::string()>& site() {
  static auto& function = *new std::function<std::string()>;
  return function;
}

/// Writes that do not count, while strict_inplace is on. Entries of storages that are gone do no
/// harm: a new one at the same address starts with version 0, and versions are only compared with
/// versions.
std::mutex uncounted_lock;  // guards the rest
std::unordered_map<const Storage*, int64_t>& uncounted_writes() {
  static auto& table = *new std::unordered_map<const Storage*, int64_t>;
  return table;
}

int64_t counted_version(const Storage& storage) {
  const std::lock_guard<std::mutex> hold(uncounted_lock);
  const auto at = uncounted_writes().find(&storage);
  return storage.version - (at == uncounted_writes().end() ? 0 : at->second);
}

bool has_nan(const Array& a) {
  if (a.dtype() == DType::f32) {
    for (const float v : a.span<float>())
      if (std::isnan(v)) return true;
    return false;
  }
  for (int64_t i = 0; i < a.count(); ++i)
    if (std::isnan(a.at(i))) return true;
  return false;
}

std::string where(GradNode& node) {
  std::string text;
  if (node.rare && !node.rare->site.empty()) text += "; recorded at " + node.rare->site;
  if (const std::string& scope = scope_name(node.scope); !scope.empty())
    text += fmt::format("; layer \"{}\"", scope);
  return text;
}

}  // namespace

void set_strict_inplace(bool on) { strict_on = on; }

Var uncounted(const Var& v) {
  const Var handle = v.detach();
  handle.impl()->uncounted = true;
  return handle;
}

void uncounted_write(Storage& storage) {
  const std::lock_guard<std::mutex> hold(uncounted_lock);
  ++uncounted_writes()[&storage];
}

void set_detect_anomaly(bool on, std::function<std::string()> call_site) {
  const std::lock_guard<std::mutex> hold(site_lock);
  site() = std::move(call_site);
  anomaly_on = on;
}

std::string call_site() {
  std::function<std::string()> ask;
  {
    const std::lock_guard<std::mutex> hold(site_lock);
    ask = site();
  }
  return ask ? ask() : "";
}

namespace {

void watch(GradNode& node, const char* function, bool result, size_t index, const Var& v) {
  const Ref<Storage>& storage = v.impl()->storage;
  node.rarely().kept_tensors.push_back({function, result, static_cast<int32_t>(index), v.meta(),
                                        storage, counted_version(*storage)});
}

}  // namespace

void watch_kept(GradNode& node, std::span<const Var> operands, std::span<const Var> results) {
  const Ref<Slot>* const saved = node.saved();
  for (size_t i = 0; i < operands.size(); ++i)
    if (saved[i]) watch(node, node.name(), false, i, operands[i]);
  for (size_t r = 0; r < results.size(); ++r)
    if (saved[operands.size() + r]) watch(node, node.name(), true, r, results[r]);
}

void watch_instead(const char* function, const Var& result, std::initializer_list<Named> operands,
                   bool and_result) {
  if (!strict_inplace() || !result.impl()->edge.node) return;
  GradNode& node = *result.impl()->edge.node;
  node.rarely().kept_tensors.clear();
  size_t index = 0;
  for (const Named& operand : operands) watch(node, function, false, index++, operand.var());
  if (and_result) watch(node, function, true, 0, result);
}

void watch_written(GradNode& node, const VarImpl& source, VarImpl& place) {
  if (!node.rare) return;
  auto& kept = node.rare->kept_tensors;
  // The op's operand was this tensor: it keeps the content of before the write.
  std::erase_if(kept,
                [&](const GradNode::Kept& k) { return !k.result && k.storage == place.storage; });
  for (GradNode::Kept& k : kept)
    if (k.result && k.storage == source.storage) {
      k.storage = place.storage;
      k.version = counted_version(*place.storage);
    }
}

void require_unchanged(GradNode& node) {
  if (!node.rare) return;
  for (const GradNode::Kept& k : node.rare->kept_tensors) {
    const int64_t now = counted_version(*k.storage);
    if (now == k.version) continue;
    user_error(
        "backward: one of the variables needed for gradient computation has been modified by an "
        "inplace operation: {} {} of {}, {}, was at version {} when it was kept and is at version "
        "{} now{}; write to a clone() of it, or turn strict_inplace off",
        k.result ? "result" : "operand", k.index, k.function, k.meta->text(), k.version, now,
        where(node));
  }
}

void require_numbers(GradNode& node, int32_t i, const Val& gradient) {
  Val copy = gradient;
  if (!is_floating(copy.meta()->dtype)) return;
  const Array values = Var::of(std::move(copy)).array();
  if (!has_nan(values)) return;
  user_error(
      "Function '{}' returned nan values in its {}th output (the gradient of operand {}, {}){}",
      node.name(), i, i, gradient.meta()->text(), where(node));
}

}  // namespace trivium::record
