// Line charts. An Axis maps values to pixels; everything drawn goes through two of them.
#include "tools/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

// The page shows a drawing of width 720 at about two thirds of its size; text is 17 units high.
constexpr double kHeight = 330;
constexpr double kLeft = 72, kRight = 20, kTop = 14, kBottom = 58;
constexpr size_t kMaxHoverPoints = 160;  // more would only overlap

struct Axis {
  double low, high;  // values (their logarithm when log is set)
  double from, to;   // pixels
  bool log = false;
  double operator()(double value) const {
    const double v = log ? std::log10(value) : value;
    return from + (v - low) / (high - low) * (to - from);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

std::string number(double value, bool percent) {
  if (percent) return fmt::format("{:.5g} %", value * 100);
  if (value != 0 && std::abs(value) < 1e-3) return fmt::format("{:.2e}", value);
  return fmt::format("{:.5g}", value);
}

std::string tick_text(double value, bool percent) {
  if (std::abs(value) < 1e-12) value = 0;
  if (percent) return fmt::format("{:.4g} %", value * 100);
  if (std::abs(value) >= 10000) return fmt::format("{:g}k", value / 1000);
  return fmt::format("{:.4g}", value);
}

Axis y_axis(const Range& range, const ChartOptions& options) {
  Axis axis{range.low, range.high, kHeight - kBottom, kTop, false};
  if (options.log_when_wide && range.low > 0 && range.high / range.low > 30) {
    axis.log = true;
    axis.low = std::floor(std::log10(range.low) * 4) / 4;
    axis.high = std::ceil(std::log10(range.high) * 4) / 4;
    return axis;
  }
  if (options.y_min) axis.low = *options.y_min;
  if (axis.low > 0 && !options.y_min) axis.low = 0;
  if (axis.high <= axis.low) axis.high = axis.low + 1;
  const std::vector<double> ticks = nice_ticks(axis.low, axis.high, 5);
  axis.low = std::min(axis.low, ticks.front());
  axis.high = std::max(axis.high, ticks.back());
  if (options.percent) axis.high = std::min(axis.high, 1.0);
  return axis;
}

// Powers of ten, with 2 and 5 between them when there are few.
std::vector<double> log_ticks(const Axis& axis) {
  std::vector<double> ticks;
  const bool dense = axis.high - axis.low < 2.5;
  for (int power = static_cast<int>(std::floor(axis.low)); power <= axis.high; ++power)
    for (double digit : {1.0, 2.0, 5.0}) {
      const double value = digit * std::pow(10.0, power);
      const bool inside =
          std::log10(value) >= axis.low - 1e-9 && std::log10(value) <= axis.high + 1e-9;
      if (inside && (dense || digit == 1.0)) ticks.push_back(value);
    }
  return ticks;
}

void draw_grid(std::string& svg, const Axis& x, const Axis& y, const ChartOptions& options) {
  for (double tick : y.log ? log_ticks(y) : nice_ticks(y.low, y.high, 5)) {
    const double py = y(tick);
    if (py < kTop - 0.5 || py > kHeight - kBottom + 0.5) continue;
    svg += fmt::format("<line class='grid' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/>",
                       x.from, x.to, py, py);
    svg += fmt::format("<text class='tick' x='{:.1f}' y='{:.1f}' text-anchor='end'>{}</text>",
                       x.from - 10, py + 6, tick_text(tick, options.percent));
  }
  for (double tick : nice_ticks(x.low, x.high, static_cast<int>(options.width / 90))) {
    const double px = x(tick);
    if (px < x.from - 0.5 || px > x.to + 0.5) continue;
    svg += fmt::format("<line class='axis' x1='{0:.1f}' x2='{0:.1f}' y1='{1:.1f}' y2='{2:.1f}'/>",
                       px, y.from, y.from + 5);
    svg += fmt::format("<text class='tick' x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>",
                       px, y.from + 23, tick_text(tick, false));
  }
  svg += fmt::format("<line class='axis' x1='{0:.1f}' x2='{1:.1f}' y1='{2:.1f}' y2='{2:.1f}'/>",
                     x.from, x.to, y.from);
  svg += fmt::format("<text class='label' x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>",
                     (x.from + x.to) / 2, kHeight - 7, escape_html(options.x_label));
}

bool drawable(double value, const Axis& y) { return std::isfinite(value) && (!y.log || value > 0); }

void draw_line(std::string& svg, const Series& series, size_t index, const Axis& x, const Axis& y) {
  std::string path;
  bool pen_down = false;
  for (size_t i = 0; i < series.xs.size(); ++i) {
    if (!drawable(series.ys[i], y)) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', x(series.xs[i]), y(series.ys[i]));
    pen_down = true;
  }
  svg += fmt::format("<path class='line s{}' d='{}'/>", index, path);
}

// x positions people can point at: all of them, or an even choice when there are many.
std::vector<double> hover_positions(const std::vector<Series>& series) {
  std::set<double> all;
  for (const Series& one : series) all.insert(one.xs.begin(), one.xs.end());
  std::vector<double> xs(all.begin(), all.end());
  if (xs.size() <= kMaxHoverPoints) return xs;
  std::vector<double> chosen;
  for (size_t i = 0; i < kMaxHoverPoints; ++i)
    chosen.push_back(xs[i * (xs.size() - 1) / (kMaxHoverPoints - 1)]);
  return chosen;
}

// One invisible strip per position; pointing at it shows the marks and a tooltip.
void draw_hover(std::string& svg, const std::vector<Series>& series, const Axis& x, const Axis& y,
                const ChartOptions& options) {
  const std::vector<double> xs = hover_positions(series);
  for (size_t i = 0; i < xs.size(); ++i) {
    const double left = i == 0 ? x.from : (x(xs[i - 1]) + x(xs[i])) / 2;
    const double right = i + 1 == xs.size() ? x.to : (x(xs[i]) + x(xs[i + 1])) / 2;
    std::string title = fmt::format("{} {:g}", escape_html(options.x_label), xs[i]), marks;
    for (size_t k = 0; k < series.size(); ++k) {
      const auto& at = series[k].xs;
      const auto found = std::lower_bound(at.begin(), at.end(), xs[i]);
      if (found == at.end() || *found != xs[i]) continue;
      const double value = series[k].ys[found - at.begin()];
      title += fmt::format("\n{}: {}", escape_html(series[k].name), number(value, options.percent));
      if (drawable(value, y))
        marks += fmt::format("<circle class='dot s{}' cx='{:.1f}' cy='{:.1f}' r='6'/>", k, x(xs[i]),
                             std::min(y(value), y.from));
    }
    svg += fmt::format(
        "<g class='hit'><rect x='{0:.1f}' y='{1:.1f}' width='{2:.1f}' height='{3:.1f}'/>"
        "<line class='cursor' x1='{4:.1f}' x2='{4:.1f}' y1='{1:.1f}' y2='{5:.1f}'/>{6}<title>{7}"
        "</title></g>",
        left, y.to, std::max(right - left, 0.1), y.from - y.to, x(xs[i]), y.from, marks, title);
  }
}

std::string legend(const std::vector<Series>& series) {
  std::string html = "<ul class='legend'>";
  for (size_t k = 0; k < series.size(); ++k)
    html += fmt::format("<li><i class='key s{}'></i>{}</li>", k, escape_html(series[k].name));
  return html + "</ul>";
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::vector<double> nice_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  if (!(rough > 0) || !std::isfinite(rough)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double digit : {1.0, 2.0, 5.0})
    if (digit * power >= rough * 0.999) {
      step = digit * power;
      break;
    }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  for (double k = first; k * step < high + step * 0.999; ++k) ticks.push_back(k * step);
  return ticks;
}

std::string svg_line_chart(const std::vector<Series>& series, const ChartOptions& options) {
  Range xs, ys;
  for (const Series& one : series) {
    if (one.xs.size() != one.ys.size())
      user_error("chart \"{}\": series \"{}\" has {} x values and {} y values", options.title,
                 one.name, one.xs.size(), one.ys.size());
    for (double v : one.xs) xs.add(v);
    for (double v : one.ys) ys.add(v);
  }
  if (xs.empty() || ys.empty()) return "";
  const Axis x{xs.low, xs.high > xs.low ? xs.high : xs.low + 1, kLeft, options.width - kRight};
  const Axis y = y_axis(ys, options);
  std::string title = escape_html(options.title);
  if (y.log) title += " <small>logarithmic</small>";
  if (options.y_min && ys.low < *options.y_min)
    title += fmt::format(" <small>axis starts at {}</small>", tick_text(y.low, options.percent));
  // A drawing on the page needs an id of its own for the clip; the title names the chart.
  std::string id = "clip-";
  for (char c : options.title) id += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  std::string svg = fmt::format(
      "<figure class='chart'><figcaption><h3>{}</h3>{}</figcaption>"
      "<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>"
      "<clipPath id='{}'><rect x='{}' y='{}' width='{}' height='{}'/></clipPath>",
      title, legend(series), options.width, kHeight, escape_html(options.title), id, kLeft,
      kTop - 2, options.width - kLeft - kRight, kHeight - kTop - kBottom + 3);
  draw_grid(svg, x, y, options);
  svg += fmt::format("<g clip-path='url(#{})'>", id);
  for (size_t k = 0; k < series.size(); ++k) draw_line(svg, series[k], k, x, y);
  svg += "</g>";
  draw_hover(svg, series, x, y, options);
  return svg + "</svg></figure>\n";
}

}  // namespace trivium::tools
