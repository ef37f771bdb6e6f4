/** Graph to ONNX: writes the nodes between leaves and outputs as a serialized ModelProto; weights stay in their files. */

import { create, toBinary } from '@bufbuild/protobuf';
import type { AttributeProto, NodeProto, TensorProto, ValueInfoProto } from 'onnx-buf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import type { EmitContext, OnnxAttribute } from '../operator.ts';
import { ONNX_DATA_TYPE } from '../operators/logic.ts';
import type { DataType, Shape, TensorData, TensorType } from '../types.ts';
import { describeType, is16Bit } from '../types.ts';
import type { FileRegion, Value } from '../value.ts';
import { leafOf, topologicalOrder, toTensorData } from '../value.ts';

/** Version of the default operator set that emission writes. */
export const OPSET_VERSION = 21;
/** Version of the ONNX file format (IR) that goes with {@link OPSET_VERSION}. */
const IR_VERSION = 10n;
/** Protobuf cannot hold more bytes than this in one message; weights beyond it belong into files. */
export const MAXIMUM_MODEL_BYTES = 2 ** 31 - 1;

/** A name and a tensor type: one input or output of an encoded model. */
export interface NamedTensorType extends TensorType {
  readonly name: string;
}

/** A serialized model with what is needed to run it. */
export interface EncodedModel {
  /** ModelProto bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly inputs: readonly NamedTensorType[];
  readonly outputs: readonly NamedTensorType[];
  /** Folder against which the locations of external weights are relative; `null` when there are none. */
  readonly externalRoot: string | null;
  /** External weights: the bytes that must be there when the model is loaded. */
  readonly weights: readonly EncodedWeight[];
}

/** A weight whose bytes stay outside an encoded model. */
export interface EncodedWeight {
  readonly name: string;
  readonly region: FileRegion;
}

/**
 * Encodes the graph that computes `outputs`.
 * @param outputs values by the name under which they leave the model
 * @param device execution provider that the emission is for
 * @throws Error when two different inputs share a name, weights lie below different roots, or the model passes protobuf's
 *   2 GiB limit
 */
export function encodeModel(outputs: Readonly<Record<string, Value>>, device = 'cpu'): EncodedModel {
  const encoder = new Encoder(device, outputs);
  const order = topologicalOrder(Object.values(outputs));
  const used = new Set<Value | null>([...Object.values(outputs), ...order.flatMap((node) => node.inputs)]);
  for (const node of order) encoder.addNode(node.outputs, used);
  const outputInfos = Object.entries(outputs).map(([name, value]) => encoder.addOutput(name, value));
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'evenhand',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET_VERSION) }),
      create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: 'evenhand',
      node: [...encoder.fixed, ...encoder.nodes],
      initializer: encoder.initializers,
      input: encoder.inputs.map(valueInfo),
      output: outputInfos.map(valueInfo),
      valueInfo: encoder.declared.map(valueInfo),
    }),
  });
  if (encoder.constantBytes > MAXIMUM_MODEL_BYTES) {
    throw new Error(
      `encodeModel: expected constants of at most ${MAXIMUM_MODEL_BYTES} bytes, received ${encoder.constantBytes}: ` +
        'take large weights from a file (weight) instead of embedding them (constant)',
    );
  }
  return {
    bytes: toBinary(ModelProtoSchema, model),
    inputs: encoder.inputs,
    outputs: outputInfos,
    externalRoot: encoder.externalRoot,
    weights: encoder.weights,
  };
}

/** A mapped weight as a value sees it: in another shape, or converted from 16-bit floats. */
interface WeightView {
  readonly name: string;
  readonly dtype: DataType;
  readonly region: FileRegion;
}

/** The weight that `value` is, or is a reshaped or converted view of; `null` for others. */
function weightView(value: Value): WeightView | null {
  let converted = false;
  let source = value;
  for (;;) {
    const leaf = leafOf(source);
    if (leaf !== null) {
      if (leaf.kind !== 'weight') return null;
      return { name: leaf.name, dtype: leaf.type.dtype, region: leaf.region };
    }
    const { name } = source.node.operator;
    const next = source.node.inputs[0];
    const isConversion = name === 'cast' && next != null && is16Bit(next.dtype);
    if (!next || !(name === 'reshape' || (isConversion && !converted))) return null;
    converted ||= isConversion;
    source = next;
  }
}

