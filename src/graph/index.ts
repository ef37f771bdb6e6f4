/** Differentiable ONNX graphs: build values from operators, differentiate graph to graph, compile and run. */

export * from './building.ts';
export type { ImportedModel, ImportOptions, OnnxInput } from './onnx/decode.ts';
export { importableOperators, importOnnx, onnxInputs } from './onnx/decode.ts';
export type { DeviceReport } from './runtime/devices.ts';
export { listDevices, selectDevice } from './runtime/devices.ts';
export type { SessionSettings } from './runtime/messages.ts';
export type { ProfileEntry } from './runtime/profile.ts';
export { summarizeProfile } from './runtime/profile.ts';
export type { MachineRates } from './runtime/rates.ts';
export { measureRates, secondsOf } from './runtime/rates.ts';
export type { DeviceName, RuntimeOptions } from './runtime/runtime.ts';
export { Runtime } from './runtime/runtime.ts';
export type { TensorFlowFile } from './tensorflow/file.ts';
export { readTensorFlow } from './tensorflow/file.ts';
export type { ImportedTensorFlow, TensorFlowInput, TensorFlowOptions } from './tensorflow/import.ts';
export {
  importableTensorFlowOperators,
  importTensorFlow,
  tensorFlowInputs,
} from './tensorflow/import.ts';
