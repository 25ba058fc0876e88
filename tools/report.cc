// Renders the report section by section; each section is a function from the data to HTML.
#include "tools/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tools/png.h"
#include "tools/report_style.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"

namespace trivium::tools {
namespace {

constexpr size_t kTiles = 4;  // how many summary entries are shown large

std::string class_name(const TrainingReport& report, size_t label) {
  return label < report.class_names.size() ? escape_html(report.class_names[label])
                                           : fmt::format("{}", label);
}

std::string pairs(const char* css, const TrainingReport& report, size_t from, size_t to) {
  if (from >= to) return "";
  std::string html = fmt::format("<dl class='{}'>", css);
  for (size_t i = from; i < to; ++i)
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escape_html(report.summary[i].first),
                        escape_html(report.summary[i].second));
  return html + "</dl>\n";
}

std::string summary_section(const TrainingReport& report) {
  const size_t tiles = std::min(kTiles, report.summary.size());
  return pairs("tiles", report, 0, tiles) + pairs("facts", report, tiles, report.summary.size());
}

// A net that learns spends most of its curve near the top: start the axis where the curve is, when
// three quarters of the points are there.
double accuracy_floor(const std::vector<Series>& series) {
  std::vector<double> values;
  for (const Series& one : series)
    std::copy_if(one.ys.begin(), one.ys.end(), std::back_inserter(values),
                 [](double v) { return std::isfinite(v); });
  for (double floor : {0.95, 0.9, 0.8, 0.5}) {
    const auto above =
        std::count_if(values.begin(), values.end(), [&](double v) { return v >= floor; });
    if (above * 4 >= static_cast<int64_t>(values.size()) * 3) return floor;
  }
  return 0;
}

std::string curves_section(const TrainingReport& report) {
  ChartOptions loss{"Loss", "iteration", false, true};
  const ChartOptions accuracy{"Accuracy", "iteration", true, false,
                              accuracy_floor(report.accuracy)};
  const ChartOptions rate{"Learning rate", "iteration", false, true};
  std::string others = svg_line_chart(report.accuracy, accuracy);
  const bool wide = !others.empty() && !report.learning_rate.empty();  // a row of its own
  others += svg_line_chart(report.learning_rate, rate);
  if (wide) loss.width = 1470;
  const std::string charts = svg_line_chart(report.loss, loss) + others;
  if (charts.empty()) return "";
  return fmt::format(
      "<h2>Curves</h2><p>Point at a curve to read its values.</p>"
      "<div class='charts{}'>\n{}</div>\n",
      wide ? " wide" : "", charts);
}

void check_square(const TrainingReport& report) {
  for (const auto& row : report.confusion)
    if (row.size() != report.confusion.size())
      user_error("report: confusion matrix has {} rows but a row of {} columns",
                 report.confusion.size(), row.size());
}

std::string confusion_cell(const TrainingReport& report, size_t truth, size_t guess,
                           int64_t worst_error) {
  const int64_t count = report.confusion[truth][guess];
  if (count == 0) return "<td class='zero'>·</td>";
  // The diagonal is calm; errors are shaded by the largest error, or they would all look white.
  const double strength =
      truth == guess ? 0.16 : 0.12 + 0.68 * std::sqrt(static_cast<double>(count) / worst_error);
  return fmt::format(
      "<td style='background:rgba(var(--{}),{:.2f})' title='{} {}: {} images'>{}</td>",
      truth == guess ? "good" : "bad", strength,
      truth == guess ? "right, " : "true " + class_name(report, truth) + ", predicted",
      class_name(report, guess), count, count);
}

std::string confusion_section(const TrainingReport& report) {
  const size_t classes = report.confusion.size();
  if (classes == 0) return "";
  check_square(report);
  int64_t worst_error = 1;
  for (size_t t = 0; t < classes; ++t)
    for (size_t p = 0; p < classes; ++p)
      if (t != p) worst_error = std::max(worst_error, report.confusion[t][p]);
  std::string html =
      "<h2>Confusion matrix</h2><p>Rows are the true class, columns the answer of the net. Errors "
      "are "
      "shaded by how often they happen.</p><div class='scroll'><table class='matrix'><thead><tr>"
      "<th></th>";
  for (size_t p = 0; p < classes; ++p) html += "<th>" + class_name(report, p) + "</th>";
  html += "<th class='recall'>right</th></tr></thead><tbody>\n";
  for (size_t t = 0; t < classes; ++t) {
    const auto& row = report.confusion[t];
    html += "<tr><th>" + class_name(report, t) + "</th>";
    for (size_t p = 0; p < classes; ++p) html += confusion_cell(report, t, p, worst_error);
    const int64_t total = std::accumulate(row.begin(), row.end(), int64_t{0});
    html += fmt::format("<td class='recall'>{}</td></tr>\n",
                        total ? fmt::format("{:.2f} %", 100.0 * row[t] / total) : "–");
  }
  return html + "</tbody></table></div>\n";
}

std::string samples_section(const TrainingReport& report) {
  if (report.misclassified.empty()) return "";
  std::string html =
      "<h2>Wrong answers</h2><p>True class, answer, and how sure the net was of its answer.</p>"
      "<div class='samples'>\n";
  for (const MisclassifiedSample& one : report.misclassified) {
    const std::string truth = class_name(report, one.true_label);
    const std::string guess = class_name(report, one.predicted);
    const double percent = 100 * std::clamp(one.confidence, 0.0, 1.0);
    html += fmt::format(
        "<figure class='sample'><img alt='{0} taken for {1}' src='{2}'><b>{0}</b> → "
        "<b class='wrong'>{1}</b><br><small>{3:.0f} % sure</small>"
        "<div class='meter'><i style='width:{3:.0f}%'></i></div></figure>\n",
        truth, guess, png_data_uri(one.pixels, one.height, one.width, one.channels), percent);
  }
  return html + "</div>\n";
}

std::string layer_row(const LayerTime& layer, double longest_ms) {
  const auto width = [&](double ms) { return longest_ms > 0 ? 100 * ms / longest_ms : 0; };
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{:.3f}</td><td>{:.3f}</td><td>{}</td><td class='bar'>"
      "<span class='s0' style='width:{:.1f}%'></span><span class='s1' style='width:{:.1f}%'></span>"
      "</td></tr>\n",
      escape_html(layer.name), escape_html(layer.type), layer.forward_ms, layer.backward_ms,
      layer.gflops > 0 ? fmt::format("{:.1f}", layer.gflops) : "", width(layer.forward_ms),
      width(layer.backward_ms));
}

