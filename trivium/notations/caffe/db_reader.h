// Batches from a database of Datum records, in key order, round and round (Data layers).
#pragma once

#include "trivium/formats/db.h"
#include "trivium/notations/caffe/prefetch.h"
#include "trivium/notations/caffe/transform.h"

namespace trivium::caffe {

class DbReader : public BatchReader {
 public:
  /// Tops: images [batch, channels, height, width] and, with `labels`, labels [batch].
  DbReader(const std::string& path, formats::DatabaseKind kind, int64_t batch_size, bool labels,
           Transformer transformer);

  void read(Batch& batch) override;
  int64_t position() const override { return position_; }
  void skip_to(int64_t position) override;
  std::string save_state() const override;
  void restore_state(const std::string& state) override;

 private:
  void advance(Batch& batch);
  void add_record(Batch& batch, int64_t item, Shape& shape);

  std::string path_;
  std::unique_ptr<formats::Database> database_;
  int64_t batch_size_;
  bool labels_;
  Transformer transformer_;
  int64_t position_ = 0;  // records read of the current pass
};

}  // namespace trivium::caffe
