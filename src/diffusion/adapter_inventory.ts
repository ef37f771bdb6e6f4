/** What of a model an adapter can change: its linear layers and its parameters, found by building the graphs once. */

import type { LinearShape, Parameters } from '../models/index.ts';
import { parametersFrom, withLora } from '../models/index.ts';
import type { LoraPart } from '../weights/lora_file.ts';
import { NO_ADAPTER_LAYOUT } from './adapter.ts';
import { guidedDenoiser, promptContext } from './graphs.ts';
import type { TextToImageModel } from './model.ts';

/** Layers and parameters of one part of a model, in the order in which the graph meets them. */
export interface PartInventory {
  /** Linear layers (and 1x1 convolutions used as such) by module path. */
  readonly modules: ReadonlyMap<string, LinearShape>;
  /** Shapes of the parameters by name. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
}

/** Lists the layers and parameters that the text encoder and the U-Net of a model really use. */
export function adapterInventory(model: TextToImageModel): Readonly<Record<LoraPart, PartInventory>> {
  const textEncoder = recorded(model.textEncoder.parameters, (parameters) =>
    promptContext({ ...model, textEncoder: { ...model.textEncoder, parameters } }, 1, NO_ADAPTER_LAYOUT),
  );
  const side = model.defaultSide / model.downscale;
  const size = { height: side, width: side };
  const unet = recorded(model.unet.parameters, (parameters) =>
    guidedDenoiser({ ...model, unet: { ...model.unet, parameters } }, 1, size, NO_ADAPTER_LAYOUT, false),
  );
  return Object.freeze({ textEncoder, unet });
}

function recorded(base: Parameters, build: (parameters: Parameters) => unknown): PartInventory {
  const modules = new Map<string, LinearShape>();
  const parameters = new Map<string, readonly number[]>();
  const noted = parametersFrom((name, shape) => {
    parameters.set(name, [...shape]);
    return base.tensor(name, shape);
  }, base.has);
  build(
    withLora(noted, (path, shape) => {
      modules.set(path, shape);
      return null;
    }),
  );
  return Object.freeze({ modules, parameters });
}
