// Batches from a list of image files with labels (ImageData layers).
#pragma once

#include <optional>

#include "trivium/notations/caffe/prefetch.h"
#include "trivium/notations/caffe/transform.h"

namespace trivium::caffe {

class ImageListReader : public BatchReader {
 public:
  struct Options {
    std::string root;    ///< put before each path as it is
    std::string folder;  ///< where relative paths start; "": the working directory
    int64_t batch_size = 1, height = 0, width = 0;  ///< 0: as stored
    bool color = true;
    std::optional<uint32_t> shuffle;  ///< seed of the order; shuffled at once and at each pass
    int64_t skip = 0;                 ///< the first pass starts there
  };
  /// `list`: lines "path label", cut at the last space.
  ImageListReader(const std::string& list, Options options, Transformer transformer);

  size_t size() const { return lines_.size(); }
  void read(Batch& batch) override;
  int64_t position() const override { return position_; }
  void skip_to(int64_t position) override;
  std::string save_state() const override;
  void restore_state(const std::string& state) override;

 private:
  void add_image(Batch& batch, int64_t item, Shape& shape);
  void shuffle();

  struct Line {
    std::string path;
    int label;
  };
  std::string list_;
  Options options_;
  Transformer transformer_;
  std::vector<Line> lines_;
  std::vector<int64_t> order_;
  random::Mt19937 random_;
  int64_t position_ = 0;
};

}  // namespace trivium::caffe
