/**
 * What code can import besides the standard library, by import name: the packages of sandbox-image/packages.txt. A
 * test holds the two lists against each other.
 */
export const importableNames = [
  "numpy",
  "pandas",
  "scipy",
  "matplotlib",
  "seaborn",
  "sklearn",
  "sympy",
  "statsmodels",
  "networkx",
  "PIL",
  "openpyxl",
  "xlsxwriter",
  "lxml",
  "bs4",
  "html5lib",
  "tabulate",
  "docx",
  "pypdf",
  "reportlab",
  "h5py",
  "xarray",
  "plotly",
  "yaml",
  "dateutil",
  "pytz",
  "IPython",
] as const;
