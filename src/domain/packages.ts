import { z } from "zod";

/** What is installed in a worker's sandboxes, as read in one of them. */
export const sandboxPackages = z
  .object({
    variant: z.string().nullable().describe("`default` or `full`; null when the image does not say"),
    python: z.string().describe("version of Python"),
    packages: z.array(
      z
        .object({
          name: z.string().describe("name of the distribution, as in `pip install`"),
          version: z.string(),
          modules: z.array(z.string()).describe("names to import"),
        })
        .strict(),
    ),
  })
  .strict();
export type SandboxPackages = z.infer<typeof sandboxPackages>;

/** The source of the packages of this service's workers. */
export interface PackageList {
  /** What a worker announced last; null when none has. Rejects when Redis does not answer. */
  read(): Promise<SandboxPackages | null>;
  /** The last that `read` resolved with. */
  readonly latest: SandboxPackages | null;
}

/**
 * Names for the descriptions of tools, which models read with each request: the packages that were chosen for the image, not
 * what these bring along.
 */
export function namesForModels(installed: SandboxPackages | null): readonly string[] {
  if (installed === null) return importableNames;
  const modules = new Set(installed.packages.flatMap((one) => one.modules));
  return [...importableNames, ...fullNames].filter((name) => modules.has(name));
}

/**
 * Import names of the packages in sandbox-image/packages.txt and wheels.in, which code can use besides the standard library.
 * A test compares the lists.
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
  "tqdm",
  "xlrd",
  "odf",
  "jinja2",
  "rich",
  "psutil",
  "regex",
  "cryptography",
  "pydantic",
  "pytest",
  "requests",
  "pyarrow",
  "pptx",
  "pdfplumber",
  "PyPDF2",
] as const;

/** The same for packages-full.txt and wheels-full.in. */
const fullNames = [
  "cv2 skimage imageio nltk spacy gensim textblob geopandas shapely folium altair bokeh plotnine kaleido numba xgboost lightgbm",
  "shap polars duckdb sqlalchemy rapidfuzz faker fpdf qrcode wordcloud z3 ortools pulp cvxpy tiktoken aiohttp httpx librosa",
  "soundfile Crypto tables svgwrite cairosvg graphviz docx2txt pytesseract toolz matplotlib_venn pyxlsb pymupdf holidays",
  "nest_asyncio ipywidgets chess ftfy unidecode lifelines umap imblearn moviepy pydub",
].flatMap((line) => line.split(" "));
