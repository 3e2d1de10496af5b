/**
 * Modules that an idle sandbox imports ahead of the code, in this order, each a step short enough not to hold up
 * work that arrives. The runner accepts no others.
 */
export const preloadSteps = ["numpy", "pandas", "matplotlib", "matplotlib.pyplot"] as const;

/** A hint only: a wrong guess costs time, never correctness. */
const heavyImport = /\b(?:import|from)\s+(?:numpy|pandas|matplotlib|seaborn|scipy|sklearn|statsmodels|xarray|plotly)\b/;

/** Whether the code looks as if it would import what preloading provides. */
export function wantsPreloaded(code: string): boolean {
  return heavyImport.test(code);
}
