// Fillers: how a parameter or a DummyData top gets its first values. They only record ops; the
// random ones draw from the generator's Cell in Caffe's order, so equal seeds give Caffe's numbers.
#pragma once

#include <memory>

#include "trivium/engine/graph/graph.h"
#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/random_state.h"

namespace trivium::caffe {

/// Values of `shape` (float32) as `filler` says, recorded into `graph`; random fillers read and
/// assign the generator's Cell there. UserError for an unknown type, parameters outside their
/// range, an empty shape, `sparse` with a filler other than gaussian, and bilinear weights that are
/// not square and of rank 4.
Value record_filler(Graph& graph, const CellRef& generator, const Shape& shape,
                    const proto::FillerParameter& filler);

/// True when the filler takes no random numbers: the same values every time.
bool is_deterministic(const proto::FillerParameter& filler);

/// Collects the fillers of a net that is being built and runs them together, in the order asked
/// for.
class Initializer {
 public:
  explicit Initializer(RandomRef random);
  ~Initializer();

  /// Fills `cell`; with null the numbers are drawn and dropped, as Caffe does with the blobs of a
  /// layer that shares another's parameters.
  void fill(const CellRef& cell, const Shape& shape, const proto::FillerParameter& filler);
  /// A word for the host, drawn after everything asked for so far.
  uint32_t word();
  /// Runs what was collected.
  void flush();

 private:
  RandomRef random_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace trivium::caffe
