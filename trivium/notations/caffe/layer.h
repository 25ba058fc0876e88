// What a layer is to Trivium: one record with its name, how many blobs it takes and gives, and a
// function that records its meaning. A layer computes nothing; it writes ops into the net's graph.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"
#include "trivium/engine/ops/build.h"
#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/random_state.h"

namespace trivium::caffe {

class DataSource;
class LayerCtx;
class Net;
struct Recording;

/// How many bottoms or tops a layer takes.
struct Count {
  int min = 1, max = 1;
  static constexpr int kAny = 1 << 20;
};
inline constexpr Count exactly(int n) { return {n, n}; }
inline constexpr Count at_least(int n) { return {n, Count::kAny}; }
inline constexpr Count between(int lo, int hi) { return {lo, hi}; }

struct LayerDef {
  std::string type;
  Count bottoms, tops;
  void (*record)(LayerCtx&) = nullptr;
  bool equal_counts = false;  ///< as many tops as bottoms
  bool loss = false;          ///< weight 1 on top 0 unless given; missing tops are made
  bool in_place = true;       ///< a top may have its bottom's name
  bool fixed_params = false;  ///< parameters are statistics: never learned
  std::vector<int> no_gradient =
      {};  ///< bottoms no gradient can reach; asked for one, the net refuses
  std::vector<int> refuses_force = {};  ///< bottoms that force_backward leaves out
  /// The line logged when the layer is made, before it is wired.
  std::string (*made)(const proto::LayerParameter&) = nullptr;
};

/// All layer types by name.
class LayerTable {
 public:
  /// The table of every type, filled once.
  static const LayerTable& instance();
  const LayerDef* find(const std::string& type) const;
  /// True for the types of Caffe that are not in the table.
  static bool is_unsupported_type(const std::string& type);
  /// All names, sorted.
  std::vector<std::string> types() const;
  void add(LayerDef def) { defs_.push_back(std::move(def)); }

 private:
  std::vector<LayerDef> defs_;
};

/// Given to a layer's record function: its definition and bottoms, and where to put its tops.
class LayerCtx {
 public:
  LayerCtx(Net& net, Recording& recording, int layer);

  const proto::LayerParameter& param() const;
  bool training() const;
  /// True the first time the layer is recorded: fillers run and sources open only then.
  bool setup() const;
  Graph& graph() const;

  int bottoms() const { return static_cast<int>(bottoms_.size()); }
  int tops() const;
  Value bottom(int i = 0) const { return bottoms_[i]; }
  const Shape& shape(int i = 0) const {
    return bottoms_[i].shape();
  }  ///< valid as long as the graph
  void top(int i, Value value);

  /// Parameter blob `index`: a Cell of this shape, filled at setup, shared by name when its `param`
  /// entry says so. UserError when the shape is not the one it has.
  Value weight(int index, const Shape& shape, const proto::FillerParameter& filler);
  /// Where the parameter lives, after weight().
  const CellRef& cell(int index) const;
  /// A place of the layer's own that is not a parameter (constant DummyData tops).
  CellRef state(int index, const Array& initial);

  /// Draws from the net's generator at every forward.
  Value fill(const Shape& shape, const proto::FillerParameter& filler);
  /// 1 with probability `keep`, else 0; uint8.
  Value bernoulli(const Shape& shape, double keep);
  /// A word of the generator at setup (seeds of data layers).
  uint32_t random_word();
  const RandomRef& random() const;

  /// A leaf the caller sets before each forward (Input layers).
  Value input(int top, const Shape& shape);
  /// The layer's data source, made at setup; its batches feed the leaves that `batch` returns.
  DataSource& source(const std::function<std::unique_ptr<DataSource>()>& make);
  /// One leaf per top, of the shapes of the batch at hand.
  std::vector<Value> batch();
  /// A log line, at setup only.
  void log(const std::string& text);
  /// A path of the definition, below NetOptions::folder when it is relative.
  std::string path(const std::string& written) const;
  const std::string& folder() const;

  /// Maps an axis that may count from the end; UserError naming `field` when it is out of range.
  int axis(int value, int rank, const char* field) const;
  /// UserError `file:line: layer "name" (Type): <message>`, at the line of `field` when it is set.
  [[noreturn]] void fail(const std::string& field, const std::string& message) const;
  void require(bool ok, const char* field, const std::string& message) const {
    if (!ok) fail(field, message);
  }

 private:
  Net& net_;
  Recording& recording_;
  int layer_;
  std::vector<Value> bottoms_;
};

// One family a file; each adds its records to the table.
void add_input_layers(LayerTable& table);        // Input DummyData Parameter
void add_data_layers(LayerTable& table);         // Data HDF5Data ImageData MemoryData
void add_activation_layers(LayerTable& table);   // ReLU Sigmoid Power Exp Dropout …
void add_convolution_layers(LayerTable& table);  // Convolution Deconvolution Im2col
void add_pooling_layers(LayerTable& table);      // Pooling SPP LRN
void add_dense_layers(LayerTable& table);        // InnerProduct Embed Scale Bias
void add_norm_layers(LayerTable& table);         // BatchNorm MVN
void add_shape_layers(LayerTable& table);        // Concat Slice Split Reshape Flatten Tile Crop …
void add_reduce_layers(LayerTable& table);       // Eltwise Reduction ArgMax
void add_loss_layers(LayerTable& table);         // Softmax SoftmaxWithLoss Accuracy …
void add_regression_layers(LayerTable& table);   // EuclideanLoss HingeLoss ContrastiveLoss …

}  // namespace trivium::caffe
