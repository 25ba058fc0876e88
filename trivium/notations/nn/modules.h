// Every layer and loss: torch.nn in C++.
#pragma once

#include "trivium/notations/nn/attention.h"
#include "trivium/notations/nn/modules_activation.h"
#include "trivium/notations/nn/modules_container.h"
#include "trivium/notations/nn/modules_conv.h"
#include "trivium/notations/nn/modules_linear.h"
#include "trivium/notations/nn/modules_loss.h"
#include "trivium/notations/nn/modules_norm.h"
#include "trivium/notations/nn/modules_pool.h"
#include "trivium/notations/nn/modules_shape.h"
#include "trivium/notations/nn/rnn.h"
