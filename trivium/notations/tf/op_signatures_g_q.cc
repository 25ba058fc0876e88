// Signatures of TensorFlow's operations from G to Q; how to read them: op_signatures.h.
#include "trivium/notations/tf/op_signatures.h"

namespace trivium::tf {

const char* const kOpSignaturesGQ = R"(
GRUBlockCell(x:T, h_prev:T, w_ru:T, w_c:T, b_ru:T, b_c:T) -> (r:T, u:T, c:T, h:T) {T:type}
Gather(params:Tparams, indices:Tindices) -> (output:Tparams) {validate_indices:bool=true,
  Tparams:type, Tindices:type}
GatherNd(params:Tparams, indices:Tindices) -> (output:Tparams) {Tparams:type, Tindices:type,
  bad_indices_policy:string=}
GatherV2(params:Tparams, indices:Tindices, axis:Taxis) -> (output:Tparams) {batch_dims:int=0,
  Tparams:type, Tindices:type, Taxis:type}
GetSessionTensor(handle:string) -> (value:dtype) {dtype:type}
Greater(x:T, y:T) -> (z:bool) {T:type}
GreaterEqual(x:T, y:T) -> (z:bool) {T:type}
GuaranteeConst(input:T) -> (output:T) {T:type}
HSVToRGB(images:T) -> (output:T) {T:type=float32}
HashTableV2() -> (table_handle:resource) {container:string=, shared_name:string=,
  use_node_name_sharing:bool=false, key_dtype:type, value_dtype:type}
HistogramFixedWidth(values:T, value_range:T, nbins:int32) -> (out:dtype) {T:type,
  dtype:type=int32}
HistogramSummary(tag:string, values:T) -> (summary:string) {T:type=float32}
IFFT(input:Tcomplex) -> (output:Tcomplex) {Tcomplex:type=complex64}
IRFFT(input:Tcomplex, fft_length:int32) -> (output:Treal) {Treal:type=float32,
  Tcomplex:type=complex64}
Identity(input:T) -> (output:T) {T:type}
IdentityN(input:T...) -> (output:T...) {T:types}
IdentityReaderV2() -> (reader_handle:resource) {container:string=, shared_name:string=}
If(cond:Tcond, input:Tin...) -> (output:Tout...) {Tcond:type, Tin:types, Tout:types,
  then_branch:func, else_branch:func, output_shapes:shapes=[]}
Igamma(a:T, x:T) -> (z:T) {T:type}
Igammac(a:T, x:T) -> (z:T) {T:type}
Imag(input:T) -> (output:Tout) {T:type=complex64, Tout:type=float32}
ImageSummary(tag:string, tensor:T) -> (summary:string) {max_images:int=3, T:type=float32,
  bad_color:tensor=[255,0,0,255]}
InTopK(predictions:float32, targets:T) -> (precision:bool) {k:int, T:type=int32}
InTopKV2(predictions:float32, targets:T, k:T) -> (precision:bool) {T:type=int32}
InitializeTableFromTextFileV2(table_handle:resource, filename:string) -> () {key_index:int,
  value_index:int, vocab_size:int=-1, delimiter:string=       , offset:int=0}
InitializeTableV2(table_handle:resource, keys:Tkey, values:Tval) -> () {Tkey:type, Tval:type}
Inv(x:T) -> (y:T) {T:type}
InvGrad(y:T, dy:T) -> (z:T) {T:type}
Invert(x:T) -> (y:T) {T:type}
InvertPermutation(x:T) -> (y:T) {T:type=int32}
IsFinite(x:T) -> (y:bool) {T:type}
IsInf(x:T) -> (y:bool) {T:type}
IsNan(x:T) -> (y:bool) {T:type}
IsVariableInitialized(ref:&dtype) -> (is_initialized:bool) {dtype:type}
Iterator() -> (handle:resource) {shared_name:string, container:string, output_types:types,
  output_shapes:shapes}
IteratorFromStringHandleV2(string_handle:string) -> (resource_handle:resource)
  {output_types:types=[], output_shapes:shapes=[]}
IteratorGetNext(iterator:resource) -> (components:output_types...) {output_types:types,
  output_shapes:shapes}
IteratorToStringHandle(resource_handle:resource) -> (string_handle:string)
IteratorV2() -> (handle:resource) {shared_name:string, container:string, output_types:types,
  output_shapes:shapes}
L2Loss(t:T) -> (output:T) {T:type}
LRN(input:T) -> (output:T) {depth_radius:int=5, bias:float=1.0, alpha:float=1.0, beta:float=0.5,
  T:type=float32}
LRNGrad(input_grads:T, input_image:T, output_image:T) -> (output:T) {depth_radius:int=5,
  bias:float=1.0, alpha:float=1.0, beta:float=0.5, T:type=float32}
LSTMBlockCell(x:T, cs_prev:T, h_prev:T, w:T, wci:T, wcf:T, wco:T, b:T) -> (i:T, cs:T, f:T, o:T,
  ci:T, co:T, h:T) {forget_bias:float=1.0, cell_clip:float=3.0, use_peephole:bool=false, T:type}
LeakyRelu(features:T) -> (activations:T) {alpha:float=0.2, T:type=float32}
LeakyReluGrad(gradients:T, features:T) -> (backprops:T) {alpha:float=0.2, T:type=float32}
LearnedUnigramCandidateSampler(true_classes:int64) -> (sampled_candidates:int64,
  true_expected_count:float32, sampled_expected_count:float32) {num_true:int, num_sampled:int,
  unique:bool, range_max:int, seed:int=0, seed2:int=0}
LeftShift(x:T, y:T) -> (z:T) {T:type}
Less(x:T, y:T) -> (z:bool) {T:type}
LessEqual(x:T, y:T) -> (z:bool) {T:type}
Lgamma(x:T) -> (y:T) {T:type}
LinSpace(start:T, stop:T, num:Tidx) -> (output:T) {T:type, Tidx:type=int32}
ListDiff(x:T, y:T) -> (out:T, idx:out_idx) {T:type, out_idx:type=int32}
Log(x:T) -> (y:T) {T:type}
Log1p(x:T) -> (y:T) {T:type}
LogMatrixDeterminant(input:T) -> (sign:T, log_abs_determinant:T) {T:type}
LogSoftmax(logits:T) -> (logsoftmax:T) {T:type}
LogUniformCandidateSampler(true_classes:int64) -> (sampled_candidates:int64,
  true_expected_count:float32, sampled_expected_count:float32) {num_true:int, num_sampled:int,
  unique:bool, range_max:int, seed:int=0, seed2:int=0}
LogicalAnd(x:bool, y:bool) -> (z:bool)
LogicalNot(x:bool) -> (y:bool)
LogicalOr(x:bool, y:bool) -> (z:bool)
LookupTableExportV2(table_handle:resource) -> (keys:Tkeys, values:Tvalues) {Tkeys:type,
  Tvalues:type}
LookupTableFindV2(table_handle:resource, keys:Tin, default_value:Tout) -> (values:Tout) {Tin:type,
  Tout:type}
LookupTableImportV2(table_handle:resource, keys:Tin, values:Tout) -> () {Tin:type, Tout:type}
LookupTableInsertV2(table_handle:resource, keys:Tin, values:Tout) -> () {Tin:type, Tout:type}
LookupTableSizeV2(table_handle:resource) -> (size:int64)
LoopCond(input:bool) -> (output:bool)
MakeIterator(dataset:variant, iterator:resource) -> ()
MapDataset(input_dataset:variant, other_arguments:Targuments...) -> (handle:variant) {f:func,
  Targuments:types, output_types:types, output_shapes:shapes, use_inter_op_parallelism:bool=true,
  preserve_cardinality:bool=false, force_synchronous:bool=false, metadata:string=}
MatMul(a:T, b:T) -> (product:T) {transpose_a:bool=false, transpose_b:bool=false, T:type,
  grad_a:bool=false, grad_b:bool=false}
MatchingFiles(pattern:string) -> (filenames:string)
MatrixBandPart(input:T, num_lower:Tindex, num_upper:Tindex) -> (band:T) {T:type,
  Tindex:type=int64}
MatrixDeterminant(input:T) -> (output:T) {T:type}
MatrixDiag(diagonal:T) -> (output:T) {T:type}
MatrixDiagPart(input:T) -> (diagonal:T) {T:type}
MatrixDiagPartV3(input:T, k:int32, padding_value:T) -> (diagonal:T) {T:type,
  align:string=RIGHT_LEFT}
MatrixDiagV3(diagonal:T, k:int32, num_rows:int32, num_cols:int32, padding_value:T) -> (output:T)
  {T:type, align:string=RIGHT_LEFT}
MatrixInverse(input:T) -> (output:T) {adjoint:bool=false, T:type}
MatrixSetDiag(input:T, diagonal:T) -> (output:T) {T:type}
MatrixSetDiagV3(input:T, diagonal:T, k:int32) -> (output:T) {T:type, align:string=RIGHT_LEFT}
MatrixSolve(matrix:T, rhs:T) -> (output:T) {adjoint:bool=false, T:type}
MatrixTriangularSolve(matrix:T, rhs:T) -> (output:T) {lower:bool=true, adjoint:bool=false, T:type}
Max(input:T, reduction_indices:Tidx) -> (output:T) {keep_dims:bool=false, T:type, Tidx:type=int32}
MaxPool(input:T) -> (output:T) {T:type=float32, ksize:ints, strides:ints, padding:string,
  explicit_paddings:ints=[], data_format:string=NHWC}
MaxPool3D(input:T) -> (output:T) {ksize:ints, strides:ints, padding:string,
  data_format:string=NDHWC, T:type}
MaxPool3DGrad(orig_input:TInput, orig_output:TInput, grad:T) -> (output:T) {ksize:ints,
  strides:ints, padding:string, data_format:string=NDHWC, T:type=float32, TInput:type=float32}
MaxPoolGrad(orig_input:T, orig_output:T, grad:T) -> (output:T) {ksize:ints, strides:ints,
  padding:string, explicit_paddings:ints=[], data_format:string=NHWC, T:type=float32}
MaxPoolGradGrad(orig_input:T, orig_output:T, grad:T) -> (output:T) {ksize:ints, strides:ints,
  padding:string, data_format:string=NHWC, T:type}
MaxPoolGradV2(orig_input:T, orig_output:T, grad:T, ksize:int32, strides:int32) -> (output:T)
  {padding:string, data_format:string=NHWC, T:type=float32}
MaxPoolGradWithArgmax(input:T, grad:T, argmax:Targmax) -> (output:T) {ksize:ints, strides:ints,
  padding:string, include_batch_in_index:bool=false, Targmax:type, T:type}
MaxPoolV2(input:T, ksize:int32, strides:int32) -> (output:T) {T:type=float32, padding:string,
  data_format:string=NHWC}
MaxPoolWithArgmax(input:T) -> (output:T, argmax:Targmax) {ksize:ints, strides:ints,
  Targmax:type=int64, padding:string, include_batch_in_index:bool=false, T:type}
Maximum(x:T, y:T) -> (z:T) {T:type}
Mean(input:T, reduction_indices:Tidx) -> (output:T) {keep_dims:bool=false, T:type,
  Tidx:type=int32}
Merge(inputs:N*T) -> (output:T, value_index:int32) {T:type, N:int}
MergeSummary(inputs:N*string) -> (summary:string) {N:int}
MergeV2Checkpoints(checkpoint_prefixes:string, destination_prefix:string) -> ()
  {delete_old_dirs:bool=true, allow_missing_files:bool=false}
Min(input:T, reduction_indices:Tidx) -> (output:T) {keep_dims:bool=false, T:type, Tidx:type=int32}
Minimum(x:T, y:T) -> (z:T) {T:type}
MirrorPad(input:T, paddings:Tpaddings) -> (output:T) {T:type, Tpaddings:type=int32, mode:string}
MirrorPadGrad(input:T, paddings:Tpaddings) -> (output:T) {T:type, Tpaddings:type=int32,
  mode:string}
Mod(x:T, y:T) -> (z:T) {T:type}
Mul(x:T, y:T) -> (z:T) {T:type}
MulNoNan(x:T, y:T) -> (z:T) {T:type}
Multinomial(logits:T, num_samples:int32) -> (output:output_dtype) {seed:int=0, seed2:int=0,
  T:type, output_dtype:type=int64}
MutableHashTableV2() -> (table_handle:resource) {container:string=, shared_name:string=,
  use_node_name_sharing:bool=false, key_dtype:type, value_dtype:type}
Ndtri(x:T) -> (y:T) {T:type}
Neg(x:T) -> (y:T) {T:type}
NextIteration(data:T) -> (output:T) {T:type}
NoOp() -> ()
NonMaxSuppression(boxes:float32, scores:float32, max_output_size:int32) ->
  (selected_indices:int32) {iou_threshold:float=0.5}
NonMaxSuppressionV2(boxes:T, scores:T, max_output_size:int32, iou_threshold:T_threshold) ->
  (selected_indices:int32) {T:type=float32, T_threshold:type=float32}
NonMaxSuppressionV3(boxes:T, scores:T, max_output_size:int32, iou_threshold:T_threshold,
  score_threshold:T_threshold) -> (selected_indices:int32) {T:type=float32,
  T_threshold:type=float32}
NotEqual(x:T, y:T) -> (z:bool) {T:type, incompatible_shape_error:bool=true}
NthElement(input:T, n:int32) -> (values:T) {reverse:bool=false, T:type}
OneHot(indices:TI, depth:int32, on_value:T, off_value:T) -> (output:T) {axis:int=-1, T:type,
  TI:type=int64}
OneShotIterator() -> (handle:resource) {dataset_factory:func, output_types:types,
  output_shapes:shapes, container:string=, shared_name:string=}
OnesLike(x:T) -> (y:T) {T:type}
Pack(values:N*T) -> (output:T) {N:int, T:type, axis:int=0}
Pad(input:T, paddings:Tpaddings) -> (output:T) {T:type, Tpaddings:type=int32}
PadV2(input:T, paddings:Tpaddings, constant_values:T) -> (output:T) {T:type, Tpaddings:type=int32}
PaddingFIFOQueueV2() -> (handle:resource) {component_types:types, shapes:shapes=[],
  capacity:int=-1, container:string=, shared_name:string=}
ParallelDynamicStitch(indices:N*int32, data:N*T) -> (merged:T) {N:int, T:type}
ParallelMapDataset(input_dataset:variant, other_arguments:Targuments..., num_parallel_calls:int32)
  -> (handle:variant) {f:func, Targuments:types, output_types:types, output_shapes:shapes,
  use_inter_op_parallelism:bool=true, sloppy:bool=false, preserve_cardinality:bool=false,
  metadata:string=}
ParseExample(serialized:string, names:string, sparse_keys:Nsparse*string,
  dense_keys:Ndense*string, dense_defaults:Tdense...) -> (sparse_indices:Nsparse*int64,
  sparse_values:sparse_types..., sparse_shapes:Nsparse*int64, dense_values:Tdense...)
  {Nsparse:int, Ndense:int, sparse_types:types, Tdense:types, dense_shapes:shapes}
ParseSingleExample(serialized:string, dense_defaults:Tdense...) ->
  (sparse_indices:num_sparse*int64, sparse_values:sparse_types..., sparse_shapes:num_sparse*int64,
  dense_values:Tdense...) {num_sparse:int, sparse_keys:strings, dense_keys:strings,
  sparse_types:types, Tdense:types, dense_shapes:shapes}
PartitionedCall(args:Tin...) -> (output:Tout...) {Tin:types, Tout:types, f:func, config:string=,
  config_proto:string=, executor_type:string=}
Placeholder() -> (output:dtype) {dtype:type, shape:shape=?}
PlaceholderV2() -> (output:dtype) {dtype:type, shape:shape}
PlaceholderWithDefault(input:dtype) -> (output:dtype) {dtype:type, shape:shape}
Polygamma(a:T, x:T) -> (z:T) {T:type}
Pow(x:T, y:T) -> (z:T) {T:type}
PrefetchDataset(input_dataset:variant, buffer_size:int64) -> (handle:variant) {output_types:types,
  output_shapes:shapes, slack_period:int=0, legacy_autotune:bool=true, buffer_size_min:int=0,
  metadata:string=}
PreventGradient(input:T) -> (output:T) {T:type, message:string=}
Print(input:T, data:U...) -> (output:T) {T:type, U:types, message:string=, first_n:int=-1,
  summarize:int=3}
PrintV2(input:string) -> () {output_stream:string=stderr, end:string=\n}
Prod(input:T, reduction_indices:Tidx) -> (output:T) {keep_dims:bool=false, T:type,
  Tidx:type=int32}
PyFunc(input:Tin...) -> (output:Tout...) {token:string, Tin:types, Tout:types}
PyFuncStateless(input:Tin...) -> (output:Tout...) {token:string, Tin:types, Tout:types}
Qr(input:T) -> (q:T, r:T) {full_matrices:bool=false, T:type}
QueueCloseV2(handle:resource) -> () {cancel_pending_enqueues:bool=false}
QueueDequeueManyV2(handle:resource, n:int32) -> (components:component_types...)
  {component_types:types, timeout_ms:int=-1}
QueueDequeueUpToV2(handle:resource, n:int32) -> (components:component_types...)
  {component_types:types, timeout_ms:int=-1}
QueueDequeueV2(handle:resource) -> (components:component_types...) {component_types:types,
  timeout_ms:int=-1}
QueueEnqueueManyV2(handle:resource, components:Tcomponents...) -> () {Tcomponents:types,
  timeout_ms:int=-1}
QueueEnqueueV2(handle:resource, components:Tcomponents...) -> () {Tcomponents:types,
  timeout_ms:int=-1}
QueueIsClosedV2(handle:resource) -> (is_closed:bool)
QueueSizeV2(handle:resource) -> (size:int32)
)";

}  // namespace trivium::tf
