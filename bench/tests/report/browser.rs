//! Job: look at a page as a reader's browser shows it.
//! In: the file of a page. Out: each plot's marks, and what is wrong with them.
//! Invariant: the browser runs in a process group that ends with it or after a time, with a profile of
//! its own; the page itself is not changed, what measures it stands around it.

use std::fs;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Marks must have so many pixels of their colour: a dot of 5 by 5.
const PIXELS_MIN: usize = 20;
/// Where edges are smoothed, a pixel is a mixture.
const COLOUR_DISTANCE_MAX: i32 = 60;
/// A stroke is wider than its path.
const STROKE: f64 = 4.0;

/// A page around the page, as windows of browsers are never as narrow as phones. It writes where each
/// plot and its marks are shown, and in which colours.
const FRAME: &str = r#"<!DOCTYPE html><meta charset="utf-8"><style>html { color-scheme: light dark }
body { margin: 0 } iframe { display: block; border: 0; width: WIDTHpx; height: HEIGHTpx }
pre { display: none }</style>
<iframe srcdoc="PAGE"></iframe><pre id="measured"></pre><script>
document.querySelector('iframe').addEventListener('load', event => {
  const page = event.target.contentDocument;
  const box = element => { const b = element.getBoundingClientRect();
    return [b.left, b.top, b.width, b.height]; };
  const found = [...page.querySelectorAll('figure.plot')].map(plot => {
    const picture = plot.querySelector('svg.picture');
    const marks = picture ? [...picture.querySelectorAll('path.line, rect.fill, circle.mark')] : [];
    return { title: plot.querySelector('figcaption').textContent, box: picture && box(picture),
      background: page.defaultView.getComputedStyle(plot).backgroundColor,
      page_width: page.documentElement.scrollWidth, marks: marks.map(mark => {
        const style = page.defaultView.getComputedStyle(mark);
        return { box: box(mark), length: mark.getTotalLength(),
          colour: style[mark.matches('path') ? 'stroke' : 'fill'] }; }) };
  });
  document.getElementById('measured').textContent = JSON.stringify(found);
});
</script>"#;
/// Higher than any page of the tests.
const HEIGHT: u32 = 12_000;

/// How the page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Pixels from left to right.
    pub width: u32,
    /// Whether the reader prefers dark pages.
    pub is_dark: bool,
}

/// Says what is wrong with the plots of a page, or how many there are.
pub fn check_plots(page: &Path, view: View) -> Result<usize, String> {
    let folder = page.parent().expect("pages lie in folders");
    let text = fs::read_to_string(page).map_err(|error| error.to_string())?;
    let framed = folder.join("framed.html");
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    let frame = FRAME.replace("WIDTH", &view.width.to_string());
    let frame = frame.replace("HEIGHT", &HEIGHT.to_string()).replace("PAGE", &text);
    fs::write(&framed, frame).map_err(|error| error.to_string())?;
    let dom = chromium(&framed, view, &["--dump-dom"])?;
    let dom = String::from_utf8_lossy(&dom.stdout).into_owned();
    let measured =
        dom.split("<pre id=\"measured\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let plots: Vec<Value> = serde_json::from_str(measured.ok_or("the page was not shown")?)
        .map_err(|error| error.to_string())?;
    let image =
        folder.join(format!("{}-{}.png", view.width, if view.is_dark { "dark" } else { "light" }));
    let screenshot = format!("--screenshot={}", image.display());
    chromium(&framed, view, &[&screenshot])?;
    let image = Image::read(&image)?;
    for plot in &plots {
        check_plot(plot, &image, view).map_err(|error| format!("{}: {error}", plot["title"]))?;
    }
    Ok(plots.len())
}

fn check_plot(plot: &Value, image: &Image, view: View) -> Result<(), String> {
    let picture = numbers(&plot["box"]).ok_or("there is no picture")?;
    if plot["page_width"].as_u64() > Some(u64::from(view.width)) {
        return Err(format!("the page is {} pixels wide", plot["page_width"]));
    }
    let background = plot["background"].as_str().and_then(rgb).ok_or("there is no background")?;
    let marks =
        plot["marks"].as_array().filter(|marks| !marks.is_empty()).ok_or("nothing is drawn")?;
    for mark in marks {
        let [left, top, width, height] = numbers(&mark["box"]).ok_or("a mark has no place")?;
        let is_inside = left >= picture[0] - STROKE
            && top >= picture[1] - STROKE
            && left + width <= picture[0] + picture[2] + STROKE
            && top + height <= picture[1] + picture[3] + STROKE;
        if !is_inside || mark["length"].as_f64().unwrap_or(0.0) < 1.0 {
            return Err(format!("{mark} is not in {picture:?}"));
        }
        let colour = mark["colour"].as_str().unwrap_or_default();
        let colour = rgb(colour).ok_or_else(|| format!("{colour:?} is no colour"))?;
        if is_near(&colour, background) {
            return Err(format!("{colour:?} cannot be seen on {background:?}"));
        }
        let seen = image.count(picture, colour);
        if seen < PIXELS_MIN {
            return Err(format!("{seen} pixels of {colour:?} in {picture:?}"));
        }
    }
    Ok(())
}

fn numbers(value: &Value) -> Option<[f64; 4]> {
    let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
    numbers?.try_into().ok()
}

/// Reads `rgb(1, 2, 3)`.
fn rgb(text: &str) -> Option<[u8; 3]> {
    let inner = text.strip_prefix("rgb(")?.strip_suffix(')')?;
    let parts: Result<Vec<u8>, _> = inner.split(", ").map(str::parse).collect();
    parts.ok()?.try_into().ok()
}

/// Whether the first three parts of a pixel are about that colour.
fn is_near(pixel: &[u8], colour: [u8; 3]) -> bool {
    let differences = pixel.iter().zip(colour).map(|(one, other)| one.abs_diff(other));
    differences.map(i32::from).sum::<i32>() <= COLOUR_DISTANCE_MAX
}

/// Runs the browser on a page.
fn chromium(page: &Path, view: View, options: &[&str]) -> Result<Output, String> {
    let profile = page.with_extension("profile");
    let output = Command::new("timeout")
        .args(["-k", "5", "120", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-breakpad",
            "--hide-scrollbars",
        ])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!view.is_dark)))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={},{HEIGHT}", view.width.max(500)))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .output()
        .map_err(|error| format!("timeout(1) of coreutils: {error}"))?;
    let _ = fs::remove_dir_all(&profile);
    match output.status.code() {
        Some(0) => Ok(output),
        Some(127) => Err("chromium is missing: apt-get install chromium".to_owned()),
        code => Err(format!("chromium: {code:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Pixels of three or four bytes.
struct Image {
    width: usize,
    pixel_bytes: usize,
    bytes: Vec<u8>,
}

impl Image {
    fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut reader = png::Decoder::new(BufReader::new(file))
            .read_info()
            .map_err(|error| error.to_string())?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large an image")?];
        let info = reader.next_frame(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Self { width: info.width as usize, pixel_bytes: info.color_type.samples(), bytes })
    }

    /// How many pixels inside the box have about that colour.
    fn count(&self, [left, top, width, height]: [f64; 4], colour: [u8; 3]) -> usize {
        let columns = left as usize..((left + width) as usize).min(self.width);
        let rows = self.bytes.chunks_exact(self.width * self.pixel_bytes);
        rows.skip(top as usize)
            .take(height as usize)
            .flat_map(|row| {
                row.chunks_exact(self.pixel_bytes).take(columns.end).skip(columns.start)
            })
            .filter(|pixel| is_near(pixel, colour))
            .count()
    }
}
