/** Differentiable ONNX graphs: build values from operators, differentiate graph to graph, compile and run. */

export { gradient } from './gradient.ts';
export type { ImportedModel, ImportOptions, OnnxInput } from './onnx/decode.ts';
export { importableOperators, importOnnx, onnxInputs } from './onnx/decode.ts';
export type { EncodedModel, NamedTensorType } from './onnx/encode.ts';
export { encodeModel } from './onnx/encode.ts';
export * from './operators/index.ts';
export type { DeviceReport } from './runtime/devices.ts';
export { listDevices, selectDevice } from './runtime/devices.ts';
export type { SessionSettings } from './runtime/messages.ts';
export type { ProfileEntry } from './runtime/profile.ts';
export { summarizeProfile } from './runtime/profile.ts';
export type { DeviceName, Executable, RuntimeOptions, Tensors } from './runtime/runtime.ts';
export { Runtime } from './runtime/runtime.ts';
export type { TensorFlowFile } from './tensorflow/file.ts';
export { readTensorFlow } from './tensorflow/file.ts';
export type { ImportedTensorFlow, TensorFlowInput, TensorFlowOptions } from './tensorflow/import.ts';
export {
  importableTensorFlowOperators,
  importTensorFlow,
  tensorFlowInputs,
} from './tensorflow/import.ts';
export * from './types.ts';
export type { FileRegion, GraphNode, Value } from './value.ts';
export { constant, input, scalar, scope, topologicalOrder, weight } from './value.ts';
