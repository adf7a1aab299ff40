//! Figures as bars, in SVG that is written here: a panel for each question, a bar for each system, all bars of a panel on one
//! scale that begins at nothing. Legible on light and on dark ground.

use crate::Result;
use crate::options::Options;
use crate::system::{About, Side};

const WIDTH: usize = 760;
const LABELS: usize = 230;
/// Where the numbers behind the bars stand.
const VALUES: usize = 120;
const BAR: usize = 14;
const STEP: usize = 20;
const TITLE: usize = 44;
const HEAD: usize = 34;
const MARGIN: usize = 12;

/// The colours tell whose work a bar is, and the labels tell it too.
const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .unit { fill: #59636e }
  .head { font-weight: 600 }
  .ours { fill: #0969da }
  .hand { fill: #57606a }
  .peer { fill: #afb8c1 }
  .reads { fill: none; stroke: #afb8c1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .unit { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .hand { fill: #9198a1 }
    .peer { fill: #545d68 }
    .reads { stroke: #545d68 }
  }";

pub(crate) struct Bar {
    name: String,
    class: &'static str,
    length: f64,
    value: String,
}

impl Bar {
    pub(crate) fn new(about: About, length: f64, value: &str) -> Self {
        let class = match about.side {
            Side::Ours => "ours",
            Side::ByHand => "hand",
            Side::Peer => "peer",
            Side::PeerReadsOnly => "reads",
        };
        Self { name: about.name.to_owned(), class, length, value: value.to_owned() }
    }
}

pub(crate) struct Chart {
    title: String,
    unit: String,
    panels: Vec<(String, Vec<Bar>)>,
}

impl Chart {
    pub(crate) fn new(title: impl Into<String>, unit: &str) -> Self {
        Self { title: title.into(), unit: unit.to_owned(), panels: Vec::new() }
    }

    pub(crate) fn panel(&mut self, head: &str, bars: Vec<Bar>) {
        self.panels.push((head.to_owned(), bars));
    }

    /// Writes it to the directory that was asked for, if one was.
    pub(crate) fn write(&self, options: &Options, name: &str) -> Result<()> {
        let Some(directory) = &options.charts else { return Ok(()) };
        std::fs::create_dir_all(directory)?;
        Ok(std::fs::write(directory.join(format!("{name}.svg")), self.svg())?)
    }

    fn svg(&self) -> String {
        let height = TITLE + self.panels.iter().map(|(_, bars)| HEAD + STEP * bars.len()).sum::<usize>() + MARGIN;
        let mut body = text(MARGIN, 24, "title", &self.title) + &text(MARGIN, 42, "unit", &self.unit);
        let mut top = TITLE;
        for (head, bars) in &self.panels {
            body += &text(MARGIN, top + 24, "head", head);
            top += HEAD;
            let longest = bars.iter().map(|bar| bar.length).fold(f64::MIN_POSITIVE, f64::max);
            for bar in bars {
                body += &drawn(bar, longest, top);
                top += STEP;
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{}\">\n<style>{STYLE}\n</style>\n{body}</svg>\n",
            escaped(&self.title)
        )
    }
}

fn drawn(bar: &Bar, longest: f64, top: usize) -> String {
    let room = (WIDTH - LABELS - VALUES - MARGIN) as f64;
    let width = (bar.length / longest * room).max(1.0);
    let baseline = top + BAR - 2;
    format!(
        "<rect class=\"{}\" x=\"{LABELS}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\n",
        bar.class
    ) + &text(MARGIN, baseline, "label", &bar.name)
        + &text(LABELS + width as usize + 6, baseline, "value", &bar.value)
}

fn text(x: usize, y: usize, class: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(words))
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
