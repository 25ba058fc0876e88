#include "trivium/engine/graph/region.h"

#include <mutex>
#include <unordered_map>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/text.h"

namespace trivium {
namespace {

constexpr int64_t kRepeatedElements = 16;  // of a literal that is repeated inside a region

std::shared_ptr<const Region> parsed(const std::string& text) {
  auto region = std::make_shared<Region>();
  region->text = text;
  region->graph = parse_region_text(text, &region->results);
  if (!region->graph->scalars().empty() || !region->graph->cells().empty())
    user_error("region: everything must come in as an input; a {} stands inside",
               region->graph->cells().empty() ? "scalar" : "cell");
  return region;
}

}  // namespace

std::shared_ptr<const Region> region_of(const std::string& text) {
  static std::mutex lock;  // guards `table`
  static std::unordered_map<std::string, std::shared_ptr<const Region>> table;
  {
    std::lock_guard<std::mutex> hold(lock);
    if (const auto at = table.find(text); at != table.end()) return at->second;
  }
  auto region = parsed(text);  // without the lock: regions inside it are looked up too
  std::lock_guard<std::mutex> hold(lock);
  return table.emplace(text, std::move(region)).first->second;
}

Value RegionDraft::input(const std::string& name, const ValueMeta& meta) {
  inputs.push_back(graph->input(name, meta.shape, meta.dtype));
  return inputs.back();
}

Value RegionDraft::capture(Value outer) {
  for (const auto* known : {&captures, &literals})
    for (const Captured& c : *known)
      if (c.outer == outer) return c.inner;
  const Node& node = outer.graph->node(outer.node);
  Value inner;
  // Floating literals come in as inputs: somebody may ask for their gradient.
  if (node.op->name() == "constant" && !is_floating(outer.dtype()) &&
      outer.shape().count() <= kRepeatedElements) {
    inner = graph->constant(outer.graph->constants()[node.literal]);
    literals.push_back({outer, inner});
    return inner;
  }
  inner = graph->input("capture", outer.shape(), outer.dtype());
  captures.push_back({outer, inner});
  return inner;
}

}  // namespace trivium
