//! `report`: one page of figures and tables that needs nothing but itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{json, printed, snn_event};

const INPUTS: &str = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy --batch-range 0:40 --points 1,2,4,8,16";
const MORE: &str =
    "--model @examples/mnist/mlp300-p90.onnx --stop margin=1 --energy horowitz-fp32 --energy loihi";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a file of numbers behind a figure, without its head.
fn rows(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join(format!("figures/{name}.csv"))).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_page_of_a_run_has_every_figure_with_its_files_and_the_numbers_of_eval() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("report {INPUTS} {MORE} --out %page.html --figures %figures");
    let said = printed(folder.path(), &line);
    assert!(said.contains("figures") && said.contains("Accuracy"), "{said}");
    let page = read(&folder.path().join("page.html"));
    let figures: BTreeSet<&str> =
        page.split("<figure id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for wanted in [
        "accuracy-steps",
        "accuracy-operations",
        "ends-margin-1",
        "spikes",
        "sparsity",
        "raster",
        "energy",
        "energy-loihi",
    ] {
        assert!(figures.contains(wanted), "no {wanted} among {figures:?}");
    }
    for beginning in ["rates-", "activations-"] {
        let found = figures.iter().filter(|name| name.starts_with(beginning)).count();
        assert_eq!(found, 2, "one {beginning} for each hidden layer of constant input: {figures:?}");
    }
    for name in &figures {
        let of = |ending: &str| folder.path().join(format!("figures/{name}.{ending}"));
        let svg = read(&of("svg"));
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{name}");
        assert!(std::fs::read(of("pdf")).unwrap().starts_with(b"%PDF"), "{name}");
        assert!(!rows(folder.path(), name).is_empty(), "{name} has no numbers");
        // Both titles of axes stand at the size that is theirs.
        assert!(svg.matches("font-size=\"14\"").count() >= 2, "{name} has no titles of its axes");
    }
    // Nothing is fetched, and nothing runs.
    for outside in ["<script", "src=", "href=\"http", "@import", "url(http", "<iframe"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The numbers are those of eval, and what they are made of is told.
    let eval = json(folder.path(), &format!("eval {INPUTS} {MORE} --json -"));
    let points = eval["points"].as_array().unwrap();
    let told = rows(folder.path(), "accuracy-steps");
    assert_eq!(told.len(), points.len());
    for (row, point) in told.iter().zip(points) {
        assert_eq!(row[0], point["T"].to_string());
        let number = |place: usize| row[place].parse::<f64>().unwrap();
        assert_eq!(number(2), point["accuracy"]["share"].as_f64().unwrap() * 100.0);
        assert_eq!(number(3), point["accuracy"]["low"].as_f64().unwrap() * 100.0);
    }
    let energy: f64 =
        rows(folder.path(), "energy-loihi").iter().map(|row| row[3].parse::<f64>().unwrap()).sum();
    assert!((energy - eval["energy"][1]["nanojoules"].as_f64().unwrap()).abs() < 1e-6);
    for digest in eval["spike_digests"].as_array().unwrap() {
        assert!(page.contains(digest["digest"].as_str().unwrap()));
    }
    assert!(
        page.contains(eval["provenance"]["net"]["crc32"].as_str().unwrap()) && page.contains("memory_limit")
    );
    // Every neuron is in one bin of its population's histogram.
    for name in figures.iter().filter(|name| name.starts_with("rates-")) {
        let neurons: u64 = rows(folder.path(), name).iter().map(|row| row[2].parse::<u64>().unwrap()).sum();
        assert!([300, 100].contains(&neurons), "{name}: {neurons}");
    }
}

#[test]
fn the_loss_of_each_layer_is_shown_of_networks_that_tell_it() {
    let folder = tempfile::tempdir().unwrap();
    let convert = "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --T 8 --compare \
                   --out %net.bin";
    printed(folder.path(), convert);
    let line = "report --net %net.bin --input @examples/mnist/x.npy --batch-range 0:5 --out %page.html --figures %figures";
    printed(folder.path(), line);
    let inspected = json(folder.path(), "inspect --net %net.bin --json -");
    let layers = inspected["description"]["report"]["layers"].as_array().unwrap();
    let told: Vec<(&str, f64)> = layers
        .iter()
        .filter_map(|layer| Some((layer["name"].as_str()?, layer["loss"]["error"].as_f64()?)))
        .collect();
    let shown = rows(folder.path(), "loss");
    assert_eq!(told.len(), 2);
    let shown: Vec<(&str, f64)> = shown.iter().map(|row| (&row[0][..], row[1].parse().unwrap())).collect();
    assert_eq!(shown, told);
    // Without labels the page tells how the classes settle.
    assert!(read(&folder.path().join("page.html")).contains("Settling against steps"));
}

/// A study of four cells on the shipped net, and its results.
fn swept(folder: &Path) {
    let example = crate::file("examples/mnist");
    let text = format!(
        "input = '{0}/x.npy'\nlabels = '{0}/y.npy'\ncalibration = '{0}/x_calib.npy'\nsamples = 20\nT = [2, 8]\n\
         sparsity = [0.9, 0.97]\n[[model]]\nname = 'LeNet & <co>'\nfile = '{0}/mlp300-p90.onnx'\n",
        example.display()
    );
    std::fs::write(folder.join("study.toml"), text).unwrap();
    printed(folder, "sweep %study.toml --out %results.jsonl");
}

