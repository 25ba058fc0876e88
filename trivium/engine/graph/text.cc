// Printing; text_parse.cc reads it back.
#include "trivium/engine/graph/text.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/graph/op.h"

namespace trivium {
namespace {

/// Constants up to this many elements are written as numbers, longer ones as the hex of their
/// bytes.
constexpr int64_t kInlineElements = 16;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

bool plain_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_./-:").find(c) != std::string_view::npos;
  });
}

std::string number(const Array& a, int64_t i) {
  if (a.dtype() == DType::f32) return fmt::format("{}", a.data<float>()[i]);
  if (a.dtype() == DType::f64) return fmt::format("{}", a.data<double>()[i]);
  if (a.dtype() == DType::i64) return fmt::format("{}", a.data<int64_t>()[i]);
  return fmt::format("{}", static_cast<int64_t>(a.at(i)));
}

/// Numbers when every one reads back to the same bits, else hex.
std::string constant_text(const Array& a) {
  bool numbers =
      a.count() <= kInlineElements && a.dtype() != DType::f16 && a.dtype() != DType::bf16;
  for (int64_t i = 0; numbers && i < a.count(); ++i) numbers = !std::isnan(a.at(i));
  if (!numbers) {
    std::string out = "0x";
    const auto* bytes = static_cast<const unsigned char*>(a.raw());
    for (size_t i = 0; i < a.bytes(); ++i) out += fmt::format("{:02x}", bytes[i]);
    return out;
  }
  std::string out;
  for (int64_t i = 0; i < a.count(); ++i) out += (i ? ", " : "") + number(a, i);
  return "[" + out + "]";
}

/// The operand a node hands on unchanged, so that the node says nothing about what is computed; -1
/// when it computes something.
int handed_on(const Graph& graph, int n) {
  const Node& node = graph.node(n);
  const std::string& op = node.op->name();
  if (op == "stop_gradient" || op == "copy") return 0;
  if (op != "reshape" && op != "broadcast_to" && op != "cast" && op != "sum_to") return -1;
  const ValueMeta &in = graph.meta(node.inputs[0]), &out = graph.meta({n, 0});
  return in.shape == out.shape && in.dtype == out.dtype ? 0 : -1;
}

/// Where a value is computed: behind the nodes that only hand it on.
Edge computed_at(const Graph& graph, Edge e) {
  for (int at; (at = handed_on(graph, e.node)) >= 0;) e = graph.node(e.node).inputs[at];
  return e;
}

/// What a text says: everything; a region's graph, whose inputs have no names; or only what is
/// computed, without scopes and nodes that hand on their operand.
enum class Detail { everything, region, computation };

class Printer {
 public:
  Printer(const Graph& graph, Detail detail, std::vector<int> order)
      : graph_(graph),
        detail_(detail),
        names_(detail == Detail::everything),
        order_(std::move(order)),
        number_(graph.size(), -1) {
    for (size_t i = 0; i < order_.size(); ++i) number_[order_[i]] = static_cast<int>(i);
    number_cells();
  }

  std::string nodes() {
    std::string out;
    for (int n : order_) out += line(n) + "\n";
    return out;
  }

  std::string assigns() const {
    std::string out;
    for (int index : cell_order_) {
      const Graph::CellState& state = graph_.cells()[index];
      if (state.current == state.initial) continue;
      out += fmt::format("assign {}{}\n", cell(index), " = " + reference(state.current));
    }
    return out;
  }

  std::string reference(Edge e) const {
    if (detail_ == Detail::computation) e = computed_at(graph_, e);
    return e.output == 0 ? fmt::format("%{}", number_[e.node])
                         : fmt::format("%{}.{}", number_[e.node], e.output);
  }

 private:
  /// Cells in the order of their leaves; those that are only assigned come last.
  void number_cells() {
    cell_number_.assign(graph_.cells().size(), -1);
    const auto enter = [&](int index) {
      if (cell_number_[index] >= 0) return;
      cell_number_[index] = static_cast<int>(cell_order_.size());
      cell_order_.push_back(index);
    };
    for (int n : order_)
      if (graph_.node(n).op->name() == "cell") enter(graph_.node(n).literal);
    for (size_t i = 0; i < graph_.cells().size(); ++i)
      if (graph_.cells()[i].current != graph_.cells()[i].initial) enter(static_cast<int>(i));
  }

  std::string cell(int index) const {
    const std::string place = fmt::format("@{}", cell_number_[index]);
    return names_ ? place + " " + quoted(graph_.cells()[index].cell->name()) : place;
  }

