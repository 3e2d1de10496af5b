/**
 * Modules that an idle sandbox imports ahead of the code, in this order, each a step short enough not to hold up
 * work that arrives. The runner accepts no others.
 */
export const preloadSteps = ["numpy", "pandas", "matplotlib", "matplotlib.pyplot"] as const;
