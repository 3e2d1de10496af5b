/** Only a hint: a wrong guess costs time, never correctness. */
const heavyImport = /\b(?:import|from)\s+(?:numpy|pandas|matplotlib|seaborn|scipy|sklearn|statsmodels|xarray|plotly)\b/;

/** Whether the code seems to import a preloaded package. */
export function wantsPreloaded(code: string): boolean {
  return heavyImport.test(code);
}
