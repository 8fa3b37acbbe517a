// SPDX-License-Identifier: GPL-2.0

//! Draws bars as SVG.

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::subject::Language;

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The text beside the bar.
    pub label: String,
    /// The length.
    pub value: f64,
    /// The text at the end of the bar.
    pub note: String,
    /// The range of the whisker, if there is one.
    pub spread: Option<[f64; 2]>,
    /// The language, which determines the colour.
    pub language: Language,
}

/// Larger numbers are shown in millions.
pub const MILLION: f64 = 1e6;

/// The width of a plot.
pub(crate) const WIDTH: u32 = 860;
/// The height for each bar.
const ROW: u32 = 38;
/// The width for the labels on the left.
const LABELS: u32 = 190;
/// The height for the axis below.
const AXIS: u32 = 46;
/// The width for the notes, as a part of the longest bar.
const NOTES: f64 = 0.34;

const RUST: RGBColor = RGBColor(199, 84, 36);
const C: RGBColor = RGBColor(92, 116, 145);
const BPF: RGBColor = RGBColor(193, 157, 43);
const NOBODY: RGBColor = RGBColor(181, 186, 192);
const HAND: RGBColor = RGBColor(69, 133, 87);
/// The colour of lines behind the values.
pub(crate) const LINES: RGBColor = RGBColor(221, 225, 230);
pub(crate) const TEXT: RGBColor = RGBColor(34, 38, 43);

/// Draws bars below each other, with the first bar on top.
///
/// # Errors
/// Fails when the plot cannot be drawn.
pub fn bars(axis: &str, bars: &[Bar]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, axis, bars).map_err(|error| anyhow!("cannot draw {axis:?}: {error}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    axis: &str,
    bars: &[Bar],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let rows = bars.len();
    let height = ROW * u32::try_from(rows)? + AXIS + 8;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let ends = bars.iter().map(|bar| {
        bar.spread
            .map_or(bar.value, |[_, high]| high.max(bar.value))
    });
    let longest = ends.fold(0.0, f64::max);
    let longest = if longest > 0.0 { longest } else { 1.0 };
    let mut chart = ChartBuilder::on(&root)
        .margin(4)
        // This is room for half of the last number on the axis.
        .margin_right(24)
        .x_label_area_size(AXIS)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..longest * (1.0 + NOTES), 0.0..rows as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .x_labels(8)
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .axis_style(LINES)
        .x_label_formatter(&|value| tick(*value, longest))
        .label_style(font(13))
        .axis_desc_style(font(14))
        .x_desc(axis)
        .draw()?;
    let beside = font(15).pos(Pos::new(HPos::Right, VPos::Center));
    let at_end = font(14).pos(Pos::new(HPos::Left, VPos::Center));
    for (row, bar) in bars.iter().enumerate() {
        // The first bar has the highest coordinate.
        let top = (rows - row) as f64;
        let (from, to, middle) = (top - 0.86, top - 0.14, top - 0.5);
        let colour = colour(bar.language);
        chart.draw_series([Rectangle::new(
            [(0.0, from), (bar.value.max(0.0), to)],
            colour.filled(),
        )])?;
        chart.draw_series([EmptyElement::at((0.0, middle))
            + Text::new(bar.label.clone(), (-10, 0), beside.clone())])?;
        let mut end = bar.value.max(0.0);
        if let Some([low, high]) = bar.spread {
            let whisker = [
                vec![(low, middle), (high, middle)],
                cap(low, middle),
                cap(high, middle),
            ];
            chart.draw_series(whisker.map(|line| PathElement::new(line, TEXT)))?;
            end = end.max(high);
        }
        chart
            .draw_series([EmptyElement::at((end, middle))
                + Text::new(bar.note.clone(), (8, 0), at_end.clone())])?;
    }
    root.present()?;
    Ok(())
}

/// Returns the line at the end of a whisker.
fn cap(at: f64, middle: f64) -> Vec<(f64, f64)> {
    vec![(at, middle - 0.14), (at, middle + 0.14)]
}

/// Formats a number at the axis, with as many decimal places as the axis needs.
fn tick(value: f64, longest: f64) -> String {
    if longest >= MILLION {
        return tick(value / MILLION, longest / MILLION) + " million";
    }
    let places = if longest < 1.0 {
        2
    } else if longest < 8.0 {
        1
    } else {
        0
    };
    format!("{value:.places$}")
}

/// Returns the colour of a language.
pub(crate) fn colour(language: Language) -> RGBColor {
    match language {
        Language::Rust => RUST,
        Language::C => C,
        Language::Bpf => BPF,
        Language::Nobody => NOBODY,
        Language::Hand => HAND,
    }
}

/// Returns the style of text.
pub(crate) fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, value: f64) -> Bar {
        Bar {
            label: label.into(),
            value,
            note: format!("{value}!"),
            spread: (label == "rust").then_some([value * 0.9, value * 1.5]),
            language: if label == "rust" {
                Language::Rust
            } else {
                Language::C
            },
        }
    }

    #[test]
    fn every_bar_has_its_label_its_note_and_its_colour() {
        let svg = bars("an axis", &[bar("c", 38.0), bar("rust", 19.0)]).unwrap();
        for text in ["an axis", "38!", "19!", "#C75424", "#5C7491"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn a_spread_is_a_line_with_two_ends() {
        let lines = |label: &str, value| {
            let svg = bars("an axis", &[bar(label, value)]).unwrap();
            svg.matches("<polyline").count()
        };
        // Both bars have the same axis, so the spread of one ends at the end of the other.
        assert_eq!(lines("rust", 20.0) - lines("c", 30.0), 3);
    }

    #[test]
    fn numbers_at_the_axis_differ() {
        assert_eq!(tick(20.0, 100.0), "20");
        assert_eq!(tick(0.5, 2.0), "0.5");
        assert_eq!(tick(0.05, 0.4), "0.05");
        assert_eq!(tick(2.5e6, 5e6), "2.5 million");
    }

    #[test]
    fn nothing_and_less_than_nothing_can_be_drawn() {
        bars("an axis", &[bar("c", 0.0), bar("rust", -3.0)]).unwrap();
    }
}