class Encoder implements EmitContext {
  readonly nodes: NodeProto[] = [];
  /**
   * Nodes that read nothing but weights and constants: they stand ahead of all others. Of what a node reads, ONNX Runtime
   * first computes what stands last, with everything before it: a weight that is converted or turned behind the values that
   * it is multiplied with would be held in full size while all of them are computed.
   */
  readonly fixed: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly inputs: NamedTensorType[] = [];
  readonly weights: EncodedWeight[] = [];
  /** Values whose shapes ONNX Runtime cannot work out by itself. */
  readonly declared: NamedTensorType[] = [];
  readonly device: string;
  externalRoot: string | null = null;
  constantBytes = 0;
  readonly #names = new Map<Value, string>();
  readonly #views = new Map<Value, WeightView>();
  readonly #constants = new Map<string, string>();
  readonly #fixedNames = new Set<string>(['']);
  #next = 0;
  #scope = '';
  readonly #outputNames = new Map<Value, string>();

  constructor(device: string, outputs: Readonly<Record<string, Value>>) {
    this.device = device;
    for (const [name, value] of Object.entries(outputs)) {
      if (!this.#outputNames.has(value)) this.#outputNames.set(value, name);
    }
  }

  addNode(values: readonly Value[], used: ReadonlySet<Value | null>): void {
    const { node } = values[0]!;
    const view = this.#outputNames.has(values[0]!) ? null : weightView(values[0]!);
    if (view !== null) {
      this.#views.set(values[0]!, view);
      return;
    }
    const leaf = leafOf(values[0]!);
    if (leaf !== null) {
      this.#names.set(values[0]!, this.#addLeaf(leaf));
      return;
    }
    this.#scope = node.scope === '' ? node.operator.name : `${node.scope}/${node.operator.name}`;
    const inputs = node.inputs.map((value) => (value === null ? '' : this.#nameOf(value)));
    const outputs = values.map(
      (value, i) =>
        this.#outputNames.get(value) ?? (i === 0 ? `v${node.id}` : used.has(value) ? `v${node.id}.${i}` : ''),
    );
    values.forEach((value, i) => {
      this.#names.set(value, outputs[i]!);
    });
    node.operator.emit(this, inputs, outputs, node);
    if (node.operator.name === 'after' && !this.#outputNames.has(values[0]!))
      this.declared.push({ name: outputs[0]!, dtype: values[0]!.dtype, shape: values[0]!.shape });
  }

  addOutput(name: string, value: Value): NamedTensorType {
    // A node writes its output under the output's name itself. An Identity behind it, as leaves and values with two names
    // need, makes ONNX Runtime 1.30 lose the value when a fused MatMul and Add use it as well.
    this.#scope = 'output';
    if (this.#names.get(value) !== name) this.node('Identity', [this.#nameOf(value)], {}, [name]);
    return { name, dtype: value.dtype, shape: value.shape };
  }

  /**
   * Name of a value that a node reads. A 16-bit weight is converted anew for every reader, who shares it with nobody: it is
   * there in full size only while it is read, and not from the forward pass until the backward pass.
   */
  #nameOf(value: Value): string {
    const view = this.#views.get(value);
    if (view === undefined) return this.#names.get(value)!;
    const { name, dtype, region } = view;
    const stored = this.#addWeight(name, { dtype, shape: value.shape }, region);
    if (dtype === value.dtype) return stored;
    return this.node('Cast', [stored], { to: { int: ONNX_DATA_TYPE[value.dtype] } })[0]!;
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    outputs: readonly string[] | number = 1,
    domain = '',
  ): string[] {
    const names =
      typeof outputs === 'number' ? Array.from({ length: outputs }, () => `t${this.#next++}`) : [...outputs];
    const isFixed = inputs.every((name) => this.#fixedNames.has(name));
    if (isFixed) for (const name of names) this.#fixedNames.add(name);
    (isFixed ? this.fixed : this.nodes).push(
      create(NodeProtoSchema, {
        name: `${this.#scope}#${this.fixed.length + this.nodes.length}`,
        opType,
        domain,
        input: [...inputs],
        output: names,
        attribute: Object.entries(attributes).map(([name, attribute]) => attributeProto(name, attribute)),
      }),
    );
    return names;
  }

  #addInitializer(tensor: TensorProto): void {
    this.initializers.push(tensor);
    this.#fixedNames.add(tensor.name);
  }

  constant(data: readonly number[] | TensorData, shape: Shape, dtype: DataType = 'float32'): string {
    const typed = toTensorData(data, dtype);
    const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
    const key = constantKey(typed, bytes, `${dtype}[${shape}]`);
    const known = key === null ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = `c${this.#next++}`;
    if (key !== null) this.#constants.set(key, name);
    this.constantBytes += bytes.length;
    this.#addInitializer(
      create(TensorProtoSchema, {
        name,
        dataType: ONNX_DATA_TYPE[dtype],
        dims: shape.map(BigInt),
        rawData: bytes.slice(),
      }),
    );
    return name;
  }

  #addLeaf(leaf: NonNullable<ReturnType<typeof leafOf>>): string {
    if (leaf.kind === 'input') return this.#addInput({ name: leaf.name, ...leaf.type });
    if (leaf.kind === 'constant') return this.constant(leaf.data, leaf.type.shape, leaf.type.dtype);
    return this.#addWeight(leaf.name, leaf.type, leaf.region);
  }

  #addInput(input: NamedTensorType): string {
    if (this.inputs.some((other) => other.name === input.name)) {
      throw new Error(
        `encodeModel: expected distinct input names, received ${input.name} twice (${describeType(input)})`,
      );
    }
    this.inputs.push(input);
    return input.name;
  }

  #addWeight(name: string, type: TensorType, region: FileRegion): string {
    const key = `${region.file}@${region.offset}:${type.dtype}[${type.shape}]`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const root = rootOf(region.file);
    if (this.externalRoot !== null && this.externalRoot !== root) {
      throw new Error(
        `encodeModel: expected all weight files under ${this.externalRoot}, received ${region.file}`,
      );
    }
    this.externalRoot = root;
    this.weights.push({ name, region });
    const unique = `w${this.#next++}:${name}`;
    this.#constants.set(key, unique);
    const entries = {
      location: region.file.slice(root.length).replaceAll('\\', '/'),
      offset: String(region.offset),
      length: String(region.length),
    };
    this.#addInitializer(
      create(TensorProtoSchema, {
        name: unique,
        dataType: ONNX_DATA_TYPE[type.dtype],
        dims: type.shape.map(BigInt),
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: Object.entries(entries).map(([k, value]) =>
          create(StringStringEntryProtoSchema, { key: k, value }),
        ),
      }),
    );
    return unique;
  }
}

