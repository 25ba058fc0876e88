// The families of op records: each function defines the ops of the file that bears its name.
#pragma once

namespace trivium {
class OpRegistry;
}

namespace trivium::ops {

void define_leaves(OpRegistry& ops);
void define_elementwise(OpRegistry& ops);
void define_elementwise_functions(OpRegistry& ops);
void define_group(OpRegistry& ops);
void define_reduce(OpRegistry& ops);
void define_select_along(OpRegistry& ops);
void define_matmul(OpRegistry& ops);
void define_conv(OpRegistry& ops);
void define_pool(OpRegistry& ops);
void define_lrn(OpRegistry& ops);
void define_norm(OpRegistry& ops);
void define_layer_norm(OpRegistry& ops);
void define_softmax(OpRegistry& ops);
void define_loss(OpRegistry& ops);
void define_shape(OpRegistry& ops);
void define_index(OpRegistry& ops);
void define_scatter(OpRegistry& ops);
void define_scan(OpRegistry& ops);
void define_random(OpRegistry& ops);
void define_control(OpRegistry& ops);

}  // namespace trivium::ops
