/** A hint only: a wrong guess costs time, never correctness. */
const heavyImport = /\b(?:import|from)\s+(?:numpy|pandas|matplotlib|seaborn|scipy|sklearn|statsmodels|xarray|plotly)\b/;

/** Whether the code looks as if it would import what preloading provides. */
export function wantsPreloaded(code: string): boolean {
  return heavyImport.test(code);
}
