// SPDX-License-Identifier: GPL-2.0

//! Draws curves as SVG.

use std::ops::Range;

use anyhow::{anyhow, Result};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::plot::{colour, font, LINES, TEXT};
use crate::subject::Language;

/// The style of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A subject, in the colour of its language.
    Subject(Language),
    /// One of several runs of a subject: thin and pale.
    Run(Language),
    /// A limit, or a reference: thin and black.
    Limit,
}

/// A line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The name in the legend; `None` if the line is not in the legend.
    pub label: Option<String>,
    /// The style.
    pub look: Look,
    /// The points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// The curves of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The suite.
    pub suite: String,
    /// The case in the suite.
    pub case: String,
    /// The label of the horizontal axis.
    pub x: String,
    /// The label of the vertical axis.
    pub y: String,
    /// The end of the vertical axis; `None` for the greatest value.
    pub top: Option<f64>,
    /// Whether both axes are logarithmic.
    pub is_log: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

const SIZE: (u32, u32) = (860, 300);

impl Curves {
    /// Draws the curves.
    ///
    /// # Errors
    ///
    /// The curves cannot be drawn.
    pub fn draw(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw_into(&mut svg)
            .map_err(|error| anyhow!("cannot draw {:?}: {error}", self.case))?;
        Ok(svg)
    }

    fn draw_into(&self, svg: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN_POSITIVE, f64::max);
        let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
        let (right, top) = (most(|point| point.0), most(|point| point.1));
        if self.is_log {
            let (left, bottom) = (least(|point| point.0), least(|point| point.1));
            let x = (left..right * 1.2).log_scale();
            let y = (bottom * 0.8..top * 1.5).log_scale();
            self.draw_on(&root, x, y)?;
        } else {
            // The axis is longer than the lines, so that the legend does not hide a line.
            let x: Range<f64> = 0.0..right * 1.3;
            let y: Range<f64> = 0.0..self.top.unwrap_or(top * 1.05);
            self.draw_on(&root, x, y)?;
        }
        root.present()?;
        Ok(())
    }

    fn draw_on<X, Y>(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        x: X,
        y: Y,
    ) -> std::result::Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        let number = |value: &f64| match *value {
            value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
            value if value >= 1.0 => format!("{value:.1}"),
            value => format!("{value:.3}"),
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINES)
            .axis_style(LINES)
            .x_labels(12)
            .y_labels(6)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .label_style(font(13))
            .axis_desc_style(font(14))
            .x_desc(self.x.as_str())
            .y_desc(self.y.as_str())
            .draw()?;
        for line in &self.lines {
            let style = match line.look {
                Look::Subject(language) => colour(language).stroke_width(3),
                Look::Run(language) => colour(language).mix(0.25).stroke_width(1),
                Look::Limit => TEXT.stroke_width(1),
            };
            let series = chart.draw_series([PathElement::new(line.points.clone(), style)])?;
            if let Some(label) = &line.label {
                series
                    .label(label.clone())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
            }
        }
        chart
            .configure_series_labels()
            .position(match self.is_log {
                true => SeriesLabelPosition::LowerRight,
                false => SeriesLabelPosition::MiddleRight,
            })
            .background_style(WHITE.mix(0.85))
            .border_style(LINES)
            .label_font(font(14))
            .margin(8)
            .legend_area_size(28)
            .draw()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(is_log: bool) -> Curves {
        let line = |label: &str, look, by: f64| Line {
            label: Some(label.into()),
            look: Look::Subject(look),
            points: (1..50).map(|x| (f64::from(x), by * f64::from(x))).collect(),
        };
        Curves {
            suite: "suite".into(),
            case: "case".into(),
            x: "across".into(),
            y: "upwards".into(),
            top: None,
            is_log,
            lines: vec![
                line("one", Language::Rust, 1.0),
                line("other", Language::C, 2.0),
            ],
        }
    }

    #[test]
    fn lines_have_their_colour_and_their_label() {
        for is_log in [false, true] {
            let svg = curves(is_log).draw().unwrap();
            for text in ["one", "other", "across", "upwards", "#C75424", "#5C7491"] {
                assert!(svg.contains(text), "{text} is not in {svg}");
            }
        }
    }

    #[test]
    fn nothing_can_be_drawn() {
        let mut none = curves(false);
        none.lines.clear();
        none.draw().unwrap();
    }
}