  std::string leaf(const Node& node) const {
    const std::string& op = node.op->name();
    if (op == "constant") return "constant " + constant_text(graph_.constants()[node.literal]);
    if (op == "cell") return "cell " + cell(node.literal);
    const auto& leaves = op == "input" ? graph_.inputs() : graph_.scalars();
    return names_ ? op + " " + quoted(leaves[node.literal].name) : op;
  }

  std::string line(int n) const {
    const Node& node = graph_.node(n);
    std::string out = fmt::format("%{} = ", number_[n]);
    if (node.literal >= 0) {
      out += leaf(node);
    } else {
      out += node.op->name() + "(";
      for (size_t i = 0; i < node.inputs.size(); ++i)
        out += (i ? ", " : "") + reference(node.inputs[i]);
      out += ")";
      if (!node.attrs->empty()) out += " {" + node.attrs->text() + "}";
    }
    for (int o = 0; o < node.outputs; ++o) {
      const ValueMeta& meta = graph_.meta({n, o});
      out += fmt::format("{}{}{}", o ? ", " : " : ", name_of(meta.dtype), meta.shape.text());
    }
    const std::string& scope = graph_.scope_name(node.scope);
    if (detail_ != Detail::computation && !scope.empty())
      out += "  # " + (plain_word(scope) ? scope : quoted(scope));
    return out;
  }

  const Graph& graph_;
  const Detail detail_;
  const bool names_;
  std::vector<int> order_, number_, cell_number_, cell_order_;
};

/// Nodes in the order operands are first needed, roots one after the other.
class NeedOrder {
 public:
  NeedOrder(const Graph& graph, Detail detail)
      : graph_(graph), detail_(detail), seen_(graph.size(), 0) {}

  void visit(Edge wanted) {
    const int root = maker(wanted);
    if (seen_[root]) return;
    std::vector<std::pair<int, size_t>> path{
        {root, 0}};  // node and its next operand: no recursion, graphs are deep
    seen_[root] = 1;
    while (!path.empty()) {
      auto& [n, next] = path.back();
      const std::vector<Edge>& inputs = graph_.node(n).inputs;
      if (next == inputs.size()) {
        order_.push_back(n);
        path.pop_back();
        continue;
      }
      const int operand = maker(inputs[next++]);
      if (seen_[operand]) continue;
      seen_[operand] = 1;
      path.push_back({operand, 0});
    }
  }

  /// Values assigned to Cells met so far, in the order of meeting, until no new Cell comes up.
  void visit_assigned() {
    for (size_t i = 0; i < order_.size(); ++i) {
      const Node& node = graph_.node(order_[i]);
      if (node.op->name() == "cell") visit(graph_.cells()[node.literal].current);
    }
    const size_t before = order_.size();
    for (const Graph::CellState& state : graph_.cells())
      if (state.current != state.initial) visit(state.current);
    if (order_.size() != before) visit_assigned();
  }

  const std::vector<int>& order() const { return order_; }

 private:
  int maker(Edge e) const {
    return detail_ == Detail::computation ? computed_at(graph_, e).node : e.node;
  }

  const Graph& graph_;
  const Detail detail_;
  std::vector<char> seen_;
  std::vector<int> order_;
};

}  // namespace

std::string to_text(const Graph& graph) {
  std::vector<int> order(graph.size());
  for (int n = 0; n < graph.size(); ++n) order[n] = n;
  Printer printer(graph, Detail::everything, std::move(order));
  return printer.nodes() + printer.assigns();
}

std::string canonical_text(const Graph& graph, std::span<const Value> fetches) {
  NeedOrder need(graph, Detail::computation);
  for (const Value& v : fetches) {
    if (v.graph != &graph) user_error("canonical_text: a fetch belongs to another graph");
    need.visit({v.node, v.output});
  }
  need.visit_assigned();
  Printer printer(graph, Detail::computation, need.order());
  std::string out = printer.nodes() + printer.assigns();
  for (const Value& v : fetches) out += "fetch " + printer.reference({v.node, v.output}) + "\n";
  return out;
}

std::string region_text(const Graph& graph, std::span<const Value> inputs,
                        std::span<const Value> results) {
  NeedOrder need(graph, Detail::region);
  for (const Value& v : inputs) need.visit({v.node, v.output});
  for (const Value& v : results) {
    if (v.graph != &graph) user_error("region: a result belongs to another graph");
    need.visit({v.node, v.output});
  }
  Printer printer(graph, Detail::region, need.order());
  std::string out = printer.nodes();
  for (const Value& v : results) out += "fetch " + printer.reference({v.node, v.output}) + "\n";
  return out;
}

}  // namespace trivium
