// The wiring of a net: every bottom finds the layer that makes it, every blob has one maker, and a
// blob with several readers gets a Split layer, so that each reader has a blob of its own.
#pragma once

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

/// Checks the wiring of a filtered net and returns it with Split layers.
///
/// A blob read more than once gets, right behind its maker, a layer `<blob>_<layer>_<top
/// index>_split` with tops
/// `<that name>_0`, `_1`, ... that the readers take in order. An explicit nonzero loss_weight of
/// the maker counts as a first reader: the weight moves to split top 0. Unlike Caffe, the maker's
/// other tops keep their weights. `lines` (may be null) names lines in errors and stays parallel to
/// the layers; a Split has its maker's line.
///
/// Throws UserError for a bottom nobody makes, a blob made twice, and a layer that works in place
/// on a blob that someone else reads; the arguments are then unchanged.
proto::NetParameter insert_splits(const proto::NetParameter& net, SourceMap* lines = nullptr);

}  // namespace trivium::caffe
