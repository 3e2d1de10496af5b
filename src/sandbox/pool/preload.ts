/**
 * Modules that a sandbox in stock imports, in this order. Each import is short enough not to delay a new execution.
 * The runner accepts no others.
 */
export const preloadSteps = ["numpy", "pandas", "matplotlib", "matplotlib.pyplot"] as const;
