#include "tools/graph_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/svg_chart.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

constexpr double kRow = 64, kHeight = 40, kGap = 16, kMargin = 20, kCharacter = 6.2;
constexpr int kMostNodes = 2000, kSweeps = 4;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

/// The last part of a name, which is what fits into a box.
std::string short_name(const std::string& name) {
  const std::string last = name.substr(name.rfind('/') + 1);
  return last.size() > 26 ? last.substr(0, 25) + "…" : last;
}

struct Box {
  int layer = 0;
  double x = 0, width = 0;
};

/// Each node one layer below the lowest one it needs; edges that go back (loops) do not count.
std::vector<Box> layered(const Picture& p) {
  std::vector<Box> boxes(p.nodes.size());
  std::vector<std::vector<int>> to(p.nodes.size());
  std::vector<int> waiting(p.nodes.size(), 0), ready;
  for (const auto& [a, b] : p.edges) {
    to[static_cast<size_t>(a)].push_back(b);
    ++waiting[static_cast<size_t>(b)];
  }
  for (size_t i = 0; i < p.nodes.size(); ++i)
    if (waiting[i] == 0) ready.push_back(static_cast<int>(i));
  for (size_t next = 0; next < ready.size(); ++next)
    for (int b : to[static_cast<size_t>(ready[next])]) {
      Box& box = boxes[static_cast<size_t>(b)];
      box.layer = std::max(box.layer, boxes[static_cast<size_t>(ready[next])].layer + 1);
      if (--waiting[static_cast<size_t>(b)] == 0) ready.push_back(b);
    }
  // A node without inputs stands just above the first node that uses it.
  for (size_t i = 0; i < p.nodes.size(); ++i) {
    if (boxes[i].layer != 0 || to[i].empty()) continue;
    int first = boxes[static_cast<size_t>(to[i][0])].layer;
    for (int b : to[i]) first = std::min(first, boxes[static_cast<size_t>(b)].layer);
    boxes[i].layer = std::max(0, first - 1);
  }
  for (size_t i = 0; i < p.nodes.size(); ++i) {
    const PictureNode& n = p.nodes[i];
    const size_t longest = std::max({short_name(n.name).size(), n.type.size(), n.note.size()});
    boxes[i].width = std::max(60.0, kCharacter * static_cast<double>(longest) + 14);
  }
  return boxes;
}

/// Puts the nodes of every layer side by side, ordered by where their neighbours stand.
double place(const Picture& p, std::vector<Box>* boxes) {
  std::map<int, std::vector<int>> layers;
  for (size_t i = 0; i < boxes->size(); ++i)
    layers[(*boxes)[i].layer].push_back(static_cast<int>(i));
  std::vector<std::vector<int>> from(p.nodes.size()), to(p.nodes.size());
  for (const auto& [a, b] : p.edges) {
    from[static_cast<size_t>(b)].push_back(a);
    to[static_cast<size_t>(a)].push_back(b);
  }
  double widest = 0;
  const auto box = [&](int i) -> Box& { return (*boxes)[static_cast<size_t>(i)]; };
  const auto lay = [&](std::vector<int>& row) {
    double x = 0;
    for (int i : row) {
      box(i).x = x;
      x += box(i).width + kGap;
    }
    for (int i : row) box(i).x -= x / 2;
    widest = std::max(widest, x);
  };
  for (auto& [layer, row] : layers) lay(row);
  for (int sweep = 0; sweep < kSweeps; ++sweep)
    for (auto& [layer, row] : layers) {
      std::map<int, double> centre;
      for (int i : row) {
        double sum = 0;
        size_t count = 0;
        for (const auto* side : {&from, &to})
          for (int other : (*side)[static_cast<size_t>(i)]) {
            sum += box(other).x + box(other).width / 2;
            ++count;
          }
        centre[i] = count ? sum / static_cast<double>(count) : box(i).x;
      }
      std::stable_sort(row.begin(), row.end(), [&](int a, int b) { return centre[a] < centre[b]; });
      lay(row);
    }
  for (Box& b : *boxes) b.x += widest / 2 + kMargin;
  return widest;
}

}  // namespace

std::string dot_picture(const Picture& p) {
  std::string out = fmt::format("digraph {} {{\n  node [shape=box];\n", quoted(p.title));
  for (size_t i = 0; i < p.nodes.size(); ++i)
    out += fmt::format("  n{} [label={}];\n", i,
                       quoted(p.nodes[i].name + "\n" + p.nodes[i].type + " " + p.nodes[i].note));
  for (const auto& [a, b] : p.edges) out += fmt::format("  n{} -> n{};\n", a, b);
  return out + "}\n";
}

std::string svg_picture(const Picture& p) {
  if (p.nodes.size() > static_cast<size_t>(kMostNodes))
    user_error("--svg: at most {} nodes expected, the graph has {}; --dot has no limit", kMostNodes,
               p.nodes.size());
  std::vector<Box> boxes = layered(p);
  const double width = place(p, &boxes) + 2 * kMargin;
  int layers = 0;
  for (const Box& b : boxes) layers = std::max(layers, b.layer + 1);
  const auto top = [](const Box& b) { return kMargin + b.layer * kRow; };
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 "
      "0 "
      "{0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"10\">\n<title>{2}</title>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, layers * kRow + 2 * kMargin, escape_html(p.title));
  for (const auto& [a, b] : p.edges) {
    const Box &from = boxes[static_cast<size_t>(a)], &to = boxes[static_cast<size_t>(b)];
    const double x1 = from.x + from.width / 2, y1 = top(from) + kHeight, x2 = to.x + to.width / 2,
                 y2 = top(to), middle = (y1 + y2) / 2;
    out += fmt::format(
        "<path d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\" fill=\"none\" "
        "stroke=\"#999\"/>\n",
        x1, y1, x1, middle, x2, middle, x2, y2);
  }
  for (size_t i = 0; i < p.nodes.size(); ++i) {
    const PictureNode& n = p.nodes[i];
    const Box& b = boxes[i];
    const double middle = b.x + b.width / 2, y = top(b);
    out += fmt::format(
        "<g><title>{}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" "
        "rx=\"4\" fill=\"#eef4fb\" stroke=\"#5b7ea8\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
        "text-anchor=\"middle\" font-weight=\"bold\">{}</text><text x=\"{:.1f}\" y=\"{:.1f}\" "
        "text-anchor=\"middle\">{}</text><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" "
        "fill=\"#666\">{}</text></g>\n",
        escape_html(n.name), b.x, y, b.width, kHeight, middle, y + 12, escape_html(n.type), middle,
        y + 24, escape_html(short_name(n.name)), middle, y + 35, escape_html(n.note));
  }
  return out + "</svg>\n";
}

}  // namespace trivium::tools
