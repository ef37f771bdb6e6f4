/** The formats that adapters are exported in; nothing here reads or writes, so that a browser can load it. */

import type { AdapterFormat } from '../../diffusion/adapter_file.ts';

/** What an adapter is exported as: a file for other programs, or a whole model with the adapter in its weights. */
export type ExportFormat = AdapterFormat | 'merged';

/** Every format by its name. */
export const EXPORT_FORMATS = Object.freeze([
  'kohya',
  'diffusers',
  'peft',
  'textual-inversion',
  'merged',
] as const satisfies readonly ExportFormat[]);

/** Whether a format is a folder with files; the others are one `.safetensors` file. */
export function isFolderFormat(format: ExportFormat): boolean {
  return format === 'peft' || format === 'merged';
}

/** Element types of exported weights. */
export const EXPORT_DTYPES = Object.freeze(['float32', 'float16'] as const);

/** An element type of exported weights. */
export type ExportDtype = (typeof EXPORT_DTYPES)[number];
