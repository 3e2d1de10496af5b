/**
 * Import names of the packages in sandbox-image/packages.txt, which code can use besides the standard library. A test
 * compares the two lists.
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
  "bidi",
  "arabic_reshaper",
] as const;
