// Where the batches of a data layer come from. A source gives one batch after another for ever; it
// can say where it stands, so that a resumed run goes on with the very next batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/notations/caffe/log_line.h"

namespace trivium::caffe {

/// One array per top, and what was worth a log line while they were read.
struct Batch {
  std::vector<Array> tops;
  LogLines log;
};

class DataSource {
 public:
  virtual ~DataSource() = default;

  /// Shapes of the tops before the first batch is taken.
  virtual std::vector<Shape> shapes() = 0;
  /// The next batch; it stays valid until the following call. Errors of reading are thrown
  /// here, on the caller's thread, with file and record.
  virtual const Batch& next() = 0;

  /// Records handed out so far within the current pass over the data.
  virtual int64_t position() const { return 0; }
  /// Continues at a position, as after that many records of a pass.
  virtual void skip_to(int64_t position) {}
  /// Position and random state as bytes; restoring them makes the next batches the same bit for
  /// bit.
  virtual std::string save_state() const { return {}; }
  virtual void restore_state(const std::string& state) {}
};

}  // namespace trivium::caffe
