// Line charts as inline SVG: axes, ticks, a legend and hover texts, and not a line of JavaScript.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace trivium::tools {

/// One curve: xs and ys of equal length, xs ascending. Points that are not finite break the line.
struct Series {
  std::string name;
  std::vector<double> xs;
  std::vector<double> ys;
};

struct ChartOptions {
  std::string title;
  std::string x_label;
  bool percent = false;         ///< values are fractions, shown as percent
  bool log_when_wide = false;   ///< logarithmic y axis when positive values span a factor over 30
  std::optional<double> y_min;  ///< lower end of the axis; points below it are cut off
  double width = 720;           ///< of the drawing; the height is 330
};

/// The <figure> with the chart; "" when no series has a finite point. UserError when xs and ys of a
/// series differ in length. Colours come from the CSS classes s0, s1, … of the page.
std::string svg_line_chart(const std::vector<Series>& series, const ChartOptions& options);

/// Round tick positions that cover [low, high], about `count` of them: 1, 2 or 5 times a power of
/// ten.
std::vector<double> nice_ticks(double low, double high, int count);

/// Text made safe inside HTML and SVG.
std::string escape_html(const std::string& text);

}  // namespace trivium::tools
