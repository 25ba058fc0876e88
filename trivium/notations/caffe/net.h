// A Caffe net: the layers of a definition, their parameters in Cells, and recordings of their
// meaning as a graph. Net decides what Caffe decides when it builds a net (filtering, splits,
// names, sharing, which gradients exist); all numbers come from compile::prepare and run::execute.
//
//   Net net(read_net_file("lenet.prototxt").net, {.phase = proto::TEST});
//   net.set_input("data", images);
//   Array prob = net.forward({"prob"})[0];
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/graph.h"
#include "trivium/engine/run/executor.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/data_source.h"
#include "trivium/notations/caffe/layer.h"
#include "trivium/notations/caffe/log_line.h"
#include "trivium/notations/caffe/random_state.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

class Initializer;

/// A parameter blob of a layer. Parameters of one name share the Cell of the first of them, the
/// owner.
struct NetParam {
  CellRef cell;
  std::string name;  ///< given in the definition, or ""
  int layer = 0;     ///< index of the layer, and of the blob inside it
  int index = 0;
  int owner = 0;       ///< index of the owner in Net::params(); its own when it is one
  int learnable = -1;  ///< owners: index in Net::learnable()
  float lr_mult = 1, decay_mult = 1;  ///< of an owner: what the solver uses
  bool gradient = true;               ///< this use of the parameter asks for its gradient
  Shape shape;  ///< of this use; PERMISSIVE sharing allows another one than the Cell's
  proto::FillerParameter filler;
};

struct NetBlob {
  std::string name;  ///< "(automatic)" for tops that a loss layer makes itself
  bool needs_backward = false;
  float loss_weight = 0;
};

struct NetLayer {
  const LayerDef* def = nullptr;
  proto::LayerParameter
      param;  ///< with what setup adds (loss_weight, BatchNorm's params); without blobs
  std::vector<int> bottoms, tops;   ///< blob indices
  std::vector<int> params;          ///< parameter indices
  std::vector<float> loss_weights;  ///< one per top
  bool needs_backward = false;      ///< after force_backward
  std::vector<bool> bottom_needs_backward;
  const std::string& name() const { return param.name(); }
  const std::string& type() const { return param.type(); }
};

/// The net's meaning in one graph. Values belong to `graph`; record more into it freely.
struct Recording {
  Graph graph;
  std::vector<std::vector<Value>> bottoms, tops;  ///< per layer, as each saw and made them
  std::vector<Value> blobs;                       ///< per blob: its last version
  std::vector<Value> params;  ///< per parameter: the content at the start of the run
  Value loss;                 ///< rank 0: sum of weight * sum(top) over all weighted tops

  /// What fills each leaf of graph.inputs(), by position; leaves recorded later are the caller's.
  struct Feed {
    int source = -1, top = 0;  ///< a data source's batch, or
    int input = -1;            ///< an entry of Net::inputs()
  };
  std::vector<Feed> feeds;
  std::map<std::vector<Edge>, compile::Prepared> prepared;  ///< of Net::run, by fetches
  std::optional<std::vector<Value>> param_gradients;
};

/// Receives the lines Caffe would log. Called on the thread that uses the net.
using LogSink = std::function<void(LogLevel, const std::string&)>;

struct NetOptions {
  std::optional<proto::Phase> phase;  ///< default: the definition's state, which defaults to TEST
  std::optional<int> level;
  std::vector<std::string> stages;  ///< appended to those of the definition's state
  SourceMap lines;                  ///< parallel to the definition's layers, for errors
  const Net* share_with =
      nullptr;       ///< layers of equal name use that net's Cells; fillers still draw
  RandomRef random;  ///< the generator of the thread; a fresh unseeded one when null
  LogSink log;
  std::string folder;  ///< relative paths of the definition start here; "" = working directory
  compile::Options compile;
};

