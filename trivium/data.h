// Data for training: datasets, samplers, transforms and the loader.
//
//   using namespace trivium;
//   data::MNIST train({.root = "data", .transform = data::Compose({data::ToTensor(),
//                      data::Normalize({.1307}, {.3081})})});
//   data::DataLoader loader({.dataset = train, .batch_size = 64, .shuffle = true, .workers = 2});
//   for (const data::Batch& batch : loader) step(batch[0], batch[1]);
#pragma once

#include "trivium/data/dataset.h"
#include "trivium/data/grid.h"
#include "trivium/data/loader.h"
#include "trivium/data/sampler.h"
#include "trivium/data/transform.h"
#include "trivium/data/vision.h"
