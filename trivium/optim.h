// Every optimizer and learning-rate schedule: torch.optim in C++.
#pragma once

#include "trivium/notations/nn/lr_scheduler.h"
#include "trivium/notations/nn/optim.h"
#include "trivium/notations/nn/optim_adam.h"
#include "trivium/notations/nn/optim_lbfgs.h"
#include "trivium/notations/nn/optim_sgd.h"
