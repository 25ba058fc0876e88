#include "trivium/formats/pickle_nesting.h"

#include <algorithm>
#include <unordered_map>

#include "trivium/formats/pickle.h"

namespace trivium::formats {
namespace {

/// The values directly inside `value`.
std::vector<PickleValue> children_of(const PickleValue& value) {
  using Kind = PickleValue::Kind;
  std::vector<PickleValue> out;
  const bool is_record = value.is(Kind::record);
  if (is_record) {
    out.push_back(value.args());
    out.push_back(value.state());
  }
  if (is_record || value.is(Kind::tuple) || value.is(Kind::list) || value.is(Kind::set))
    for (const PickleValue& item : value.items()) out.push_back(item);
  if (is_record || value.is(Kind::dict))
    for (const PickleValue::Entry& entry : value.entries()) {
      out.push_back(entry.first);
      out.push_back(entry.second);
    }
  if (value.is(Kind::dict)) out.push_back(value.attributes());
  return out;
}

}  // namespace

void check_nesting(const std::vector<PickleValue>& made, int max_depth) {
  struct Visit {
    std::vector<PickleValue> children;
    size_t next = 0;
    int depth = 1;
    const void* id = nullptr;
  };
  std::unordered_map<const void*, int> depth_of;  // 0: still open
  for (const PickleValue& root : made) {
    if (depth_of.count(root.identity()) != 0) continue;
    std::vector<Visit> path(1);
    path[0].children = children_of(root);
    path[0].id = root.identity();
    depth_of[root.identity()] = 0;
    while (!path.empty()) {
      Visit& open = path.back();
      if (open.depth > max_depth || path.size() > static_cast<size_t>(max_depth))
        user_error("containers are nested deeper than {} levels", max_depth);
      if (open.next == open.children.size()) {
        const int depth = open.depth;
        depth_of[open.id] = depth;
        path.pop_back();
        if (!path.empty()) path.back().depth = std::max(path.back().depth, depth + 1);
        continue;
      }
      const PickleValue& child = open.children[open.next++];
      const void* id = child.identity();
      if (child.is(PickleValue::Kind::tensor) || child.is(PickleValue::Kind::storage) || !id)
        continue;
      const auto known = depth_of.find(id);
      if (known != depth_of.end()) {
        if (known->second == 0) user_error("{} holds itself", child.describe());
        open.depth = std::max(open.depth, known->second + 1);
        continue;
      }
      Visit below;
      below.children = children_of(child);
      if (below.children.empty()) continue;
      below.id = id;
      depth_of[id] = 0;
      path.push_back(std::move(below));
    }
  }
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    const uint8_t lead = *at++;
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || end - at < more) return false;
    const uint8_t second = *at;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
      return false;
    for (int i = 0; i < more; ++i)
      if ((*at++ & 0xc0) != 0x80) return false;
  }
  return true;
}

}  // namespace trivium::formats
