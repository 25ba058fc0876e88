// Caffe nets and solvers in C++ programs.
//
//   trivium::caffe::Net net(trivium::caffe::read_net_file("deploy.prototxt").net);
//   net.copy_trained_from("weights.caffemodel");
//   net.set_input("data", image);
//   trivium::Array prob = net.forward({"prob"})[0];
#pragma once

#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/solver.h"
