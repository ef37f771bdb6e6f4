/** Small ONNX models written node by node, as other exporters write them, for testing the import. */

import { create, toBinary } from '@bufbuild/protobuf';
import type { AttributeProto, GraphProto, TensorProto, ValueInfoProto } from 'onnx-buf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { ONNX_DATA_TYPE } from '../operators/logic.ts';
import type { DataType } from '../types.ts';
import { toTensorData } from '../value.ts';

/** A tensor by its plain elements. */
export interface PlainInitializer {
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly dtype?: DataType;
}

/** Attributes by name: integers are ints, other numbers floats (`{ float: 1 }` where it must be one), texts strings. */
export type PlainAttributes = Readonly<
  Record<
    string,
    | number
    | string
    | readonly number[]
    | { readonly float: number }
    | PlainInitializer
    | { readonly graph: GraphProto }
  >
>;

/** A node: operator (`domain:Name` outside the standard), input names, output names, attributes. */
export type PlainNode = readonly [
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes?: PlainAttributes,
];

/** A graph to write. */
export interface PlainGraph {
  readonly nodes: readonly PlainNode[];
  /** Dimensions by input name; a text is a dimension left open. */
  readonly inputs?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: readonly string[];
  readonly initializers?: Readonly<Record<string, PlainInitializer>>;
  readonly inputType?: DataType;
}

/** An initializer message with raw elements. */
export function tensorMessage(
  name: string,
  { shape, data, dtype = 'float32' }: PlainInitializer,
): TensorProto {
  const typed = toTensorData(data, dtype);
  return create(TensorProtoSchema, {
    name,
    dataType: ONNX_DATA_TYPE[dtype],
    dims: shape.map(BigInt),
    rawData: new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength).slice(),
  });
}

/** A graph message. */
export function graphMessage(graph: PlainGraph): GraphProto {
  return create(GraphProtoSchema, {
    name: 'test',
    node: graph.nodes.map(([type, input, output, attributes = {}], i) => {
      const [domain, opType] = type.includes(':') ? type.split(':') : ['', type];
      return create(NodeProtoSchema, {
        name: `node${i}`,
        domain: domain!,
        opType: opType!,
        input: [...input],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attributeMessage(name, value)),
      });
    }),
    initializer: Object.entries(graph.initializers ?? {}).map(([name, tensor]) =>
      tensorMessage(name, tensor),
    ),
    input: Object.entries(graph.inputs ?? {}).map(([name, shape]) =>
      valueMessage(name, shape, graph.inputType ?? 'float32'),
    ),
    output: graph.outputs.map((name) => create(ValueInfoProtoSchema, { name })),
  });
}

/** A serialized model of a graph. */
export function modelBytes(graph: PlainGraph | GraphProto, opset = 17): Uint8Array<ArrayBuffer> {
  const message = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
      create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
    ],
    graph: '$typeName' in graph ? graph : graphMessage(graph),
  });
  return toBinary(ModelProtoSchema, message);
}

/** A graph of one node between inputs, initializers and one output `y`; names that start with `none` are left out. */
export function single(
  opType: string,
  inputs: PlainGraph['inputs'],
  attributes: PlainAttributes = {},
  initializers: PlainGraph['initializers'] = {},
): PlainGraph {
  const names = [...Object.keys(inputs!), ...Object.keys(initializers)];
  return {
    nodes: [[opType, names.map((name) => (name.startsWith('none') ? '' : name)), ['y'], attributes]],
    inputs: inputs!,
    outputs: ['y'],
    initializers: Object.fromEntries(
      Object.entries(initializers).filter(([name]) => !name.startsWith('none')),
    ),
  };
}

/** A list of int64. */
export function ints(...data: number[]): PlainInitializer {
  return { shape: [data.length], data, dtype: 'int64' };
}

/** A scalar int64. */
export function int(value: number): PlainInitializer {
  return { shape: [], data: [value], dtype: 'int64' };
}

/** A list of float32. */
export function floats(...data: number[]): PlainInitializer {
  return { shape: [data.length], data };
}

/** A scalar float32. */
export function float(value: number): PlainInitializer {
  return { shape: [], data: [value] };
}

function attributeMessage(name: string, value: PlainAttributes[string]): AttributeProto {
  const types = AttributeProto_AttributeType;
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: types.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? create(AttributeProtoSchema, { name, type: types.INT, i: BigInt(value) })
      : create(AttributeProtoSchema, { name, type: types.FLOAT, f: value });
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, type: types.FLOAT, f: value.float });
  if ('graph' in value) return create(AttributeProtoSchema, { name, type: types.GRAPH, g: value.graph });
  if ('data' in value)
    return create(AttributeProtoSchema, { name, type: types.TENSOR, t: tensorMessage('', value) });
  return value.every(Number.isInteger)
    ? create(AttributeProtoSchema, { name, type: types.INTS, ints: value.map(BigInt) })
    : create(AttributeProtoSchema, { name, type: types.FLOATS, floats: [...value] });
}

function valueMessage(name: string, shape: readonly (number | string)[], dtype: DataType): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === 'number'
          ? { case: 'dimValue', value: BigInt(size) }
          : { case: 'dimParam', value: size },
    }),
  );
  const tensor = create(TypeProto_TensorSchema, {
    elemType: ONNX_DATA_TYPE[dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}
