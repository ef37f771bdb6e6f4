/** What graphs are built and written with. Nothing here needs Node: browsers build the same graphs with it. */

export type { GraphWork } from './flops.ts';
export { countFlops, graphWork } from './flops.ts';
export { gradient } from './gradient.ts';
export { LARGE_WEIGHTS, peakActivations, weightBytes } from './memory.ts';
export { inMixedPrecision } from './mixed_precision.ts';
export type { EncodedModel, EncodedWeight, NamedTensorType } from './onnx/encode.ts';
export { encodeModel } from './onnx/encode.ts';
export * from './operators/index.ts';
export type { Executable, GraphRuntime, Tensors } from './runtime/executable.ts';
export { stageFeeds } from './runtime/feeds.ts';
export { allSideBySide, sideBySide } from './runtime/side_by_side.ts';
export * from './types.ts';
export type { FileRegion, GraphNode, Value } from './value.ts';
export { constant, input, scalar, scope, topologicalOrder, weight } from './value.ts';
