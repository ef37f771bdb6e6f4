/** Names of adapters as the server takes them. */

/** What a name must match. */
export const ADAPTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** What is wrong with one that does not. */
export const ADAPTER_NAME_FAULT =
  'The adapter’s name takes letters, digits, “-”, “_” and “.”, a letter or digit first.';
