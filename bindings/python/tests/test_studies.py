"""Studies in Python are those of the command line, byte for byte; pages of runs and of studies."""

from __future__ import annotations

import json
import subprocess

import pytest
from conftest import MNIST

import snn_event


@pytest.fixture(scope="module")
def study():
    return {
        "input": MNIST / "x.npy",
        "labels": MNIST / "y.npy",
        "calibration": MNIST / "x_calib.npy",
        "samples": 20,
        "T": [2, 8],
        "sparsity": [0.9, 0.97],
        "model": [{"name": "lenet", "file": MNIST / "mlp300-p90.onnx"}],
        "recipe": [{"name": "unit"}, {"name": "signed, m = 4", "neuron": "signed", "max_spikes": 4, "levels": 8}],
    }


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "results.jsonl"
    snn_event.sweep(study, out)
    return out


def test_a_study_is_that_of_the_command_line_byte_for_byte(study, results, binary, tmp_path):
    (tmp_path / "study.toml").write_text(snn_event.study_toml(study))
    done = subprocess.run(
        [binary, "sweep", "study.toml", "--out", "results.jsonl", "--csv", "t.csv", "--latex", "t.tex"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results.jsonl").read_bytes() == results.read_bytes()
    read = snn_event.StudyResults.read(results)
    assert read.to_csv() == (tmp_path / "t.csv").read_text()
    assert read.to_latex() == (tmp_path / "t.tex").read_text()
    # And a file of it is that study.
    assert snn_event.sweep(tmp_path / "study.toml", results) == read


def test_cells_have_the_numbers_of_the_lines(results):
    read = snn_event.StudyResults.read(results)
    lines = [json.loads(line) for line in results.read_text().splitlines()[1:]]
    assert len(read) == len(lines) == 8
    for cell, line in zip(read.cells, lines, strict=True):
        assert (cell.model, cell.recipe, cell.T, cell.sparsity) == (
            line["model"], line["recipe"], line["T"], line["sparsity"],
        )  # fmt: skip
        assert cell.accuracy == line["accuracy"] and list(cell.interval) == line["interval"]
        assert [list(rate) for rate in cell.rates] == line["rates"] and cell.spike_digest == line["spike_digest"]
    frame = read.to_pandas()
    assert frame["accuracy"].tolist() == [line["accuracy"] for line in lines]
    assert (frame["low"] <= frame["accuracy"]).all() and (frame["accuracy"] <= frame["high"]).all()
    assert read.head["tool"].startswith("snn-event ") and repr(read).startswith("StudyResults(8 cells, best: lenet")
    assert "signed, m = 4" in read._repr_html_()


def test_an_interrupted_study_goes_on_and_its_parts_join_to_the_same_file(study, results, tmp_path):
    whole = results.read_bytes()
    cut = tmp_path / "results.jsonl"
    cut.write_bytes(whole[: len(whole) // 2])
    snn_event.sweep(study, cut, threads=1, progress=False)
    assert cut.read_bytes() == whole
    parts = [tmp_path / f"part-{number}.jsonl" for number in (1, 2, 3)]
    for number, part in enumerate(parts, 1):
        snn_event.sweep(study, part, shard=f"{number}/3")
    joined = snn_event.merge(parts[::-1], tmp_path / "joined.jsonl")
    assert (tmp_path / "joined.jsonl").read_bytes() == whole and joined == snn_event.StudyResults.read(results)
    with pytest.raises(ValueError, match="part 2 of 3 is missing|part 3 of 3, and 2 was expected"):
        snn_event.merge([parts[0], parts[2]], tmp_path / "joined.jsonl")


def test_results_are_verified_against_the_cells_run_again(study, results, tmp_path):
    (tmp_path / "study.toml").write_text(snn_event.study_toml(study))
    copy = tmp_path / "copy.jsonl"
    text = results.read_text()
    copy.write_text(text)
    assert snn_event.verify(copy, cells=(0, 2)) is None
    line = text.splitlines()[8]
    wrong = line.replace(f'"right":{json.loads(line)["right"]}', '"right":1')
    copy.write_text(text.replace(line, wrong))
    found = snn_event.verify(copy, cells=(7, 8))
    assert found is not None and (found.line, found.there, found.now) == (9, wrong, line)
    with pytest.raises(snn_event.FormatError, match="8 cells, and 7 to 9 were asked for"):
        snn_event.verify(copy, cells=(7, 9))
    (tmp_path / "study.toml").write_text(snn_event.study_toml({**study, "T": [2, 9]}))
    with pytest.raises(snn_event.FormatError, match="another than when it was made: study"):
        snn_event.verify(copy)
    with pytest.raises(snn_event.FormatError, match="say where it is"):
        snn_event.verify(results)


def test_pages_show_runs_and_studies(results, mnist_onnx, mnist, tmp_path):
    images, labels, _ = mnist
    page, figures = tmp_path / "study.html", tmp_path / "figures"
    number = snn_event.StudyResults.read(results).report(page, figures=figures)
    assert number == len(list(figures.glob("*.svg"))) == len(list(figures.glob("*.pdf"))) > 4
    text = page.read_text()
    assert "Study of spiking networks" in text and text.count("<figure ") == number and "<script" not in text
    snn = snn_event.convert(mnist_onnx, mnist[2], T=8)
    told = snn_event.report(snn, images[:30], labels[:30], out=page, figures=figures, model=mnist_onnx)
    assert told == snn_event.evaluate(snn, images[:30], labels[:30], model=mnist_onnx)
    text = page.read_text()
    for wanted in ("Run of a spiking network", "Activation against rate of", "snn_event", told.provenance["net"]["crc32"]):
        assert wanted in text, wanted


def test_what_is_no_study_is_refused_and_nothing_is_written(study, results, tmp_path):
    out = tmp_path / "out.jsonl"
    for wrong, error, match in [
        ({**study, "sparsities": [1]}, ValueError, "sparsities"),
        ({**study, "T": []}, ValueError, "T has no numbers of steps"),
        ({**study, "input": "none.npy"}, FileNotFoundError, "none.npy"),
        ({**study, "recipe": [{"name": "a", "neuron": "spiky"}]}, ValueError, "unit, multi, signed, settle"),
        ({**study, "model": [{"name": "a", "file": MNIST / "x.npy"}], "sparsity": []}, snn_event.ConvertError, "unknown kind"),
        (tmp_path / "no.toml", FileNotFoundError, "no.toml"),
    ]:
        with pytest.raises(error, match=match):
            snn_event.sweep(wrong, out)
        out.unlink(missing_ok=True)
    with pytest.raises(ValueError, match="threads is 0"):
        snn_event.sweep(study, out, threads=0)
    with pytest.raises(ValueError, match="shard: `3/2` is no part"):
        snn_event.sweep(study, out, shard="3/2")
    with pytest.raises(MemoryError, match="of one cell takes about"):
        snn_event.sweep(study, out, memory_limit=1000)
    whole = results.read_bytes()
    with pytest.raises(ValueError, match="holds something else"):
        snn_event.sweep({**study, "samples": 10}, results)
    with pytest.raises(ValueError, match="x.npy"):
        snn_event.sweep(study, study["input"])
    assert results.read_bytes() == whole
    out.write_text("notes\n")
    with pytest.raises(snn_event.FormatError, match="holds no results"):
        snn_event.StudyResults.read(out)
    with pytest.raises(ValueError, match="no results yet"):
        snn_event.StudyResults({"head": {"study": {}}, "rows": []}).report(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
