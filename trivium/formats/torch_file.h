// Files of torch.save and of C++ torch::save, read and written without running anything in them.
//
//   auto weights = state_dict_of(load_torch("resnet.pth"));       // name -> Array, in file order
//   save_torch("out.pth", torch_state_dict(weights));             // torch.load("out.pth") reads it
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trivium/formats/pickle.h"

namespace trivium::formats {

/// Reads a torch.save file (ZIP since PyTorch 1.6, the stream before), a libtorch or TorchScript
/// archive, or a plain pickle of numbers, text and NumPy arrays. Storages shared by several
/// tensors stay shared. Tensors saved on another device are read into host memory; their storage
/// keeps the name of the device.
/// Strict mode refuses any global that is not plain data, by its name; inspect mode keeps it as an
/// inert record, so that whole pickled modules and odd checkpoints still give up their tensors.
/// UserError for what is broken, refused or of another format (the message says which one it looks
/// like), EnvironmentError when the file cannot be read.
TorchValue load_torch(const std::string& path, PickleMode mode = PickleMode::strict);
/// The same from memory; `name` stands for the file in messages.
TorchValue parse_torch(Bytes bytes, const std::string& name,
                       const PickleOptions& options = PickleOptions());

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// The tensors of a loaded value, by name and in order:
/// - a checkpoint, a dict whose entry "state_dict", "model_state_dict", "model" or "net" is a dict
/// of
///   tensors or a module: that entry, whatever else is there;
/// - any other dict: its tensors (entries that are no tensors are left out);
/// - a whole module (inspect mode) or a C++/TorchScript archive: parameters and buffers, under
///   dotted names.
/// Arrays share memory where the tensors do and lie in row-major order. UserError listing what is
/// there when no tensor can be found, or when copies would pass 1 GiB + the size of the storages.
NamedArrays state_dict_of(const TorchValue& value);

/// An OrderedDict of tensors with `_metadata`, as module.state_dict() of PyTorch gives it.
TorchValue torch_state_dict(const NamedArrays& arrays);

/// Writes `value` as torch.save does (ZIP, protocol 2, little-endian, data aligned to 64 bytes), so
/// that torch.load(path, weights_only=True) accepts it: None, booleans, integers, numbers, text,
/// bytes, tuples, lists, sets, dicts, dtypes, devices and tensors. Tensors on one Buffer share one
/// storage. Unlike PyTorch, a storage of which the saved tensors span less than half is written
/// without the rest. The file is replaced in one step. UserError for records, and for overlapping
/// tensors of different dtypes on one Buffer; nothing is written then.
void save_torch(const std::string& path, const TorchValue& value);

}  // namespace trivium::formats
