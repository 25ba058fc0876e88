#include "trivium/models/by_name.h"

#include <functional>
#include <map>

#include "trivium/models/classic.h"
#include "trivium/models/dense.h"
#include "trivium/models/efficientnet.h"
#include "trivium/models/googlenet.h"
#include "trivium/models/inception.h"
#include "trivium/models/mobilenet.h"
#include "trivium/models/mobilenet_v3.h"
#include "trivium/models/resnet.h"

namespace trivium::models {
namespace {

using Make = std::function<nn::ModulePtr()>;

template <typename F>
Make shared(F make) {
  return [make]() -> nn::ModulePtr {
    auto net = make();
    return std::make_shared<decltype(net)>(net);
  };
}

#define TRIVIUM_MODEL(name)                \
  {                                        \
#name, shared([] { return name({}); }) \
  }

std::map<std::string, Make> all_models() {
  std::map<std::string, Make> all{
      TRIVIUM_MODEL(alexnet),
      TRIVIUM_MODEL(vgg11),
      TRIVIUM_MODEL(vgg13),
      TRIVIUM_MODEL(vgg16),
      TRIVIUM_MODEL(vgg19),
      TRIVIUM_MODEL(vgg11_bn),
      TRIVIUM_MODEL(vgg13_bn),
      TRIVIUM_MODEL(vgg16_bn),
      TRIVIUM_MODEL(vgg19_bn),
      TRIVIUM_MODEL(squeezenet1_0),
      TRIVIUM_MODEL(squeezenet1_1),
      TRIVIUM_MODEL(resnet18),
      TRIVIUM_MODEL(resnet34),
      TRIVIUM_MODEL(resnet50),
      TRIVIUM_MODEL(resnet101),
      TRIVIUM_MODEL(resnet152),
      TRIVIUM_MODEL(resnext50_32x4d),
      TRIVIUM_MODEL(resnext101_32x8d),
      TRIVIUM_MODEL(wide_resnet50_2),
      TRIVIUM_MODEL(wide_resnet101_2),
      TRIVIUM_MODEL(densenet121),
      TRIVIUM_MODEL(densenet161),
      TRIVIUM_MODEL(densenet169),
      TRIVIUM_MODEL(densenet201),
      TRIVIUM_MODEL(shufflenet_v2_x0_5),
      TRIVIUM_MODEL(shufflenet_v2_x1_0),
      TRIVIUM_MODEL(shufflenet_v2_x1_5),
      TRIVIUM_MODEL(shufflenet_v2_x2_0),
      TRIVIUM_MODEL(googlenet),
      TRIVIUM_MODEL(inception_v3),
      TRIVIUM_MODEL(mobilenet_v2),
      TRIVIUM_MODEL(mobilenet_v3_small),
      TRIVIUM_MODEL(mobilenet_v3_large),
  };
  for (int level = 0; level < 8; ++level)
    all["efficientnet_b" + std::to_string(level)] =
        shared([level] { return efficientnet_b(level); });
  return all;
}

#undef TRIVIUM_MODEL

const std::map<std::string, Make>& models_by_name() {
  static const auto& all = *new std::map<std::string, Make>(all_models());
  return all;
}

}  // namespace

std::vector<std::string> list_models() {
  std::vector<std::string> names;
  for (const auto& [name, make] : models_by_name()) names.push_back(name);
  return names;
}

nn::ModulePtr get_model(const std::string& name) {
  const auto at = models_by_name().find(name);
  if (at != models_by_name().end()) return at->second();
  const std::string near = closest_match(name, list_models());
  nn::raise<nn::ValueError>("no model is called {}{}", name,
                            near.empty() ? "" : "; did you mean " + near + "?");
}

}  // namespace trivium::models
