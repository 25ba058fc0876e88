// Ready networks with torchvision's parameter names: load their published weights, or train them.
//
//   auto net = trivium::models::resnet18();
//   net.load_state_dict(trivium::nn::load_state_dict("resnet18-f37072fd.pth"));
#pragma once

#include "trivium/models/classic.h"
#include "trivium/models/dense.h"
#include "trivium/models/efficientnet.h"
#include "trivium/models/googlenet.h"
#include "trivium/models/inception.h"
#include "trivium/models/lenet.h"
#include "trivium/models/mobilenet.h"
#include "trivium/models/mobilenet_v3.h"
#include "trivium/models/resnet.h"
#include "trivium/nn.h"
