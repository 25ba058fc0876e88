// A graph described first and run later: TensorFlow 1's surface in C++.
//
//   namespace tf = trivium::tf;
//   auto x = tf::placeholder(tf::float32, {64, 1000});
//   auto w = tf::Variable(tf::random_normal({1000, 10}));
//   auto loss = tf::reduce_mean(tf::square(tf::matmul(x, w)));
//   auto step = tf::train::GradientDescentOptimizer(1e-3).minimize(loss);
//   tf::Session session;
//   session.run(tf::global_variables_initializer());
//   auto out = session.run({loss, step}, {{x, values}});
#pragma once

#include "trivium/notations/tf/control.h"
#include "trivium/notations/tf/gradients.h"
#include "trivium/notations/tf/ops.h"
#include "trivium/notations/tf/saver.h"
#include "trivium/notations/tf/session.h"
#include "trivium/notations/tf/train.h"
#include "trivium/notations/tf/variables.h"
