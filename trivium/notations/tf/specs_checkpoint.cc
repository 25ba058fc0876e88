// The operations of savers: tensors to a checkpoint and back, by the host.
#include "trivium/formats/checkpoint_file.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

[[noreturn]] void fail(const Operation& op, const std::string& message,
                       Code code = Code::invalid_argument) {
  throw OpError(code, fmt::format("{}\n\t [[{{{{node {}}}}}]]", message, op.name()), op.name());
}

const std::vector<std::string>& strings(const Operation& op, const Data& data) {
  if (!data.strings) fail(op, "strings expected");
  return data.strings->values;
}

/// The names and the prefix; slices are refused.
std::string prefix_of(const Operation& op, const std::vector<Data>& in, size_t tensors) {
  const auto& prefix = strings(op, in.at(0));
  if (prefix.size() != 1) fail(op, "one prefix expected");
  if (strings(op, in.at(1)).size() != tensors || strings(op, in.at(2)).size() != tensors)
    fail(op, fmt::format("{} tensors, {} names and {} slices", tensors,
                         in[1].strings->values.size(), in[2].strings->values.size()));
  for (const std::string& slice : in[2].strings->values)
    if (!slice.empty())
      fail(op, "slices of tensors are not supported: " + slice, Code::unimplemented);
  return prefix[0];
}

std::vector<Data> save(const Operation& op, const std::vector<Data>& in) {
  const std::string prefix = prefix_of(op, in, in.size() - 3);
  formats::CheckpointWriter writer(prefix);
  for (size_t i = 3; i < in.size(); ++i) {
    const std::string& name = in[1].strings->values[i - 3];
    if (in[i].strings)
      writer.add_strings(name, {in[i].strings->shape, in[i].strings->values});
    else
      writer.add(name, in[i].array);
  }
  writer.finish();
  return {};
}

std::vector<Data> restore(const Operation& op, const std::vector<Data>& in) {
  const auto outputs = static_cast<size_t>(op.num_outputs());
  const std::string prefix = prefix_of(op, in, outputs);
  std::vector<Data> out;
  try {
    const formats::CheckpointReader reader(prefix);
    for (size_t i = 0; i < outputs; ++i) {
      const std::string& name = in[1].strings->values[i];
      const formats::CheckpointTensor* there = reader.find(name);
      if (!there) fail(op, fmt::format("Key {} not found in checkpoint", name), Code::not_found);
      const DataType wanted = op.out(static_cast<int>(i)).type;
      if (there->type != static_cast<int>(wanted))
        fail(op, fmt::format("tensor_name = {}; expected dtype {} does not equal original dtype {}",
                             name, name_of(wanted), formats::tf_type_name(there->type)));
      if (wanted == DataType::string) {
        formats::StringTensor text = reader.read_strings(name);
        out.emplace_back(Strings{text.shape, std::move(text.values)});
      } else {
        out.emplace_back(reader.read(name));
      }
    }
  } catch (const EnvironmentError& error) {
    fail(op, error.what(), Code::not_found);
  }
  return out;
}

}  // namespace

void define_checkpoint_ops(SpecTable& t) {
  OpSpec write{"SaveV2",
               {"prefix", "tensor_names", "shape_and_slices", "tensors"},
               [](Infer&) {},
               {},
               Differentiable::cut};
  write.host = save;
  t.add(write);
  OpSpec read{"RestoreV2",
              {"prefix", "tensor_names", "shape_and_slices"},
              [](Infer& c) {
                for (const DataType type : c.op().attr<std::vector<DataType>>("dtypes"))
                  c.output({}, type);
              },
              {},
              Differentiable::cut};
  read.host = restore;
  read.before = true;
  t.add(read);
}

}  // namespace trivium::tf
