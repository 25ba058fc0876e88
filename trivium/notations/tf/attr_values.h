// Attributes of operations <-> the AttrValues of TensorFlow's graph files.
#pragma once

#include <optional>
#include <string>

#include "trivium/formats/graphdef.h"
#include "trivium/notations/tf/graph.h"
#include "trivium/notations/tf/op_signatures.h"

namespace trivium::tf {

/// The dtype of a number in a file, without the mark of a reference; nothing for one this notation
/// does not have (complex, quantised and unsigned wider types).
std::optional<DataType> known_data_type(int number);
/// The same; TypeError naming `where`.
DataType data_type_of(int number, const std::string& where);

proto::TensorShapeProto shape_proto(const PartialShape& shape);
/// ValueError naming `where` for sizes below -1 and for more axes than a tensor may have.
PartialShape partial_shape_of(const proto::TensorShapeProto& shape, const std::string& where);
proto::TensorProto tensor_proto(const Data& value);
/// Numbers or strings; at most `max_bytes`.
Data data_of(const proto::TensorProto& tensor, const std::string& where, uint64_t max_bytes);

/// An attribute as a file has it. `kind` is that of the signature; TypeError naming `where` when
/// the value is of another kind.
proto::AttrValue attr_value(const AttrData& value, const std::string& kind,
                            const std::string& where);
/// The inverse; ValueError naming `where` when the kinds differ. Functions give their name.
AttrData attr_data(const proto::AttrValue& value, const std::string& kind, const std::string& where,
                   uint64_t max_bytes);
/// The default of a signature ("[1,1]", "NHWC", "true").
AttrData parse_default(const std::string& text, const std::string& kind);

}  // namespace trivium::tf