class Net {
 public:
  /// Builds the net: filters by phase, level and stages, inserts splits, sets up each layer (opens
  /// data sources, fills parameters), finds which gradients exist, logs what Caffe logs. The
  /// definition must be in the newest format (upgrade_net). UserError with file, line and layer for
  /// whatever is wrong.
  explicit Net(const proto::NetParameter& definition, NetOptions options = {});
  ~Net();
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  const std::string& name() const { return name_; }
  proto::Phase phase() const { return state_.phase(); }
  const std::vector<NetLayer>& layers() const { return layers_; }
  const std::vector<NetBlob>& blobs() const { return blobs_; }
  const std::vector<NetParam>& params() const { return params_; }
  /// Owners in Caffe's order: what solvers and solver states count.
  const std::vector<int>& learnable() const { return learnable_; }
  const std::vector<int>& inputs() const { return inputs_; }    ///< blobs of Input layers, in order
  const std::vector<int>& outputs() const { return outputs_; }  ///< blobs nobody reads, by name
  bool forced_backward() const { return force_backward_; }
  /// The first layer, or last blob, of that name; -1 when there is none.
  int layer_index(const std::string& name) const;
  int blob_index(const std::string& name) const;
  const RandomRef& random() const { return random_; }

  // ---- recording -------------------------------------------------------------------------------
  /// The current recording. It is replaced when shapes change (generation() goes up); Values and
  /// Prepareds of the old one are then void.
  Recording& recording() { return *recording_; }
  Graph& graph() { return recording_->graph; }
  int64_t generation() const { return generation_; }
  /// A further recording of the same net with the same Cells, for a graph of its own (a pass that
  /// accumulates gradients, say).
  std::unique_ptr<Recording> record();
  Value loss() const { return recording_->loss; }
  /// The blob's last version; UserError with a suggestion for an unknown name.
  Value blob(const std::string& name) const;
  const Shape& blob_shape(int blob) const { return recording_->blobs[blob].shape(); }
  /// Gradients of the loss for the learnable parameters, in learnable() order; recorded on the
  /// first call. Undefined where every use has lr_mult 0 (and the net is not forced backward);
  /// zeros for a parameter the loss does not depend on. UserError when a gradient is asked through
  /// a layer that has none.
  std::vector<Value> param_gradients() { return param_gradients(*recording_); }
  std::vector<Value> param_gradients(Recording& recording) const;
  /// A gradient put into a blob from outside, as Caffe users write into a top's diff.
  struct Seed {
    int blob;
    Value value;  ///< shape of the blob
  };
  /// Gradients of the loss for any Values, where seeds replace the loss weight of their blob (only
  /// blobs that no layer reads take one, as in Caffe). Undefined where nothing flows.
  std::vector<Value> gradients(Recording& recording, const std::vector<Seed>& seeds,
                               const std::vector<Value>& xs) const;

  // ---- running ---------------------------------------------------------------------------------
  /// Sets an input blob; another shape than before records the net anew. Copies the values.
  void set_input(const std::string& blob, const Array& value);
  /// The memory an input blob is fed from.
  const Array& input(const std::string& blob) const;
  /// Records the net anew with this shape of an input blob.
  void reshape_input(const std::string& blob, const Shape& shape);
  /// Takes the next batch of every data source; true when shapes changed and the net was recorded
  /// anew.
  bool advance();
  /// Fills the slots of a Prepared of `recording` that belong to the net: inputs and cells. Scalars
  /// and inputs the caller recorded are left as they are (the vectors are sized).
  void feed(const Recording& recording, const compile::Prepared& prepared,
            run::Bindings& bindings) const;
  /// Plans (once) and runs `recording` on the batch at hand; Cells that layers assign are updated.
  std::vector<Array> run(Recording& recording, const std::vector<Value>& fetches);
  /// advance, then the named blobs.
  std::vector<Array> forward(const std::vector<std::string>& fetches);
  /// forward of all outputs(); fills `loss` when given.
  std::vector<Array> forward_outputs(double* loss = nullptr);
  struct Pass {
    double loss = 0;
    std::vector<Array> blobs;  ///< as asked for
    std::vector<Array>
        gradients;  ///< per learnable parameter; undefined Arrays where there is none
  };
  Pass forward_backward(const std::vector<std::string>& fetches = {});

