/** Models as pure functions from configuration and parameters to graph values. */

export * from './parameters.ts';
export * from './unet.ts';
export * from './vae.ts';