#[test]
fn a_page_of_a_study_shows_what_its_results_hold() {
    let folder = tempfile::tempdir().unwrap();
    swept(folder.path());
    printed(folder.path(), "report --sweep %results.jsonl --out %page.html --figures %figures");
    let page = read(&folder.path().join("page.html"));
    assert!(page.contains("LeNet &amp; &lt;co&gt;") && !page.contains("<co>"));
    let results = read(&folder.path().join("results.jsonl"));
    let cells: Vec<Value> = results.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = rows(folder.path(), "accuracy-steps-0-0");
    assert_eq!(shown.len(), cells.len());
    for (row, cell) in shown.iter().zip(&cells) {
        assert_eq!(row[2], cell["T"].to_string());
        assert_eq!(row[5].parse::<f64>().unwrap(), cell["accuracy"].as_f64().unwrap() * 100.0);
        assert!(page.contains(cell["spike_digest"].as_str().unwrap()));
    }
    for name in ["accuracy-operations-0-0", "accuracy-sparsity-0-0", "rates-0-0", "energy-0-0"] {
        assert!(!rows(folder.path(), name).is_empty(), "{name}");
    }
}

#[test]
fn what_is_no_report_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.jsonl"), "{\"notes\": 1}\n").unwrap();
    std::fs::write(folder.path().join("empty.jsonl"), "{\"study\": {}}\n").unwrap();
    std::fs::write(folder.path().join("wrong.jsonl"), "{\"study\": {}}\n{\"model\": 1}\n").unwrap();
    for (line, status, part) in [
        ("report --out %page.html", 2, "--sweep"),
        ("report --net @examples/mnist/net.bin --out %page.html", 2, "--input"),
        (
            "report --sweep %notes.jsonl --net @examples/mnist/net.bin --input @examples/mnist/x.npy --out %page.html",
            2,
            "--sweep",
        ),
        ("report --sweep %notes.jsonl --out %page.html", 1, "no results of a sweep"),
        ("report --sweep %empty.jsonl --out %page.html", 1, "no results yet"),
        ("report --sweep %wrong.jsonl --out %page.html", 1, "line 2"),
        ("report --sweep %notes.jsonl --out %notes.jsonl", 2, "--out"),
    ] {
        let output = snn_event(folder.path(), line).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{line}: {error}");
        assert!(!folder.path().join("page.html").exists(), "{line}");
    }
}

/// A browser without a window, if this machine has one.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names =
        ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];
    let all = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    all.into_iter().find(|path| path.is_file())
}

/// What is looked for: text that leaves its drawing, anything that leaves the page, figures without two titles.
const LOOK: &str = r#"<script>
addEventListener("load", () => {
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push("the page is wider than the window");
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest(".wide") && !one.classList.contains("wide") || one.closest("defs")) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.right > width + 1 || box.left < -1)) wrong.push(one.tagName + " leaves the page: " + one.textContent.slice(0, 40));
  }
  let figures = 0;
  for (const drawing of document.querySelectorAll("figure > svg")) {
    figures += 1;
    const name = drawing.parentElement.id, paper = drawing.getBoundingClientRect();
    if (paper.width < 250 || paper.height < 100) wrong.push(name + " is too small to be read");
    const titles = drawing.querySelectorAll('text[font-size="14"]');
    if (titles.length < 2) wrong.push(name + " lacks the title of an axis");
    for (const text of drawing.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < paper.left - 1 || box.right > paper.right + 1 || box.top < paper.top - 1 || box.bottom > paper.bottom + 1)
        wrong.push(name + " cuts " + text.textContent);
    }
  }
  const paper = getComputedStyle(document.body).backgroundColor;
  document.title = JSON.stringify({ wrong, figures, width, paper });
});
</script>"#;

/// A page as a browser of this width finds it, and what it said to its console.
fn looked_at(chromium: &Path, folder: &Path, page: &Path, width: u32, more: &[&str]) -> (Value, String) {
    let copy = folder.join("looked-at.html");
    std::fs::write(&copy, read(page).replace("</body>", &format!("{LOOK}</body>"))).unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--window-size={width},1000"))
        .args(more)
        .arg("--dump-dom")
        .arg(format!("file://{}", copy.display()))
        .output()
        .unwrap();
    let (dom, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let title =
        title.unwrap_or_else(|| panic!("no page: {log}")).replace("&quot;", "\"").replace("&amp;", "&");
    (serde_json::from_str(&title).unwrap_or_else(|error| panic!("{error}: {title}\n{log}")), log)
}

#[test]
fn a_browser_shows_both_pages_on_a_screen_and_on_a_telephone_without_a_complaint() {
    let Some(chromium) = chromium() else {
        // CI says so where it has installed one.
        assert!(std::env::var_os("SNN_NEEDS_BROWSER").is_none(), "no Chromium is found in PATH");
        eprintln!("not looked at: no Chromium is found in PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), &format!("report {INPUTS} {MORE} --encoding poisson --out %run.html"));
    swept(folder.path());
    printed(folder.path(), "report --sweep %results.jsonl --out %study.html");
    for page in ["run.html", "study.html"] {
        let mut papers = BTreeSet::new();
        for (width, more) in
            [(1280, &[][..]), (400, &[]), (1280, &["--blink-settings=preferredColorScheme=0"])]
        {
            let (found, log) = looked_at(&chromium, folder.path(), &folder.path().join(page), width, more);
            assert_eq!(found["wrong"], serde_json::json!([]), "{page} at {width}");
            assert!(found["figures"].as_u64().unwrap() >= 5, "{page}: {found}");
            assert_eq!(found["width"], width, "{page}: {found}");
            let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
            assert!(complaints.is_empty(), "{page} at {width}: {complaints:?}");
            papers.insert(found["paper"].as_str().unwrap().to_owned());
        }
        assert_eq!(papers.len(), 2, "{page}: light and dark are one: {papers:?}");
    }
}
