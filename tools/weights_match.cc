// Matching by name first: a layer that is there under its own name is never given to another one.
// What is left is taken in order, each target from the next source whose tensors all fit.
#include "tools/weights_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"

namespace trivium::tools {
namespace {

using Kind = MatchRow::Kind;

/// Equal sizes where the target's are known; a scalar is a vector of one.
bool fits(const WeightTensor& target, const Shape& source) {
  const Shape& wanted = target.shape;
  if (wanted.rank() + source.rank() == 1) return source.count() == 1;
  if (wanted.rank() != source.rank()) return false;
  for (int a = 0; a < wanted.rank(); ++a)
    if (wanted[a] != source[a] && !(target.open && wanted[a] == 0)) return false;
  return true;
}

bool fits(const WeightModule& target, const WeightModule& source) {
  for (const WeightTensor& t : target.tensors) {
    const WeightTensor* from = source.find(t.role);
    if (from ? !fits(t, from->shape) : !t.optional) return false;
  }
  for (const WeightTensor& t : source.tensors)
    if (!t.optional && !target.find(t.role)) return false;
  return true;
}

std::string shape_text(const WeightTensor& t) {
  if (!t.open) return t.shape.text();
  std::vector<std::string> sizes;
  for (const int64_t size : t.shape) sizes.push_back(size == 0 ? "?" : std::to_string(size));
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

/// Per target the index of its source, or -1; `ordered` tells which were found by order.
std::vector<int> pair_up(const WeightModules& source, const WeightModules& target,
                         std::vector<bool>* ordered) {
  std::map<std::string, int> by_name;
  for (size_t s = 0; s < source.size(); ++s) by_name.emplace(source[s].name, static_cast<int>(s));
  std::vector<int> of(target.size(), -1);
  std::vector<bool> used(source.size());
  ordered->assign(target.size(), false);
  for (size_t t = 0; t < target.size(); ++t) {
    const auto at = by_name.find(target[t].name);
    if (at == by_name.end() || used[static_cast<size_t>(at->second)]) continue;
    of[t] = at->second;
    used[static_cast<size_t>(at->second)] = true;
  }
  size_t next = 0;
  for (size_t t = 0; t < target.size(); ++t) {
    if (of[t] >= 0) continue;
    for (size_t s = next; s < source.size(); ++s) {
      if (used[s] || !fits(target[t], source[s])) continue;
      of[t] = static_cast<int>(s);
      used[s] = (*ordered)[t] = true;
      next = s + 1;
      break;
    }
  }
  return of;
}

/// Gives a target its values and tells what became of every tensor of the two.
void fill(WeightModule* target, const WeightModule& source, Kind kind, Match* out) {
  for (WeightTensor& t : target->tensors) {
    const WeightTensor* from = source.find(t.role);
    MatchRow row{kind, from ? source.full_name(*from) : "", target->full_name(t), shape_text(t), 0};
    if (!from) {
      if (t.optional) continue;
      row.kind = Kind::missing;
    } else if (!fits(t, from->shape)) {
      row.kind = Kind::shape;
      row.note = fmt::format("{} into {}", from->shape.text(), shape_text(t));
    } else {
      const bool same_rank = t.shape.rank() == from->shape.rank();
      t.value = same_rank ? from->value : from->value.reshaped(t.shape);
      row.count = t.value.count();
      row.note = fmt::format("{} {}", name_of(t.value.dtype()), from->shape.text());
    }
    out->rows.push_back(row);
  }
  for (const WeightTensor& from : source.tensors)
    if (!from.optional && !target->find(from.role))
      out->rows.push_back({Kind::unexpected, source.full_name(from), "", from.shape.text(), 0});
}

/// A number in the text compares by its value.
bool natural_less(const std::string& a, const std::string& b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const auto number = [&](const std::string& text, size_t* at) {
        size_t from = *at;
        while (*at < text.size() && is_digit(text[*at])) ++*at;
        while (from + 1 < *at && text[from] == '0') ++from;
        return text.substr(from, *at - from);
      };
      const std::string x = number(a, &i), y = number(b, &j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

bool is_inside(const std::string& name, const std::string& outer) {
  return name == outer || name.starts_with(outer + ".");
}

NamedArrays named(const WeightModules& modules) {
  NamedArrays out;
  for (const WeightModule& m : modules)
    for (const WeightTensor& t : m.tensors) out.emplace_back(m.full_name(t), t.value);
  return out;
}

}  // namespace

NamePairs read_name_pairs(const std::string& path) {
  const formats::MappedFile file(path);
  const auto* bytes = reinterpret_cast<const char*>(file.bytes().data());
  std::istringstream in(std::string(bytes, file.bytes().size()));
  NamePairs pairs;
  std::set<std::string> seen;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::istringstream words(line);
    std::string from, to, more;
    words >> from >> to;
    if (from.empty() || from.starts_with("#")) continue;
    if (to.empty() || words >> more)
      user_error("{}:{}: expected two names, FROM TO, but the line is \"{}\"", path, number, line);
    if (!seen.insert(from).second) user_error("{}:{}: \"{}\" is renamed twice", path, number, from);
    pairs.emplace_back(from, to);
  }
  return pairs;
}

void rename(WeightModules* modules, const NamePairs& pairs, const std::string& pairs_file) {
  if (pairs.empty()) return;
  NamedArrays tensors = named(*modules);
  std::vector<std::string> known;
  for (const auto& [name, array] : tensors) known.push_back(name);
  for (const WeightModule& m : *modules) known.push_back(m.name);
  // The longest pair that covers a name decides, and each name is looked at once: chains such as
  // "a b" next to "b c" swap rather than follow each other.
  std::set<std::string> used;
  for (auto& [name, array] : tensors) {
    const std::pair<std::string, std::string>* best = nullptr;
    for (const auto& pair : pairs) {
      if (!is_inside(name, pair.first)) continue;
      used.insert(pair.first);
      if (!best || pair.first.size() > best->first.size()) best = &pair;
    }
    if (best) name = best->second + name.substr(best->first.size());
  }
  for (const auto& [from, to] : pairs) {
    if (used.contains(from)) continue;
    const std::string near = closest_match(from, known);
    user_error("{}: the input has nothing named \"{}\"{}", pairs_file, from,
               near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
  }
  std::set<std::string> names;
  for (const auto& [name, array] : tensors)
    if (!names.insert(name).second)
      user_error("{}: two tensors would be named \"{}\"", pairs_file, name);
  *modules = modules_of(tensors);
}

void drop_parallel_prefix(WeightModules* modules) {
  constexpr std::string_view kPrefix = "module.";
  for (const WeightModule& m : *modules)
    if (!m.name.starts_with(kPrefix)) return;
  for (WeightModule& m : *modules) m.name = m.name.substr(kPrefix.size());
}

void sort_naturally(WeightModules* modules) {
  std::stable_sort(
      modules->begin(), modules->end(),
      [](const WeightModule& a, const WeightModule& b) { return natural_less(a.name, b.name); });
}

int64_t Match::count(Kind kind) const {
  return std::count_if(rows.begin(), rows.end(),
                       [kind](const MatchRow& r) { return r.kind == kind; });
}

bool Match::complete() const {
  return count(Kind::missing) + count(Kind::unexpected) + count(Kind::shape) == 0;
}

Match match(const WeightModules& source, WeightModules target) {
  std::vector<bool> ordered;
  const std::vector<int> of = pair_up(source, target, &ordered);
  Match out;
  std::set<int> used;
  for (size_t t = 0; t < target.size(); ++t) {
    used.insert(of[t]);
    const WeightModule nothing;
    fill(&target[t], of[t] < 0 ? nothing : source[static_cast<size_t>(of[t])],
         ordered[t] ? Kind::order : Kind::name, &out);
  }
  for (size_t s = 0; s < source.size(); ++s) {
    if (used.contains(static_cast<int>(s))) continue;
    for (const WeightTensor& from : source[s].tensors)
      if (!from.optional)
        out.rows.push_back({Kind::unexpected, source[s].full_name(from), "", from.shape.text(), 0});
  }
  out.modules = std::move(target);
  return out;
}

std::string match_text(const Match& match) {
  static const char* const kWords[] = {"same name", "by order", "MISSING", "UNEXPECTED",
                                       "OTHER SHAPE"};
  size_t from = 4, to = 2, note = 5;
  for (const MatchRow& row : match.rows) {
    from = std::max(from, row.from.size());
    to = std::max(to, row.to.size());
    note = std::max(note, row.note.size());
  }
  std::string out =
      fmt::format("{:{}}  {:{}}  {:{}}  {}\n", "from", from, "to", to, "shape", note, "how");
  int64_t numbers = 0;
  for (const MatchRow& row : match.rows) {
    numbers += row.count;
    out += fmt::format("{:{}}  {:{}}  {:{}}  {}\n", row.from.empty() ? "-" : row.from, from,
                       row.to.empty() ? "-" : row.to, to, row.note, note,
                       kWords[static_cast<int>(row.kind)]);
  }
  out += fmt::format("matched {} ({} numbers), missing {}, unexpected {}, of another shape {}\n",
                     match.count(Kind::name) + match.count(Kind::order), numbers,
                     match.count(Kind::missing), match.count(Kind::unexpected),
                     match.count(Kind::shape));
  return out;
}

}  // namespace trivium::tools
