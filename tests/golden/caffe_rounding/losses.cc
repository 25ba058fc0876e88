// Prints the loss of every iteration of a solver with nine digits: losses SOLVER STEPS
#include <cstdio>
#include <cstdlib>

#include "caffe/caffe.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  FLAGS_minloglevel = 2;
  google::InitGoogleLogging(argv[0]);
  caffe::SolverParameter parameter;
  caffe::ReadSolverParamsFromTextFileOrDie(argv[1], &parameter);
  caffe::Caffe::set_mode(caffe::Caffe::CPU);
  std::unique_ptr<caffe::Solver<float>> solver(
      caffe::SolverRegistry<float>::CreateSolver(parameter));
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    solver->Step(1);
    std::printf("%.9g\n", solver->net()->blob_by_name("loss")->cpu_data()[0]);
  }
}
