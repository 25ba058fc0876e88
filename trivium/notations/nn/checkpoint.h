// Checkpoints: state dicts of modules and optimizers in PyTorch's files (.pth, .pt) and in
// safetensors. torch.load(path, weights_only=True) reads what save() writes, and load() what
// torch.save wrote.
//
//   nn::save(model.state_dict(), "net.pth");
//   model.load_state_dict(nn::load_state_dict("net.pth"));
#pragma once

#include <string>

#include "trivium/formats/torch_file.h"
#include "trivium/notations/nn/module.h"
#include "trivium/notations/nn/optim.h"

namespace trivium::nn {

/// Writes by the name's ending: ".safetensors", else torch.save's ZIP. Tied tensors stay tied.
/// The file is replaced in one step; EnvironmentError when it can not be written.
void save(const StateDict& state, const std::string& path);
/// Reads either format; a checkpoint with an entry "state_dict", "model_state_dict", "model" or
/// "net" gives that. UserError for what is no state dict.
StateDict load_state_dict(const std::string& path);

/// An optimizer's state as torch.save(optimizer.state_dict()) has it.
void save(const optim::OptimizerState& state, const std::string& path);
optim::OptimizerState load_optimizer_state(const std::string& path);

// ---- parts of larger checkpoints
formats::TorchValue to_torch(const StateDict& state);
formats::TorchValue to_torch(const optim::OptimizerState& state);
StateDict state_dict_from(const formats::TorchValue& value);
optim::OptimizerState optimizer_state_from(const formats::TorchValue& value);

}  // namespace trivium::nn
