/** All operators of the graph. */

export * from './activation.ts';
export * from './arithmetic.ts';
export * from './attention.ts';
export * from './convolution.ts';
export * from './indexing.ts';
export * from './logic.ts';
export * from './matmul.ts';
export * from './normalization.ts';
export * from './order.ts';
export * from './pooling.ts';
export * from './reduction.ts';
export * from './resize.ts';
export * from './shape.ts';
export * from './softmax.ts';
export * from './unary.ts';
