#include "trivium/notations/tf/op_signatures.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "trivium/engine/core/error.h"

namespace trivium::tf {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// The items of "a, b, c", cut at commas outside of brackets.
std::vector<std::string_view> items(std::string_view text) {
  std::vector<std::string_view> out;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '[') ++depth;
    if (i < text.size() && text[i] == ']') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    const std::string_view item = trimmed(text.substr(begin, i - begin));
    if (!item.empty()) out.push_back(item);
    begin = i + 1;
  }
  return out;
}

/// The text between two characters, and what follows it.
std::string_view between(std::string_view* text, char open, char close) {
  const size_t begin = text->find(open), end = text->find(close);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
    internal_error("signature: {}…{} expected in \"{}\"", open, close, std::string(*text));
  const std::string_view inside = text->substr(begin + 1, end - begin - 1);
  text->remove_prefix(end + 1);
  return inside;
}

OpSignature::Arg parse_arg(std::string_view text) {
  OpSignature::Arg arg;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    internal_error("signature: a type expected after \"{}\"", std::string(text));
  arg.name = text.substr(0, colon);
  std::string_view type = text.substr(colon + 1);
  arg.reference = !type.empty() && type.front() == '&';
  if (arg.reference) type.remove_prefix(1);
  if (const size_t star = type.find('*'); star != std::string_view::npos) {
    arg.count = type.substr(0, star);
    type.remove_prefix(star + 1);
  }
  arg.list = type.size() > 3 && type.substr(type.size() - 3) == "...";
  if (arg.list) type.remove_suffix(3);
  arg.type = type;
  return arg;
}

OpSignature::Attr parse_attr(std::string_view text) {
  OpSignature::Attr attr;
  const size_t colon = text.find(':'), equals = text.find('=');
  if (colon == std::string_view::npos)
    internal_error("signature: a kind expected after \"{}\"", std::string(text));
  attr.name = text.substr(0, colon);
  attr.kind = text.substr(
      colon + 1, equals == std::string_view::npos ? std::string_view::npos : equals - colon - 1);
  if (equals != std::string_view::npos) attr.fallback = std::string(text.substr(equals + 1));
  return attr;
}

/// Every line of the tables by its type; a line that begins with blanks goes on the last one.
std::map<std::string, std::string> lines_by_type() {
  std::map<std::string, std::string> lines;
  std::string* last = nullptr;
  for (std::string_view table : {kOpSignaturesAF, kOpSignaturesGQ, kOpSignaturesRZ})
    while (!table.empty()) {
      const size_t end = table.find('\n');
      const std::string_view line = table.substr(0, end);
      table.remove_prefix(end == std::string_view::npos ? table.size() : end + 1);
      if (line.empty()) continue;
      if (line.front() == ' ' && last)
        last->append(" ").append(trimmed(line));
      else
        *(last = &lines[std::string(line.substr(0, line.find('(')))]) = line;
    }
  return lines;
}

const std::map<std::string, OpSignature>& table() {
  static const auto* const signatures = [] {
    auto* all = new std::map<std::string, OpSignature>;
    for (const auto& [type, line] : lines_by_type()) (*all)[type] = parse_op_signature(line);
    return all;
  }();
  return *signatures;
}

}  // namespace

const OpSignature::Attr* OpSignature::attr(const std::string& name) const {
  for (const Attr& a : attrs)
    if (a.name == name) return &a;
  return nullptr;
}

OpSignature parse_op_signature(const std::string& line) {
  OpSignature out;
  std::string_view rest = line;
  out.type = trimmed(rest.substr(0, rest.find('(')));
  for (std::string_view item : items(between(&rest, '(', ')')))
    out.inputs.push_back(parse_arg(item));
  for (std::string_view item : items(between(&rest, '(', ')')))
    out.outputs.push_back(parse_arg(item));
  if (!trimmed(rest).empty())
    for (std::string_view item : items(between(&rest, '{', '}')))
      out.attrs.push_back(parse_attr(item));
  return out;
}

const OpSignature* op_signature(const std::string& type) {
  const auto it = table().find(type);
  return it == table().end() ? nullptr : &it->second;
}

std::vector<std::string> op_signature_types() {
  std::vector<std::string> types;
  for (const auto& item : table()) types.push_back(item.first);
  return types;
}

}  // namespace trivium::tf
