// Event files, which TensorBoard shows: a TFRecord file of Event messages.
//
//   EventWriter events("logs");
//   events.add_scalar("loss", 0.5, step);
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trivium/formats/proto/tf_saved.pb.h"
#include "trivium/formats/tf_summary.h"
#include "trivium/formats/tfrecord.h"

namespace trivium::formats {

class EventWriter {
 public:
  /// Makes the directory and "events.out.tfevents.<seconds>.<host><suffix>" in it, with the
  /// version record. A name that is taken gets a number before the suffix. EnvironmentError when
  /// that fails.
  explicit EventWriter(const std::string& directory, const std::string& suffix = "");

  void add_scalar(const std::string& tag, double value, int64_t step);
  void add_histogram(const std::string& tag, const Array& values, int64_t step);
  /// [height, width, 1, 3 or 4], uint8 or float32, red first; see summary_pixels.
  void add_image(const std::string& tag, const Array& image, int64_t step);
  void add_text(const std::string& tag, const std::string& text, int64_t step);
  void add_summary(const tf_proto::Summary& summary, int64_t step);
  void add_graph(const tf_proto::GraphDef& graph, int64_t step = 0);
  void add_meta_graph(const tf_proto::MetaGraphDef& graph, int64_t step = 0);
  void add_session_log(const tf_proto::SessionLog& log, int64_t step = 0);
  /// As it is, with the present time when it has none.
  void add_event(tf_proto::Event event);

  void flush() { records_.flush(); }
  void close() { records_.close(); }
  const std::string& path() const { return records_.path(); }

 private:
  TFRecordWriter records_;
};

class EventReader {
 public:
  /// A file that is still being written ends in the middle of a record; that is no error.
  explicit EventReader(const std::string& path);
  EventReader(Bytes bytes, const std::string& name);
  /// The next event; false at the end of what is there (more may come). UserError naming the
  /// position for a broken record, and when the first record names no version of the format.
  bool next(tf_proto::Event* event);

 private:
  std::string name_;
  TFRecordReader records_;
  bool first_ = true;
};

struct ScalarPoint {
  double wall_time = 0;
  int64_t step = 0;
  double value = 0;
};
/// The scalars of a file by tag, in the order of the file: simple values, and numbers written as
/// tensors by the plugin "scalars".
std::map<std::string, std::vector<ScalarPoint>> read_scalars(const std::string& path);

}  // namespace trivium::formats
