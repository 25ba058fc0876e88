#include "tools/evaluation.h"

#include <algorithm>
#include <cmath>

#include "trivium/formats/caffemodel.h"

namespace trivium::tools {
namespace {

/// Turns what a data layer made back into bytes: divides by the scale, adds the mean.
class Pictures {
 public:
  Pictures(const caffe::Net& net, const caffe::proto::TransformationParameter& transform)
      : transform_(transform) {
    if (!transform.has_mean_file()) return;
    const std::string& folder = net.options().folder;
    const std::string& name = transform.mean_file();
    mean_ = formats::read_mean_file(folder.empty() || name.starts_with("/") ? name
                                                                            : folder + "/" + name);
  }

  /// Image `row` of `data` [N, 1 or 3, H, W] as [H, W, channels].
  MisclassifiedSample picture(const Array& data, int64_t row) const {
    const int64_t channels = data.shape()[1], height = data.shape()[2], width = data.shape()[3];
    MisclassifiedSample sample;
    sample.height = static_cast<int>(height);
    sample.width = static_cast<int>(width);
    sample.channels = static_cast<int>(channels);
    sample.pixels.resize(channels * height * width);
    const float* values = data.data<float>() + row * channels * height * width;
    const double scale = transform_.scale() != 0 ? transform_.scale() : 1;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
          const double v =
              values[(c * height + y) * width + x] / scale + mean_at(c, y, x, height, width);
          // CIFAR's database holds red first and is 32 wide; larger colour images come with blue
          // first.
          const int64_t plane = channels == 3 && width != 32 ? 2 - c : c;
          sample.pixels[(y * width + x) * channels + plane] =
              static_cast<uint8_t>(std::clamp(std::isfinite(v) ? v + 0.5 : 0.0, 0.0, 255.0));
        }
    return sample;
  }

 private:
  double mean_at(int64_t c, int64_t y, int64_t x, int64_t height, int64_t width) const {
    if (mean_.defined()) {  // the crop of a test is the middle of the image
      const int64_t rows = mean_.shape()[1], columns = mean_.shape()[2];
      const int64_t top = (rows - height) / 2, left = (columns - width) / 2;
      if (c >= mean_.shape()[0] || top < 0 || left < 0) return 0;
      return mean_.at((c * rows + y + top) * columns + x + left);
    }
    if (transform_.mean_value_size() == 0) return 0;
    return transform_.mean_value(
        std::min<int>(static_cast<int>(c), transform_.mean_value_size() - 1));
  }

  caffe::proto::TransformationParameter transform_;
  Array mean_;
};

/// Where scores, labels and images are in the recording; an index of -1 means there is none.
struct Places {
  int compares = -1;  // layer with scores and labels as bottoms
  int data = -1;      // layer whose first top is the images
};

Places find_places(const caffe::Net& net, const caffe::Recording& recording) {
  Places places;
  for (const char* type : {"Accuracy", "SoftmaxWithLoss"})
    for (size_t l = 0; l < net.layers().size() && places.compares < 0; ++l) {
      if (net.layers()[l].type() != type || recording.bottoms[l].size() < 2) continue;
      const Shape &scores = recording.bottoms[l][0].shape(),
                  &labels = recording.bottoms[l][1].shape();
      if (scores.rank() >= 2 && scores.count(2) == 1 && scores[0] == labels.count())
        places.compares = static_cast<int>(l);
    }
  for (size_t l = 0; l < net.layers().size() && places.data < 0; ++l) {
    if (!net.layers()[l].bottoms.empty() || recording.tops[l].empty()) continue;
    const Shape& images = recording.tops[l][0].shape();
    if (images.rank() == 4 && (images[1] == 1 || images[1] == 3)) places.data = static_cast<int>(l);
  }
  return places;
}

/// Probability of class `best`: scores that are probabilities already are taken as they are.
double confidence(const Array& scores, int64_t row, int64_t classes, int64_t best) {
  double sum = 0, low = 0;
  for (int64_t c = 0; c < classes; ++c) {
    sum += scores.at(row * classes + c);
    low = std::min(low, scores.at(row * classes + c));
  }
  const double top = scores.at(row * classes + best);
  if (low >= 0 && std::abs(sum - 1) < 1e-3) return top;
  double total = 0;
  for (int64_t c = 0; c < classes; ++c) total += std::exp(scores.at(row * classes + c) - top);
  return 1 / total;
}

int64_t best_class(const Array& scores, int64_t row, int64_t classes) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; ++c)
    if (scores.at(row * classes + c) > scores.at(row * classes + best)) best = c;
  return best;
}

/// Keeps the `keep` surest mistakes.
void add_mistake(std::vector<MisclassifiedSample>& kept, size_t keep, MisclassifiedSample sample) {
  const auto surer = [](const MisclassifiedSample& a, const MisclassifiedSample& b) {
    return a.confidence > b.confidence;
  };
  kept.insert(std::upper_bound(kept.begin(), kept.end(), sample, surer), std::move(sample));
  if (kept.size() > keep) kept.pop_back();
}

}  // namespace

std::string accuracy_blob(const caffe::Net& net) {
  for (const caffe::NetLayer& layer : net.layers())
    if (layer.type() == "Accuracy" && !layer.tops.empty()) return net.blobs()[layer.tops[0]].name;
  return "";
}

std::optional<Evaluation> evaluate(caffe::Net& net, int64_t batches, size_t keep) {
  Places places = find_places(net, net.recording());
  if (places.compares < 0) return std::nullopt;
  std::optional<Pictures> pictures;
  if (places.data >= 0) pictures.emplace(net, net.layers()[places.data].param.transform_param());
  Evaluation result;
  for (int64_t b = 0; b < batches; ++b) {
    if (net.advance()) places = find_places(net, net.recording());
    caffe::Recording& recording = net.recording();
    std::vector<Value> fetches = {recording.bottoms[places.compares][0],
                                  recording.bottoms[places.compares][1]};
    if (pictures) fetches.push_back(recording.tops[places.data][0]);
    const std::vector<Array> arrays = net.run(recording, fetches);
    const Array &scores = arrays[0], &labels = arrays[1];
    const int64_t classes = scores.shape()[1];
    result.confusion.resize(std::max<size_t>(result.confusion.size(), classes),
                            std::vector<int64_t>(classes));
    for (int64_t row = 0; row < scores.shape()[0]; ++row) {
      const int64_t truth = static_cast<int64_t>(labels.at(row)),
                    guess = best_class(scores, row, classes);
      if (truth < 0 || truth >= classes) continue;
      ++result.examples;
      ++result.confusion[truth][guess];
      if (truth == guess) {
        ++result.correct;
        continue;
      }
      const double sure = confidence(scores, row, classes, guess);
      if (!pictures ||
          (result.misclassified.size() >= keep && sure <= result.misclassified.back().confidence))
        continue;
      MisclassifiedSample sample = pictures->picture(arrays[2], row);
      sample.true_label = static_cast<int>(truth);
      sample.predicted = static_cast<int>(guess);
      sample.confidence = sure;
      add_mistake(result.misclassified, keep, std::move(sample));
    }
  }
  return result;
}

}  // namespace trivium::tools
