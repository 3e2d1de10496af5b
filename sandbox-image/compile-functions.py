"""Runs what numba compiles in umap and librosa once while the image is built, so that a sandbox finds it compiled."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

WHEELS = Path("/usr/local/lib/python3.13/dist-packages")


def main() -> None:
    # numba compares the time of a source, and a layer of an image keeps whole seconds.
    for name in ("umap", "pynndescent", "librosa"):
        for file in (WHEELS / name).rglob("*.py"):
            seconds = int(file.stat().st_mtime)
            os.utime(file, (seconds, seconds))
    warnings.simplefilter("ignore")
    import librosa
    import numpy as np
    import umap

    points = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    umap.UMAP(n_neighbors=5, n_epochs=10, random_state=1).fit_transform(points[:30])
    # From 4096 points on umap searches for neighbours in another way; so does this.
    umap.UMAP(n_neighbors=5, n_epochs=10, force_approximation_algorithm=True).fit(points).transform(points[:5])
    tone = librosa.tone(440, sr=22050, duration=1.0)
    librosa.feature.mfcc(y=tone, sr=22050)
    librosa.feature.chroma_stft(y=tone, sr=22050)
    librosa.beat.beat_track(y=tone, sr=22050)
    librosa.onset.onset_detect(y=tone, sr=22050)
    librosa.yin(tone, fmin=65, fmax=2093)
    librosa.effects.time_stretch(tone, rate=1.5)


if (WHEELS / "numba").exists():
    main()
