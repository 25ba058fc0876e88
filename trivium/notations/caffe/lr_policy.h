// Learning rate as a function of the iteration, by Caffe's lr_policy names.
#pragma once

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"

namespace trivium::caffe {

/// The rate at `iter`. `multistep` raises *current_step by at most one per call and logs it.
/// UserError for an unknown policy (listing those there are) or a stepsize that is not positive
/// where it is used.
float learning_rate(const proto::SolverParameter& solver, int iter, int* current_step,
                    LogLines* log);

}  // namespace trivium::caffe
