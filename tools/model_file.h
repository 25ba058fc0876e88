// Nets as the verbs of `trivium` open them: from a net's or a solver's file, with a phase, and,
// where asked, with inputs of given shapes in place of data layers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/net_file.h"

namespace trivium::tools {

struct ModelOptions {
  std::string path;             ///< a net or a solver; of a solver its train net is taken
  std::string phase = "TRAIN";  ///< or TEST
  int level = 0;
  std::vector<std::string> stages;
  std::vector<std::string>
      input_shapes;  ///< "data=64,1,28,28": replaces the layer that makes this blob
  caffe::LogSink log;
};

/// A solver's file by its content (it names a net and a rate); false for nets and for what is
/// neither.
bool is_solver_file(const std::string& path);

/// Builds the net. Data layers whose blobs are all in input_shapes become Input layers, so nothing
/// is read; a label without a shape of its own gets the first size of the data. Errors that come
/// from a database that is not there say how to go without it.
std::unique_ptr<caffe::Net> open_model(const ModelOptions& options);

/// Examples in a batch: the first size of the first data or input blob; 0 when there is none.
int64_t batch_size(const caffe::Net& net);

/// Batches that make one pass over the database of the net's Data layer; 0 when that is not known.
int64_t batches_in_pass(const caffe::Net& net);

}  // namespace trivium::tools