  // ---- weights ---------------------------------------------------------------------------------
  /// Copies parameters by layer name. A layer of the file that the net lacks is logged and skipped;
  /// a layer of the net that the file lacks keeps its values. UserError when counts or shapes
  /// differ.
  void copy_trained_from(const formats::WeightsFile& weights, const std::string& file);
  /// The same from a file, binary or HDF5 by content.
  void copy_trained_from(const std::string& path);
  /// The content of a .caffemodel: every layer as it was set up, with its parameters. `gradients`
  /// (per learnable parameter) also fills `diff`.
  proto::NetParameter to_weights(const std::vector<Array>* gradients = nullptr) const;
  /// The content of a .caffemodel.h5, for formats::save_weights_hdf5.
  formats::WeightsFile weights(const std::vector<Array>* gradients = nullptr) const;

  // ---- state of the data ------------------------------------------------------------------------
  /// The source of a data layer, or null.
  DataSource* source(const std::string& layer) const;
  /// Records consumed by each data source, in layer order, and the way back there.
  std::vector<int64_t> data_positions() const;
  void skip_to(const std::vector<int64_t>& positions);
  /// Positions and random states of the data sources as bytes (not the shared generator: see
  /// random()).
  std::string save_state() const;
  void restore_state(const std::string& state);

  /// The line of a layer, for errors: `file:37: layer "ip" (InnerProduct)`.
  std::string describe(int layer, const std::string& field = "") const;
  const NetOptions& options() const { return options_; }

 private:
  friend class LayerCtx;
  struct LayerSetup;

  void filter(const proto::NetParameter& definition);
  void set_up_layer(int index, LayerSetup& setup);
  void connect_bottom(int layer, int position, LayerSetup& setup);
  void connect_top(int layer, int position, LayerSetup& setup);
  void check_counts(const LayerDef& def, const proto::LayerParameter& param, int layer) const;
  void set_loss_weights(int layer);
  void log_tops(int layer, LayerSetup& setup);
  void find_backward(bool force);
  bool finish_params(int layer, const proto::LayerParameter& written);
  void record_layer(Recording& recording, int layer);
  void finish_recording(Recording& recording) const;
  void record_again();
  void check_gradients_exist() const;
  void add_param(int layer, int index, const Shape& shape, const proto::FillerParameter& filler);
  void share_param(NetParam& param, const proto::ParamSpec& spec);
  void adopt_multipliers(NetParam& param, const proto::ParamSpec& spec);
  CellRef shared_cell(int layer, int index, const Shape& shape) const;
  Value use_param(Recording& recording, int layer, int index);
  void log(const std::string& text, LogLevel level = LogLevel::info) const;

  NetOptions options_;
  std::string name_;
  proto::NetState state_;
  bool force_backward_ = false;
  proto::NetParameter definition_;  // filtered, with splits; layers without blobs once set up
  SourceMap lines_;
  RandomRef random_;

  std::vector<NetLayer> layers_;
  std::vector<NetBlob> blobs_;
  std::vector<NetParam> params_;
  std::vector<int> learnable_, inputs_, outputs_;
  std::map<std::string, int> owners_;  // parameter name → index in params_
  std::vector<std::pair<bool, bool>>
      explicit_mult_;  // per parameter: lr_mult, decay_mult were written

  std::vector<Array> input_values_;  // parallel to inputs_
  std::vector<std::unique_ptr<DataSource>> sources_;
  std::vector<int> source_layers_;                 // layer of each source
  std::vector<const Batch*> batches_;              // parallel to sources_: the batch at hand
  std::map<std::pair<int, int>, CellRef> states_;  // (layer, index) → LayerCtx::state

  std::unique_ptr<Initializer> initializer_;  // while the net is set up
  std::vector<std::string> sharing_log_;      // of the layer being set up
  std::unique_ptr<Recording> recording_;
  int64_t generation_ = 0;
};

}  // namespace trivium::caffe