/** Names what is written once however often it is used: constants of few bytes, and those whose elements all agree. */
function constantKey(typed: TensorData, bytes: Uint8Array, type: string): string | null {
  if (bytes.length <= 4096) return `${type}${String.fromCharCode(...bytes)}`;
  const first = bytes.subarray(0, typed.BYTES_PER_ELEMENT);
  const isUniform = typed.every((element: number | bigint) => Object.is(element, typed[0]));
  return isUniform ? `${type} all ${String.fromCharCode(...first)}` : null;
}

/** What an absolute path begins with: `/`, a drive such as `C:\\`, or a share of another machine. */
function rootOf(file: string): string {
  return /^(?:[A-Za-z]:[\\/]|\\\\[^\\]+\\[^\\]+\\|\/)/.exec(file)?.[0] ?? '';
}

function attributeProto(name: string, attribute: OnnxAttribute): AttributeProto {
  if ('int' in attribute) {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.INT,
      i: BigInt(attribute.int),
    });
  }
  if ('ints' in attribute) {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.INTS,
      ints: attribute.ints.map(BigInt),
    });
  }
  if ('float' in attribute) {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.FLOAT,
      f: attribute.float,
    });
  }
  if ('floats' in attribute) {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.FLOATS,
      floats: [...attribute.floats],
    });
  }
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.STRING,
    s: new TextEncoder().encode(attribute.string),
  });
}

function valueInfo(tensor: NamedTensorType): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name: tensor.name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: ONNX_DATA_TYPE[tensor.dtype],
          shape: create(TensorShapeProtoSchema, {
            dim: tensor.shape.map((size) =>
              create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
            ),
          }),
        }),
      },
    }),
  });
}