std::string layers_section(const TrainingReport& report) {
  if (report.layers.empty()) return "";
  double longest_ms = 0, forward_ms = 0, backward_ms = 0;
  for (const LayerTime& layer : report.layers) {
    longest_ms = std::max(longest_ms, layer.forward_ms + layer.backward_ms);
    forward_ms += layer.forward_ms;
    backward_ms += layer.backward_ms;
  }
  std::string html =
      "<h2>Time per layer</h2><p>Milliseconds of one training step.</p><div class='scroll'>"
      "<table class='times'><thead><tr><th>layer</th><th>type</th><th>forward ms</th>"
      "<th>backward ms</th><th>GFLOP/s</th><th style='text-align:left'><ul class='legend'>"
      "<li><i class='key s0'></i>forward</li><li><i class='key s1'></i>backward</li></ul></th></tr>"
      "</thead><tbody>\n";
  for (const LayerTime& layer : report.layers) html += layer_row(layer, longest_ms);
  return html + fmt::format(
                    "</tbody><tfoot><tr><td>all</td><td></td><td>{:.3f}</td><td>{:.3f}</td>"
                    "<td></td><td></td></tr></tfoot></table></div>\n",
                    forward_ms, backward_ms);
}

std::string command_section(const TrainingReport& report) {
  if (report.command.empty()) return "";
  return "<h2>Run it again</h2><pre>" + escape_html(report.command) + "</pre>\n";
}

}  // namespace

std::string render_report(const TrainingReport& report) {
  const std::string title = escape_html(report.title);
  std::string html =
      "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
      "<meta name='viewport' content='width=device-width,initial-scale=1'><title>" +
      title + "</title><style>" + kReportStyle + "</style></head><body><main>\n<h1>" + title +
      "</h1>";
  html += "<p class='lead'>" + escape_html(report.subtitle) + "</p>\n";
  html += summary_section(report) + curves_section(report) + confusion_section(report) +
          samples_section(report) + layers_section(report) + command_section(report);
  return html + "<footer>Written by Trivium.</footer></main></body></html>\n";
}

void write_report(const std::string& path, const TrainingReport& report) {
  formats::write_file_atomically(path, render_report(report));
}

}  // namespace trivium::tools
