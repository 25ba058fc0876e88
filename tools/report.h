// The HTML report of a training run: one file with everything inside, readable without JavaScript
// or network, in light and dark. Sections whose data are empty are left out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tools/svg_chart.h"

namespace trivium::tools {

/// An image the net got wrong: pixels [height, width, channels], channels 1 or 3.
struct MisclassifiedSample {
  std::vector<uint8_t> pixels;
  int height = 0;
  int width = 0;
  int channels = 1;
  int true_label = 0;
  int predicted = 0;
  double confidence = 0;  ///< probability given to the wrong answer, 0 … 1
};

struct LayerTime {
  std::string name;
  std::string type;
  double forward_ms = 0;
  double backward_ms = 0;
  double gflops = 0;  ///< arithmetic speed of both directions together, GFLOP/s; 0: not meaningful
};

struct TrainingReport {
  std::string title;
  std::string subtitle;          ///< one line: what was trained on what
  std::vector<Series> loss;      ///< x: iteration
  std::vector<Series> accuracy;  ///< fractions 0 … 1
  std::vector<Series> learning_rate;
  std::vector<std::string> class_names;         ///< [classes]; empty: numbers are shown
  std::vector<std::vector<int64_t>> confusion;  ///< [true][predicted], counts
  std::vector<MisclassifiedSample> misclassified;
  std::vector<LayerTime> layers;
  std::vector<std::pair<std::string, std::string>> summary;  ///< the first ones are shown large
  std::string command;                                       ///< what to type to get this again
};

/// The whole page. UserError when the confusion matrix is not square, or a sample's pixels do not
/// match its size.
std::string render_report(const TrainingReport& report);

/// Writes render_report to `path`, whole or not at all. EnvironmentError naming the file when it
/// cannot be written.
void write_report(const std::string& path, const TrainingReport& report);

}  // namespace trivium::tools
