"""Each package of the variant `full` is imported and used once, without network, as code in a sandbox would."""

from __future__ import annotations

import textwrap

import pytest

from sandbox_driver import run

USES = {
    "opencv": """
        import cv2, numpy as np
        image = np.zeros((40, 40, 3), np.uint8); cv2.circle(image, (20, 20), 10, (255, 255, 255), -1)
        contours, _ = cv2.findContours(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        assert len(contours) == 1 and cv2.imwrite("a.png", image)""",
    "scikit-image": """
        import numpy as np
        from skimage import filters, measure
        image = np.zeros((20, 20)); image[5:10, 5:10] = 1
        assert measure.label(image > filters.threshold_otsu(image)).max() == 1""",
    "imageio": """
        import imageio.v3 as iio, numpy as np
        iio.imwrite("a.gif", [np.full((8, 8), n * 60, np.uint8) for n in range(3)]); assert len(iio.imread("a.gif")) == 3
        iio.imwrite("a.mp4", np.zeros((5, 32, 32, 3), np.uint8), fps=5); assert iio.imread("a.mp4").shape[1:] == (32, 32, 3)""",
    "ffmpeg": """
        import subprocess, matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation
        figure, axes = plt.subplots(); line, = axes.plot([0, 1])
        FuncAnimation(figure, lambda n: line.set_ydata([0, n]), frames=3).save("a.mp4", writer="ffmpeg", fps=3); plt.close(figure)
        assert open("a.mp4", "rb").read()[4:8] == b"ftyp"
        assert "version" in subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout""",
    "nltk": """
        from nltk.stem import PorterStemmer
        from nltk.tokenize import wordpunct_tokenize
        from nltk import FreqDist, ngrams
        assert PorterStemmer().stem("running") == "run" and FreqDist(wordpunct_tokenize("a b a."))["a"] == 2""",
    "spacy": """
        import spacy
        nlp = spacy.blank("en"); nlp.add_pipe("sentencizer"); document = nlp("Hello there. This is it.")
        assert len(list(document.sents)) == 2 and document[0].text == "Hello" """,
    "gensim": """
        from gensim.models import Word2Vec
        model = Word2Vec([["a", "b"], ["b", "c"]] * 20, vector_size=8, min_count=1, workers=1, seed=1)
        assert model.wv["a"].shape == (8,)""",
    "textblob": """
        from textblob import TextBlob
        assert TextBlob("This is a great day").sentiment.polarity > 0""",
    "geopandas": """
        import geopandas as gpd
        from shapely.geometry import Point
        frame = gpd.GeoDataFrame({"n": [1]}, geometry=[Point(13.4, 52.5)], crs="EPSG:4326").to_crs(3857)
        frame.to_file("a.geojson", driver="GeoJSON"); assert len(gpd.read_file("a.geojson")) == 1 and frame.geometry.x[0] > 1e6""",
    "shapely": "import shapely\nassert shapely.box(0, 0, 2, 2).buffer(1).area > 4",
    "folium": """
        import folium
        map_ = folium.Map(location=[52.5, 13.4]); folium.Marker([52.5, 13.4]).add_to(map_); map_.save("a.html")""",
    "altair": """
        import altair as alt, pandas as pd
        chart = alt.Chart(pd.DataFrame({"x": [1, 2], "y": [1, 4]})).mark_line().encode(x="x", y="y")
        chart.save("a.png"); chart.save("a.html"); assert open("a.png", "rb").read(4) == b"\\x89PNG" """,
    "bokeh": """
        from bokeh.plotting import figure, output_file, save
        from bokeh.resources import INLINE
        plot = figure(); plot.line([1, 2], [3, 4]); save(plot, "a.html", resources=INLINE, title="a")""",
    "plotnine": """
        import pandas as pd
        from plotnine import aes, geom_point, ggplot
        (ggplot(pd.DataFrame({"x": [1, 2], "y": [1, 4]}), aes("x", "y")) + geom_point()).save("a.png", verbose=False)""",
    "kaleido": """
        import plotly.graph_objects as go
        go.Figure(go.Bar(y=[1, 2])).write_image("a.png"); assert open("a.png", "rb").read(4) == b"\\x89PNG" """,
    "numba": """
        import numba
        @numba.njit
        def total(n):
            s = 0
            for i in range(n): s += i
            return s
        assert total(1000) == 499500""",
    "xgboost": """
        import numpy as np, xgboost
        x = np.arange(40.0).reshape(-1, 1); model = xgboost.XGBRegressor(n_estimators=20).fit(x, x[:, 0]); assert model.predict(x).shape == (40,)""",
    "lightgbm": """
        import lightgbm, numpy as np
        x = np.arange(100.0).reshape(-1, 1); model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(x, x[:, 0])
        assert model.predict(x).shape == (100,)""",
    "shap": """
        import numpy as np, shap
        from sklearn.tree import DecisionTreeRegressor
        x = np.random.default_rng(0).normal(size=(30, 3)); model = DecisionTreeRegressor(max_depth=3).fit(x, x[:, 0])
        assert shap.TreeExplainer(model).shap_values(x).shape == (30, 3)""",
    "polars": """
        import polars as pl
        frame = pl.DataFrame({"a": ["x", "y", "x"], "n": [1, 2, 3]}); assert frame.group_by("a").agg(pl.col("n").sum()).height == 2
        frame.write_parquet("a.parquet"); assert pl.read_parquet("a.parquet").to_pandas().shape == (3, 2)""",
    "duckdb": """
        import duckdb, pandas as pd
        frame = pd.DataFrame({"n": [1, 2, 3]}); assert duckdb.sql("select sum(n) as s from frame").df()["s"][0] == 6""",
    "sqlalchemy": """
        import pandas as pd, sqlalchemy as sa
        engine = sa.create_engine("sqlite://")
        pd.DataFrame({"n": [1, 2]}).to_sql("t", engine, index=False); assert len(pd.read_sql("select * from t", engine)) == 2""",
    "rapidfuzz": "from rapidfuzz import fuzz, process\nassert process.extractOne('panda', ['pandas', 'numpy'])[0] == 'pandas' and fuzz.ratio('a', 'a') == 100",
    "faker": "from faker import Faker\nFaker.seed(1)\nassert Faker('de_DE').name()",
    "fpdf2": """
        from fpdf import FPDF
        pdf = FPDF(); pdf.add_page(); pdf.set_font("helvetica", size=12); pdf.cell(text="Hello"); pdf.output("a.pdf")
        assert open("a.pdf", "rb").read(4) == b"%PDF" """,
    "qrcode": "import qrcode\nqrcode.make('hello').save('a.png')",
    "wordcloud": "from wordcloud import WordCloud\nWordCloud().generate('red green blue red').to_file('a.png')",
    "z3": "import z3\nx = z3.Int('x'); s = z3.Solver(); s.add(x * x == 49, x > 0); assert s.check() == z3.sat and s.model()[x] == 7",
    "ortools": """
        from ortools.sat.python import cp_model
        model = cp_model.CpModel(); x = model.new_int_var(0, 10, "x"); model.maximize(x); solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        assert solver.solve(model) == cp_model.OPTIMAL and solver.value(x) == 10""",
    "pulp": """
        import pulp
        problem = pulp.LpProblem("p", pulp.LpMaximize); x = pulp.LpVariable("x", 0, 4); problem += 3 * x
        problem.solve(pulp.PULP_CBC_CMD(msg=False)); assert pulp.value(problem.objective) == 12""",
    "cvxpy": """
        import cvxpy as cp
        x = cp.Variable(2); problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [x >= 2]); problem.solve()
        assert abs(x.value[0] - 2) < 1e-3""",
    "tiktoken": """
        import tiktoken
        encoding = tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={})
        assert encoding.encode("ab") == [97, 98] and len(tiktoken.list_encoding_names()) > 3""",
    "aiohttp": """
        import asyncio, aiohttp
        from aiohttp import web
        async def main():
            app = web.Application(); app.router.add_get("/", lambda request: web.Response(text="hi"))
            runner = web.AppRunner(app); await runner.setup(); site = web.TCPSite(runner, "127.0.0.1", 8099); await site.start()
            async with aiohttp.ClientSession() as session, session.get("http://127.0.0.1:8099/") as response: assert await response.text() == "hi"
            await runner.cleanup()
        asyncio.run(main())""",
    "httpx": "import httpx\nassert httpx.Client(transport=httpx.MockTransport(lambda r: httpx.Response(200, text='hi'))).get('http://a/').text == 'hi'",
    "librosa": """
        import librosa, numpy as np
        tone = librosa.tone(440, sr=22050, duration=0.5); assert librosa.feature.mfcc(y=tone, sr=22050).shape[0] == 20""",
    "soundfile": "import numpy as np, soundfile\nsoundfile.write('a.flac', np.zeros(1000), 8000)\nassert soundfile.read('a.flac')[1] == 8000",
    "pycryptodome": """
        from Crypto.Cipher import AES
        key = bytes(16); box = AES.new(key, AES.MODE_GCM, nonce=bytes(12)).encrypt(b"hi")
        assert AES.new(key, AES.MODE_GCM, nonce=bytes(12)).decrypt(box) == b"hi" """,
    "tables": "import pandas as pd\npd.DataFrame({'n': [1]}).to_hdf('a.h5', key='k')\nassert len(pd.read_hdf('a.h5')) == 1",
    "svgwrite": "import svgwrite\nsvgwrite.Drawing('a.svg').save()",
    "cairosvg": 'import cairosvg\ncairosvg.svg2png(bytestring=b\'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\', write_to=\'a.png\')',
    "graphviz": "import graphviz\ng = graphviz.Digraph(); g.edge('a', 'b'); g.render('a', format='png'); assert open('a.png', 'rb').read(4) == b'\\x89PNG'",
    "docx2txt": "import docx, docx2txt\nd = docx.Document(); d.add_paragraph('hello'); d.save('a.docx'); assert 'hello' in docx2txt.process('a.docx')",
    "pytesseract": """
        import pytesseract
        from PIL import Image, ImageDraw, ImageFont
        image = Image.new("RGB", (300, 60), "white")
        ImageDraw.Draw(image).text((10, 10), "HELLO 42", fill="black", font=ImageFont.truetype("DejaVuSans.ttf", 32))
        assert "HELLO" in pytesseract.image_to_string(image)""",
    "toolz": "from toolz import groupby\nassert groupby(len, ['a', 'b', 'cc']) == {1: ['a', 'b'], 2: ['cc']}",
    "matplotlib-venn": "import matplotlib.pyplot as plt\nfrom matplotlib_venn import venn2\nvenn2((1, 2, 3)); plt.savefig('a.png'); plt.close()",
    "pyxlsb": "import pyxlsb\ntry: pyxlsb.open_workbook('none.xlsb')\nexcept FileNotFoundError: pass",
    "pymupdf": "import fitz\nd = fitz.open(); d.new_page().insert_text((72, 72), 'hello'); d.save('a.pdf'); assert 'hello' in fitz.open('a.pdf')[0].get_text()",
    "holidays": "import holidays\nassert '2026-12-25' in holidays.country_holidays('DE')",
    "nest_asyncio": "import nest_asyncio, asyncio\nnest_asyncio.apply()\nasync def f(): return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 5))\nassert asyncio.run(f()) == 5",
    "ipywidgets": "import ipywidgets\nassert ipywidgets.IntSlider(value=3).value == 3",
    "chess": "import chess\nboard = chess.Board(); board.push_san('e4'); assert board.fullmove_number == 1",
    "ftfy": "import ftfy\nassert ftfy.fix_text('schÃ¶n') == 'schön'",
    "unidecode": "from unidecode import unidecode\nassert unidecode('schön') == 'schon'",
    "lifelines": "from lifelines import KaplanMeierFitter\nassert KaplanMeierFitter().fit([1, 2, 3], [1, 1, 0]).median_survival_time_ == 2",
    "umap": """
        import numpy as np, umap
        assert umap.UMAP(n_neighbors=5, n_epochs=10, random_state=1).fit_transform(np.random.default_rng(0).normal(size=(30, 4))).shape == (30, 2)""",
    "imbalanced-learn": """
        import numpy as np
        from imblearn.over_sampling import SMOTE
        x, y = SMOTE(random_state=1).fit_resample(np.arange(60.0).reshape(30, 2), [0] * 20 + [1] * 10); assert sum(y) == 20""",
    "arabic-reshaper": "import arabic_reshaper\nfrom bidi.algorithm import get_display\nassert get_display(arabic_reshaper.reshape('سلام'))",
    "moviepy": """
        import numpy as np
        from moviepy import VideoClip
        VideoClip(lambda t: np.zeros((32, 32, 3), np.uint8), duration=0.4).write_videofile("a.mp4", fps=5, logger=None)
        assert open("a.mp4", "rb").read()[4:8] == b"ftyp" """,
    "pydub": "from pydub import AudioSegment\nfrom pydub.generators import Sine\nSine(440).to_audio_segment(200).export('a.mp3', format='mp3')\nassert open('a.mp3', 'rb').read(3)",
}


@pytest.mark.parametrize("package", USES)
def test_works_without_network(package: str) -> None:
    code = f"import warnings; warnings.simplefilter('ignore')\n{textwrap.dedent(USES[package])}\nprint('worked')"
    result = run(code, timeout_ms=60_000)
    assert result.stdout.endswith("worked\n"), result.stderr[-1500:]


def test_no_package_that_learns_on_graphics_cards_is_there() -> None:
    code = "import importlib.util as u; print([m for m in ('torch', 'keras', 'tensorflow', 'nvidia') if u.find_spec(m)])"
    assert run(code).stdout == "[]\n"
