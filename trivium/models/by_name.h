// The networks by torchvision's names, for programs that are told which one to build.
#pragma once

#include <string>
#include <vector>

#include "trivium/notations/nn/module.h"

namespace trivium::models {

/// The names get_model knows, sorted.
std::vector<std::string> list_models();
/// A fresh network with torchvision's defaults, drawn from the default generator. ValueError naming
/// the nearest for an unknown name.
nn::ModulePtr get_model(const std::string& name);

}  // namespace trivium::models
